# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The curves of a run: what is drawn, and that it can be seen."""

import cv2
from matplotlib.colors import to_rgb
import numpy as np
import pytest

from mcn_ros.trainer.curves import draw_curves, loss_curves, score_curves

HISTORY = [
    {'step': 100, 'losses': {'detection/size': 4.0, 'total': 9.0}, 'scores': {}},
    {'step': 200, 'losses': {'detection/size': 2.0, 'pose/heatmap': 3.0, 'total': 5.0},
     'scores': {'detection': {'AP': 0.1, 'AP50': None, 'AR': 0.3,
                              'per_class': {'person': 0.2, 'dog': 0.0}},
                'segmentation': {'mIoU': 0.6, 'per_class': {'person': 0.6}}, 'images': 9}},
    {'step': 300, 'losses': {'detection/size': 1.0, 'total': 2.0}, 'rate': 1e-3,
     'scores': {'detection': {'AP': 0.3, 'AP50': 0.5, 'AR': 0.4,
                              'per_class': {'person': 0.4, 'dog': 0.2}},
                'pose': {'AP': 0.05, 'AP50': 0.1}, 'images': 9}}]

FIGURES = {'detection': 'AP', 'pose': 'AP', 'segmentation': 'mIoU'}


def picture(folder, history):
    draw_curves(history, FIGURES, folder / 'curves.png')
    return cv2.imread(str(folder / 'curves.png'))[..., ::-1]


def pixels(image, cycle):
    """Return rows and columns of one of matplotlib's colours."""
    color = np.array(to_rgb(f'C{cycle}')) * 255
    return np.nonzero(np.abs(image - color).max(axis=2) < 2)


def entries(values, name='total', scores=()):
    return [{'step': 10 * (i + 1), 'losses': {name: value}, 'scores': dict(scores)}
            for i, value in enumerate(values)]


def test_a_loss_has_values_where_it_was_measured():
    assert loss_curves(HISTORY) == {
        'detection': {'size': [(100, 4.0), (200, 2.0), (300, 1.0)]},
        'pose': {'heatmap': [(200, 3.0)]},
        'total': {'total': [(100, 9.0), (200, 5.0), (300, 2.0)]}}


def test_scores_are_the_main_one_and_that_of_people():
    assert score_curves(HISTORY, 'detection', 'AP') == {
        'AP': [(200, 0.1), (300, 0.3)], 'person': [(200, 0.2), (300, 0.4)]}
    assert score_curves(HISTORY, 'pose', 'AP') == {'AP': [(300, 0.05)]}
    assert score_curves(HISTORY, 'other', None) == {}


def test_a_single_class_is_not_drawn_twice():
    assert score_curves(HISTORY, 'segmentation', 'mIoU') == {'mIoU': [(200, 0.6)]}


def test_there_is_a_column_for_each_task_and_one_for_all(tmp_path):
    width = picture(tmp_path, entries([2.0, 1.0])).shape[1]
    assert picture(tmp_path, HISTORY).shape[1] == 3 * width  # detection, pose


@pytest.mark.parametrize('values, falls', [([8.0, 4.0, 1.0], True), ([1.0, 4.0, 8.0], False)])
def test_a_loss_that_falls_is_seen_to_fall(tmp_path, values, falls):
    rows, columns = pixels(picture(tmp_path, entries(values)), 0)
    # What is right of the frame is the legend.
    line = columns < np.quantile(columns, 0.9)
    assert (rows[line][columns[line].argmin()] < rows[line][columns[line].argmax()]) == falls


def test_every_loss_has_its_color(tmp_path):
    history = [{'step': step, 'scores': {},
                'losses': {f'detection/{name}': 1.0 / step for name in names}}
               for step, names in ((10, 'abc'), (20, 'abc'))]
    image = picture(tmp_path, history)
    assert [len(pixels(image, cycle)[0]) > 20 for cycle in range(4)] == [True] * 3 + [False]


def test_scores_are_drawn(tmp_path):
    scores = {'pose': {'AP': 0.2, 'per_class': {'person': 0.4, 'dog': 0.1}}}
    without = picture(tmp_path, entries([2.0, 1.0], 'pose/heatmap'))
    image = picture(tmp_path, entries([2.0, 1.0], 'pose/heatmap', scores))
    half = len(image) // 2
    assert len(pixels(without[half:], 0)[0]) == len(pixels(image[:half], 1)[0]) == 0
    assert len(pixels(image[half:], 0)[0]) > 20 and len(pixels(image[half:], 1)[0]) > 20


def test_noise_in_scores_does_not_look_like_progress(tmp_path):
    noise = picture(tmp_path, entries([1.0], 'pose/a', {'pose': {'AP': 0.001}}))
    real = picture(tmp_path, entries([1.0], 'pose/a', {'pose': {'AP': 0.09}}))
    half = len(noise) // 2
    assert pixels(noise[half:], 0)[0].max() > pixels(real[half:], 0)[0].max() + 50


@pytest.mark.parametrize('history', [
    [], HISTORY[:1], entries([0.0, 0.0]), entries([1e-30, 1e30]),
    [{'step': 5, 'losses': {}, 'scores': {}}]], ids=['none', 'one', 'zero', 'far', 'no losses'])
@pytest.mark.filterwarnings('error')
def test_any_history_can_be_drawn(tmp_path, history):
    assert picture(tmp_path, history).ndim == 3


def test_a_picture_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(OSError, match='missing'):
        draw_curves(HISTORY, FIGURES, tmp_path / 'missing' / 'curves.png')
