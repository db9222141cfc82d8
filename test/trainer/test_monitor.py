# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is written while a network learns, read back."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import yaml

from mcn_ros.colors import class_colors
from mcn_ros.structures import ClassMap, Instances, Poses, Sample
from mcn_ros.tasks import build_tasks
from mcn_ros.trainer.monitor import Monitor
from mcn_ros.visualization import LEFT

CLASSES = ('person', 'dog', 'car')
PERSON, DOG, CAR = (tuple(color.tolist()) for color in class_colors(3))
TASKS = build_tasks({'detection': {'classes': CLASSES}, 'pose': {},
                     'segmentation': {'classes': CLASSES}})
NODE = Path(__file__).resolve().parents[2] / 'config' / 'mcn.yaml'
GRAY = 100


@pytest.fixture
def monitor(tmp_path):
    found = Monitor(tmp_path, TASKS)
    yield found
    found.close()


def events(folder):
    return EventAccumulator(str(folder / 'tensorboard'), {'scalars': 0, 'images': 0}).Reload()


def scalars(folder, tag):
    return {event.step: event.value for event in events(folder).Scalars(tag)}


def sample(annotations=None, size=(360, 480), name='image-1'):
    return Sample(np.full((*size, 3), GRAY, np.uint8), annotations or {}, name)


def boxes(scores=(1.0,), classes=(0,), box=(60, 90, 300, 270)):
    return Instances(np.array([box] * len(scores), np.float32).reshape(-1, 4),
                     np.array(classes, np.int64), np.array(scores, np.float32))


def overlay(folder, step=800):
    """Return both halves of a sheet with one sample, (H, W, 3) RGB."""
    sheet = cv2.imread(str(folder / 'overlays' / f'step_{step:06}.jpg'))[..., ::-1]
    middle = sheet.shape[1] // 2
    return sheet[:, :middle - 4], sheet[:, middle + 4:]


def share(picture, color):
    """Return how much of a picture has a colour, as far as a JPEG keeps it."""
    return (np.abs(picture.astype(int) - color).max(axis=2) < 40).mean()


def objects(picture):
    """Return how much of a picture is coloured; the captions are not."""
    return (np.ptp(picture.astype(int), axis=2) > 30).mean()


def test_losses_become_scalars(monitor, tmp_path):
    monitor.losses(10, {'detection/size': 2.5, 'total': 4.0}, 1e-3)
    monitor.losses(20, {'detection/size': 1.5, 'total': 3.0}, 5e-4)
    monitor.close()
    assert scalars(tmp_path, 'train/detection/size') == {10: 2.5, 20: 1.5}
    assert scalars(tmp_path, 'train/total') == {10: 4.0, 20: 3.0}
    assert scalars(tmp_path, 'train/rate') == pytest.approx({10: 1e-3, 20: 5e-4})


def test_scores_become_scalars_once_they_are_there(monitor, tmp_path):
    monitor.scores(100, {'detection': {'AP': 0.25, 'APs': None, 'AR': 0,
                                       'per_class': {'person': 0.5, 'dog': 0.125}},
                         'segmentation': {'mIoU': 0.75, 'per_class': {'dog': 0.75}},
                         'images': 150})
    # Not closed: somebody looks while the network still learns.
    assert set(events(tmp_path).Tags()['scalars']) == {
        'val/detection/AP', 'val/detection/AR', 'val/detection/person', 'val/segmentation/mIoU'}
    assert scalars(tmp_path, 'val/detection/AP') == {100: 0.25}
    assert scalars(tmp_path, 'val/detection/person') == {100: 0.5}


def test_a_resumed_run_takes_back_what_was_not_saved(tmp_path):
    first = Monitor(tmp_path, TASKS)
    for step in (10, 20, 30, 40):
        first.losses(step, {'total': 1.0}, 1e-3)
    first.close()
    second = Monitor(tmp_path, TASKS, first=20)
    second.losses(30, {'total': 2.0}, 1e-3)
    second.close()
    assert scalars(tmp_path, 'train/total') == {10: 1.0, 20: 1.0, 30: 2.0}


