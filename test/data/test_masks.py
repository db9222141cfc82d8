# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks: those of the COCO tools, and nothing that could harm them."""

import re
import tracemalloc

from hypothesis import given, settings, strategies
import numpy as np
from pycocotools import mask as coco_mask
import pytest

from mcn_ros.data import masks
from mcn_ros.data.masks import draw_mask, read_mask

SIZE = (48, 64)
PIXELS = 48 * 64


def drawn(mask, size=SIZE):
    labels = np.zeros(size, np.uint8)
    draw_mask(labels, mask, 9)
    return labels == 9


def packed(counts, size=SIZE):
    """Return run lengths as the COCO tools write them to files."""
    return coco_mask.frPyObjects({'size': list(size), 'counts': counts}, *size)['counts'].decode()


@given(strategies.integers(0, 2 ** 32 - 1))
def test_polygons_are_drawn_as_the_coco_tools_draw_them(seed):
    rng = np.random.default_rng(seed)
    polygons = [rng.uniform(-6, 70, 2 * rng.integers(3, 9)).round(2)
                for _ in range(rng.integers(1, 4))]
    labels = np.zeros(SIZE, np.uint8)
    draw_mask(labels, polygons, 9)
    expected = coco_mask.decode(coco_mask.frPyObjects(polygons, *SIZE)).any(axis=2)
    # The tools themselves move a boundary by a pixel with the place of an oblique edge.
    assert ((labels == 9) != expected).mean() < 0.01
    assert set(np.unique(labels)) <= {0, 9}


@pytest.mark.parametrize('x, y', [(100, 5), (-100, 5), (5, -100), (5, 100)])
def test_a_polygon_outside_of_the_image_draws_nothing(x, y):
    assert not drawn([np.array([x, y, x + 20, y, x + 20, y + 20.0])]).any()


@pytest.mark.parametrize('compressed', [True, False])
def test_run_lengths_are_drawn(compressed):
    runs = [64, 30, PIXELS - 94]
    counts = packed(runs) if compressed else runs
    mask = read_mask({'size': list(SIZE), 'counts': counts}, SIZE, '')
    # Runs go down the columns.
    np.testing.assert_array_equal(np.flatnonzero(drawn(mask).T), np.arange(64, 94))


@given(strategies.lists(strategies.integers(0, 900), min_size=1, max_size=12))
def test_both_forms_of_run_lengths_are_the_same(counts):
    size = (sum(counts) or 1, 1)
    counts = counts if sum(counts) else [1]
    plain, text = ({'size': list(size), 'counts': form}
                   for form in (counts, packed(counts, size)))
    expected = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    for mask in (plain, text):
        np.testing.assert_array_equal(drawn(read_mask(mask, size, ''), size)[:, 0], expected)


BAD = {
    'w: is not a list of numbers': [
        [['a'] * 6], [['1'] * 6], [[None] * 6], [[True] * 6], [[10 ** 999] * 6], ['abcdef'],
        [[[1, 2], [3]]]],
    'w: expected finite numbers up to 1000000': [
        [[float('nan')] * 6], [[float('inf')] * 6], [[0, 0, 2e6, 0, 5, 5]]],
    'w is neither polygons nor run lengths': [3, 'abc', True, [3], [[1, 2, 3, 4, 5, 6, 7]],
                                              [[[1, 2], [3, 4], [5, 6]]]],
    'w has an outline of more than 1000000 pixels': [[[0, 0, 9e5, 0, 0, 9e5]]],
    "w has no 'counts'": [{'size': [48, 64]}],
    "w has no 'size'": [{'counts': [PIXELS]}],
    'w: a run-length mask is': [
        {'size': size, 'counts': [PIXELS]} for size in ([60000, 60000], [48], 5, None, '48')],
    'w: counts are no run lengths': [{'size': [48, 64], 'counts': counts} for counts in (
        'zzzzzz', '', 'P', 'ooooooooooo0', '\u00e9', '\ud800', 5, None, [-5, PIXELS + 5],
        [0.5, PIXELS], [[PIXELS]], [[1], [2, 3]], [2 ** 63, 2 ** 63, PIXELS], ['3072'], {})],
    'w: run lengths cover': [{'size': [48, 64], 'counts': counts} for counts in (
        [5], [5, PIXELS], packed([5]), packed([5, PIXELS]), '0')],
}


@pytest.mark.parametrize('message, mask', [(m, mask) for m, all_ in BAD.items() for mask in all_])
def test_what_is_wrong_with_a_mask_is_named(message, mask):
    with pytest.raises(ValueError, match=f'^{re.escape(message)}') as caught:
        read_mask(mask, SIZE, 'w')
    assert len(str(caught.value)) < 500


@settings(max_examples=300)
@given(strategies.text(strategies.characters(min_codepoint=40, max_codepoint=120), max_size=12))
def test_any_text_is_run_lengths_or_refused(text):
    try:
        mask = read_mask({'size': list(SIZE), 'counts': text}, SIZE, 'w')
    except ValueError:
        return
    assert drawn(mask).shape == SIZE  # what the tools themselves say does not fit is an error
    assert coco_mask.area(mask) == drawn(mask).sum()


def test_many_polygons_take_no_more_memory_than_one():
    size = (2000, 2000)
    mask = read_mask([[0, 0, 1999, 0, 1999, 1999, 0, 1999]] * 100, size, 'w')
    labels = np.zeros(size, np.uint8)
    tracemalloc.start()
    draw_mask(labels, mask, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6 and (labels == 1).mean() > 0.99


def test_a_long_outline_never_reaches_the_tools(monkeypatch):
    monkeypatch.setattr(masks, 'coco_mask', None)
    with pytest.raises(ValueError, match='outline'):
        read_mask([[0, 0, 1e6, 1e6] * 100], SIZE, 'w')
