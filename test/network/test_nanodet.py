# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The detector in the neck: what comes from where, what it says, and public weights."""

from pathlib import Path

import pytest
import torch

from mcn_ros.network.backbones.pretrained import load_detectors
from mcn_ros.network.nanodet import (
    BINS, CHANNELS as READINGS, CLASSES, Detector, enlarge, PathAggregation, STRIDES)
from mcn_ros.network.necks import NECKS

NANODET = Path(__file__).parents[3] / 'shared/data/weights/nanodet_m.pth'
CHANNELS = (6, 8, 10)
FAR = -1e4  # a logit that leaves nothing


def stages(fill=torch.randn, batch=1):
    return [fill(batch, channels, 16 // 2 ** level, 24 // 2 ** level)
            for level, channels in enumerate(CHANNELS)]


def neck(channels=READINGS + 8, kind='nanodet_joint'):
    return NECKS[kind]((4, *CHANNELS), (4, 8, 16, 32), channels, False, 16)


def silent_detector():
    """Return a detector that answers the biases of its last layers, whatever it sees."""
    detector = Detector(CHANNELS, 16).eval()
    for layer in detector.read:
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, -5.0)
    return detector


def let_say(layer, logit, distances):
    """Let a level answer class 7 everywhere, with the four distances in strides."""
    with torch.no_grad():
        layer.bias[7] = logit
        bins = layer.bias[CLASSES:].view(4, BINS)
        bins.fill_(FAR)
        bins[range(4), distances] = 0.0


def test_sizes_are_kept():
    found = PathAggregation(CHANNELS, 16)(stages())
    assert [values.shape for values in found] == [(1, 16, 16, 24), (1, 16, 8, 12), (1, 16, 4, 6)]


def test_every_level_sees_every_stage():
    pyramid, inputs = PathAggregation(CHANNELS, 16).eval(), stages()
    for stage in inputs:
        stage.requires_grad_()
    for values in pyramid(inputs):
        found = torch.autograd.grad(values.sum(), inputs, retain_graph=True)
        assert all(gradient.any() for gradient in found)