def test_labels_are_left_and_predictions_right(monitor, tmp_path):
    monitor.overlays(800, [sample({'detection': boxes(classes=[1])})],
                     [{'detection': boxes([0.9], [2])}])
    labels, predicted = overlay(tmp_path)
    assert share(labels, DOG) > 0.002 and share(predicted, DOG) < 0.001
    assert share(predicted, CAR) > 0.002 and share(labels, CAR) < 0.001


def test_all_kinds_of_predictions_are_drawn_in_their_place(monitor, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.zeros((90, 120), np.uint8)
    labels[:45, :60] = 3
    joints = rng.uniform((60, 50), (118, 88), (1, 17, 2)).astype(np.float32)
    people = Poses(np.array([[60, 50, 118, 88]], np.float32), np.ones(1, np.float32), joints,
                   np.ones((1, 17), np.float32))
    # A picture of a quarter of the size that it has on the sheet.
    monitor.overlays(800, [sample(size=(90, 120))],
                     [{'segmentation': ClassMap(labels), 'pose': people}])
    _, predicted = overlay(tmp_path)
    height, width = predicted.shape[0] // 2, predicted.shape[1] // 2
    assert objects(predicted[:height - 4, :width - 4]) > 0.99  # the area fills its quarter
    assert share(predicted[height:, width:], LEFT) > 0.01
    assert objects(predicted[:height, width + 4:]) == 0


def test_what_the_node_would_not_publish_is_not_drawn(monitor, tmp_path):
    parameters = yaml.safe_load(NODE.read_text())['/**']['ros__parameters']
    threshold = parameters['detection']['score_threshold']
    monitor.overlays(1, [sample()], [{'detection': boxes([threshold - 0.01])}])
    monitor.overlays(2, [sample()], [{'detection': boxes([threshold + 0.01])}])
    assert objects(overlay(tmp_path, 1)[1]) < 0.001 < 0.005 < objects(overlay(tmp_path, 2)[1])


def test_captions_tell_what_is_not_labelled(monitor, tmp_path):
    nobody = Poses(np.empty((0, 4), np.float32), np.empty(0, np.float32),
                   np.empty((0, 17, 2), np.float32), np.empty((0, 17), np.float32))
    annotations = {'detection': boxes([], []), 'pose': nobody,
                   'segmentation': ClassMap(np.zeros((360, 480), np.uint8))}
    widths = []
    for step, names in enumerate([tuple(annotations), ('detection',)]):
        monitor.overlays(step, [sample({name: annotations[name] for name in names})], [{}])
        labels, _ = overlay(tmp_path, step)
        written = np.abs(labels.astype(int) - GRAY).max(axis=2) > 30
        rows, columns = np.nonzero(written)
        assert rows.min() > 0.8 * len(labels)
        widths.append(columns.max())
    assert widths[1] > widths[0] + 50  # '... of detection'


def test_every_sample_is_on_the_sheet(monitor, tmp_path):
    sizes = [(360, 480), (480, 360), (64, 64), (1080, 1920), (30, 200)]
    monitor.overlays(7, [sample(size=size) for size in sizes], [{}] * len(sizes))
    sheet = cv2.imread(str(tmp_path / 'overlays' / 'step_000007.jpg'))
    gray = (np.abs(sheet.astype(int) - GRAY).max(axis=2) < 8).astype(np.uint8)
    gray = cv2.morphologyEx(gray, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    assert cv2.connectedComponents(gray)[0] - 1 == 2 * len(sizes)


def test_tensorboard_has_the_same_picture(monitor, tmp_path):
    monitor.overlays(800, [sample({'detection': boxes()})], [{}])
    [image] = events(tmp_path).Images('val/overlays')
    assert image.step == 800
    assert image.encoded_image_string == (tmp_path / 'overlays/step_000800.jpg').read_bytes()
    pixels = cv2.imdecode(np.frombuffer(image.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (image.height, image.width, 3)


def test_a_picture_that_cannot_be_written_is_told(monitor, tmp_path):
    (tmp_path / 'overlays').mkdir()
    (tmp_path / 'overlays' / 'step_000800.jpg').mkdir()
    with pytest.raises(OSError, match='step_000800.jpg'):
        monitor.overlays(800, [sample()], [{}])


def test_curves_are_drawn(monitor, tmp_path):
    monitor.curves([{'step': 10, 'losses': {'total': 1.0}, 'scores': {}}])
    assert cv2.imread(str(tmp_path / 'curves.png')).ndim == 3