def test_sums_go_down_and_up_again():
    pyramid = PathAggregation((1, 1, 1), 1).eval()
    for layer in pyramid.lateral:
        torch.nn.init.ones_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    pyramid.towers = torch.nn.ModuleList(torch.nn.Identity() for _ in STRIDES)
    # Down: 4, 2 + 4, 1 + 6; up: 7, 6 + 7, 4 + 13.
    values = pyramid([torch.full((1, 1, 32 // 2 ** level, 32 // 2 ** level), 2.0 ** level)
                      for level in range(len(STRIDES))])
    assert [set(level.unique().tolist()) for level in values] == [{7.0}, {13.0}, {17.0}]


@pytest.mark.parametrize('level, stride', list(enumerate(STRIDES)))
@pytest.mark.parametrize('cell', [8, 4])
def test_a_box_that_one_level_sees_is_read(cell, level, stride):
    detector = silent_detector()
    let_say(detector.read[level], 6.0, [1, 2, 3, 4])  # left, top, right, bottom
    readings = detector(stages())[1]
    readings = enlarge(readings) if cell == 4 else readings
    assert readings.shape == (1, READINGS, 128 // cell, 192 // cell)
    assert (readings[:, 7] == 6).all() and (readings[:, [0, 6, 8, 79]] == -5).all()
    width, height = 4 * stride / cell, 6 * stride / cell
    # Far from the border, where there is nothing to interpolate with.
    size, offset = readings[0, CLASSES:, 64 // cell, 96 // cell].split(2)
    torch.testing.assert_close(size.exp(), torch.tensor([width, height]))
    # Every place of this level says that the centre is one stride right and one below of it; in
    # between it is interpolated, so that it is one stride from the middle of the cell everywhere.
    expected = (stride / cell + 0.5) / (width * height) ** 0.5
    torch.testing.assert_close(offset, torch.full((2,), expected))


@pytest.mark.parametrize('scale', [0.0, 1.0, 10.0])
def test_a_distance_is_the_mean_of_a_distribution(scale):
    detector = silent_detector()
    bins = scale * torch.randn(4, BINS, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        detector.read[0].bias[CLASSES:] = bins.flatten()
        detector.read[0].bias[:CLASSES] = 6.0
    left, top, right, bottom = (bins.softmax(dim=1) * torch.arange(BINS)).sum(dim=1)
    size = detector(stages())[1][0, CLASSES:CLASSES + 2, 8, 8].exp()
    torch.testing.assert_close(size, torch.stack([left + right, top + bottom]))


def test_certainty_without_bounds_is_no_distance_without_bounds():
    detector = silent_detector()
    with torch.no_grad():
        detector.read[0].bias[:] = torch.linspace(-1e4, 1e4, CLASSES + 4 * BINS)
    assert detector(stages())[1].isfinite().all()


@pytest.mark.parametrize('cell, level', [(8, 0), (8, 1), (8, 2), (4, 0)])
def test_at_the_border_the_last_places_speak_for_those_beyond(cell, level):
    detector = silent_detector()
    let_say(detector.read[level], 6.0, [1, 1, 1, 1])
    readings = detector(stages())[1]
    readings = enlarge(readings) if cell == 4 else readings
    unit = readings[0, CLASSES:CLASSES + 2].mean(dim=0).exp()
    across = (readings[0, -2] * unit + torch.arange(192 // cell))[0] * cell  # in pixels
    # Each middle of a cell says that it is the centre; there is none left of the first one.
    middles = (torch.arange(192 // cell) + 0.5) * cell
    first = STRIDES[level] / 2
    torch.testing.assert_close(across, middles.clamp(first, 192 - first))


def test_the_surest_level_says_how_large():
    detector = silent_detector()
    let_say(detector.read[0], 0.0, [1, 1, 1, 1])
    let_say(detector.read[2], 8.0, [2, 2, 2, 2])
    size = detector(stages())[1][0, CLASSES:CLASSES + 2, 8, 12].exp()
    torch.testing.assert_close(size, torch.full((2,), 16.0), rtol=1e-4, atol=0)


def test_16_bits_are_enough_for_boxes_far_from_the_corner():
    readings = Detector((1, 1, 1), 4).eval()([
        torch.randn(1, 1, 128 // 2 ** level, 128 // 2 ** level) for level in range(3)])[1]
    expected, found = enlarge(readings), enlarge(readings.bfloat16())
    # Places, which go up to 255 cells, would be wrong by up to half a cell.
    errors = (found[:, -2:] - expected[:, -2:]).abs()
    assert errors.max() < 0.05


def test_what_the_detector_says_comes_last():
    built, inputs = neck().eval(), [torch.randn(1, 4, 32, 48), *stages()]
    with torch.no_grad():
        found = built(inputs)['features']
        assert torch.equal(found[:, 8:], enlarge(built.detector(inputs[1:])[1]))
    assert found.shape == (1, READINGS + 8, 32, 48)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_what_the_detector_says_can_be_had_apart():
    built, apart = neck().eval(), neck(8, 'nanodet').eval()
    apart.load_state_dict(built.state_dict())
    inputs = [torch.randn(1, 4, 32, 48), *stages()]
    with torch.no_grad():
        learned, readings = apart(inputs).values()
        assert torch.equal(torch.cat([learned, enlarge(readings)], dim=1),
                           built(inputs)['features'])
    assert readings.shape == (1, READINGS, 16, 24)


def test_channels_for_more_than_the_detector_are_needed():
    with pytest.raises(ValueError, match=f'^channels: {READINGS}, but the nanodet_joint neck '):
        neck(READINGS)
    neck(1, 'nanodet')


def public_state(detector):
    """Return the state under the names of a NanoDet-m checkpoint."""
    names = {own: public for public, own in detector.public_names.items() if own is not None}
    state = {}
    for name, value in detector.state_dict().items():
        own, = (own for own in names if name.startswith(f'{own}.'))
        state[names[own] + name.removeprefix(own)] = value
    return state


def test_public_weights_arrive_where_they_belong(tmp_path):
    saved, loaded = neck(), neck()
    for value in saved.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    kept = {name: value.clone() for name, value in loaded.top_down.state_dict().items()}
    state = public_state(saved.detector) | {'backbone.conv1.0.weight': torch.zeros(1),
                                            'head.gfl_reg.0.weight': torch.zeros(1)}
    torch.save({'state_dict': state}, tmp_path / 'w.pth')
    load_detectors(loaded, tmp_path / 'w.pth')
    for name, value in saved.detector.state_dict().items():
        assert torch.equal(loaded.detector.state_dict()[name], value), name
    assert all(torch.equal(loaded.top_down.state_dict()[name], kept[name]) for name in kept)


def test_other_necks_have_no_public_weights():
    with pytest.raises(ValueError, match='only those of nanodet have pretrained weights'):
        load_detectors(NECKS['top_down']((4, *CHANNELS), (4, 8, 16, 32), 16, False), 'w.pth')


@pytest.mark.skipif(not NANODET.exists(), reason='no pretrained detector in ../shared')
def test_a_trained_detector_fits():
    built = NECKS['nanodet_joint']((24, 116, 232, 464), (4, 8, 16, 32), READINGS + 8, False)
    before = [value.clone() for value in built.detector.state_dict().values()]
    load_detectors(built, NANODET)
    after = built.detector.state_dict()
    assert all(not torch.equal(value, old) for (name, value), old in zip(after.items(), before)
               if 'num_batches' not in name)
