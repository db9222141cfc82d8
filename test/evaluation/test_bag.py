# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores on a bag: what is annotated counts, wherever it is, and what is missing is told."""

import json

import cv2
import numpy as np
import pytest

from mcn_ros.data.bag_writer import ANNOTATIONS, BagConfig, coco_frames, write_bag
from mcn_ros.data.bags import Bag
from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.frames import Frame, image_topics
from mcn_ros.data.image_formats import EncodedImage
from mcn_ros.evaluation.bag import evaluate_offline
from mcn_ros.evaluation.dataset import evaluate
from mcn_ros.evaluation.iou_tracker import IouTracker
from mcn_ros.evaluation.stamped import StampedTruth
from mcn_ros.structures import Instances, Poses
from mcn_ros.tasks import build_tasks

COUNT = 6
TOPIC = '/camera/image_raw'


class Blobs:
    """A predictor that finds the white rectangle in an image, one pixel too large."""

    tasks = build_tasks({'detection': {'classes': ['person']}, 'pose': {}})

    def __call__(self, image):
        rows, columns = np.nonzero(image[:, :, 0] > 128)
        box = columns.min() - 1, rows.min() - 1, columns.max() + 2, rows.max() + 2
        boxes, scores = np.array([box], np.float32), np.array([0.9], np.float32)
        joints = np.zeros((1, 17, 2), np.float32)
        return {'detection': Instances(boxes, np.zeros(1, int), scores),
                'pose': Poses(boxes, scores, joints, joints[..., 0])}


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    """Write pictures with a rectangle each, which is annotated as a person."""
    folder = tmp_path_factory.mktemp('dataset')
    images, annotations = [], []
    for index in range(COUNT):
        image = np.zeros((48, 64, 3), np.uint8)
        left, top, width, height = 4 + 3 * index, 5, 12 + index, 20
        image[top:top + height, left:left + width] = 255
        cv2.imwrite(str(folder / f'{index}.png'), image)
        images.append({'id': 10 + index, 'file_name': f'{index}.png', 'width': 64, 'height': 48})
        annotations.append({
            'id': 1 + index, 'image_id': 10 + index, 'category_id': 1, 'iscrowd': 0,
            'bbox': [left, top, width, height], 'area': width * height})
    (folder / 'coco.json').write_text(json.dumps({
        'images': images, 'annotations': annotations,
        'categories': [{'id': 1, 'name': 'person'}]}))
    return folder


@pytest.fixture
def bag(dataset, tmp_path):
    """Write the data set to a bag."""
    write_bag(tmp_path / 'bag', coco_frames(dataset / 'coco.json', dataset), BagConfig(),
              dataset / 'coco.json')
    return tmp_path / 'bag'


def content(bag):
    return json.loads((bag / ANNOTATIONS).read_bytes())


def run(path, truth, topics=(), **options):
    """Return the results; ``truth`` is the content of annotations or None."""
    predictor = Blobs()
    truth = truth and StampedTruth(truth, predictor.tasks)
    with Bag(path) as bag:
        return evaluate_offline(predictor, bag, image_topics(bag, topics), truth, progress=False,
                                **options).results


def test_a_bag_scores_as_its_images(dataset, bag):
    expected = evaluate(Blobs(), CocoDataset(dataset / 'coco.json', dataset, Blobs.tasks), False)
    result = run(bag, content(bag))
    summary = result.pop('bag')
    assert result == expected and 0.1 < expected['detection']['AP'] < 0.9
    assert summary['frames'] == summary['scored'] == COUNT and summary['missed'] == 0
    assert summary['rate_hz'] == pytest.approx(10) and summary['notes'] == []
    assert summary['found'] == {'detection': COUNT, 'pose': COUNT}
    assert summary['predictor_ms'].keys() == {'p50', 'p95', 'p99'}


def test_without_annotations_things_are_counted(bag):
    result = run(bag, None)
    assert result.keys() == {'bag'}
    assert result['bag']['found']['detection'] == COUNT and result['bag']['scored'] == 0


def test_frames_that_are_not_in_a_bag_were_missed(dataset, tmp_path, bag):
    frames = list(coco_frames(dataset / 'coco.json', dataset))
    write_bag(tmp_path / 'half', frames[:3], BagConfig())
    result = run(tmp_path / 'half', content(bag))
    assert (result['bag']['scored'], result['bag']['missed']) == (3, 3)
    assert result['images'] == COUNT
    whole = run(bag, content(bag))
    assert result['detection']['AR'] == pytest.approx(whole['detection']['AR'] / 2, abs=0.1)


def test_frames_in_the_lost_part_of_a_bag_are_left_out(bag):
    file = bag / 'bag.mcap'
    file.write_bytes(file.read_bytes()[:30000])
    result = run(bag, content(bag))
    scored = result['bag']['scored']
    assert 1 <= scored < COUNT and result['images'] == scored
    assert (result['bag']['missed'], result['bag']['left_out']) == (0, COUNT - scored)
    assert 'cut off' in result['bag']['notes'][0]


def test_only_the_first_frames(bag):
    result = run(bag, content(bag), limit=2)
    assert result['images'] == 2
    assert (result['bag']['frames'], result['bag']['missed']) == (2, 0)


def test_a_renamed_topic_is_matched_by_stamp(dataset, bag, tmp_path):
    write_bag(tmp_path / 'renamed', coco_frames(dataset / 'coco.json', dataset),
              BagConfig('/eye'))
    result = run(tmp_path / 'renamed', content(bag), ['/eye'])
    assert result['detection'] == run(bag, content(bag))['detection']
    assert f'/eye is not one of the annotations ({TOPIC})' in result['bag']['notes'][0]


def test_two_cameras_may_have_the_same_stamps(bag):
    truth = content(bag)
    others = [{**image, 'id': 100 + image['id'], 'topic': '/other'} for image in truth['images']]
    truth['images'] += others
    result = run(bag, truth)
    assert (result['images'], result['bag']['missed']) == (COUNT, 0)
    for image in truth['images']:
        image['topic'] = f'/renamed{image["topic"]}'
    with pytest.raises(ValueError, match=f'images 10 and 110 have the same stamp.*{TOPIC}'):
        run(bag, truth)


def test_a_stamp_that_comes_again_is_scored_once(dataset, bag, tmp_path):
    frames = list(coco_frames(dataset / 'coco.json', dataset))
    write_bag(tmp_path / 'twice', [*frames, frames[-1]], BagConfig())
    result = run(tmp_path / 'twice', content(bag))
    assert (result['images'], result['bag']['repeated']) == (COUNT, 1)


def test_a_frame_that_cannot_be_decoded_was_missed(dataset, bag, tmp_path):
    frames = list(coco_frames(dataset / 'coco.json', dataset))
    broken = EncodedImage('png', frames[1].content.data[:40])
    frames[1] = Frame(frames[1].name, frames[1].stamp_ns, broken)
    write_bag(tmp_path / 'broken', frames, BagConfig(transport='compressed'))
    result = run(tmp_path / 'broken', content(bag))
    assert (result['bag']['unreadable'], result['bag']['missed']) == (1, 1)
    assert any('cannot be decoded' in note for note in result['bag']['notes'])


def test_pictures_are_offered_with_what_is_known(bag):
    truth, seen = content(bag), []
    truth['images'] = truth['images'][:2]
    truth['annotations'] = truth['annotations'][:2]
    run(bag, truth, watch=lambda *given: seen.append(given))
    assert [annotations is not None for _, _, annotations in seen] == [True] * 2 + [False] * 4
    frame, predictions, annotations = seen[0]
    assert frame.image.shape == (48, 64, 3) and predictions.keys() == {'detection', 'pose'}
    np.testing.assert_allclose(annotations['detection'].boxes, [[4, 5, 16, 25]])


def test_annotations_that_do_not_fit(bag):
    truth = content(bag)
    truth['images'][0]['height'] = 40
    with pytest.raises(ValueError, match=r'\(48, 64\).*\(40, 64\) of image 10'):
        run(bag, truth)
    truth = content(bag)
    for image in truth['images']:
        image['stamp'] += 1
    with pytest.raises(ValueError, match='no frame of the bag .* stamp of an annotated'):
        run(bag, truth)


@pytest.mark.parametrize('stamp', [None, '1', 1.5, True])
def test_stamps_are_integers(stamp):
    image = {'id': 5, 'file_name': '', 'width': 1, 'height': 1, 'stamp': stamp}
    with pytest.raises(ValueError, match='image 5 has no stamp in integer'):
        StampedTruth({'images': [image], 'annotations': [], 'categories': []}, {})


def test_topics_are_texts():
    image = {'id': 5, 'file_name': '', 'width': 1, 'height': 1, 'stamp': 1, 'topic': ['/image']}
    with pytest.raises(ValueError, match='image 5: the topic is no text'):
        StampedTruth({'images': [image], 'annotations': [], 'categories': []}, {})


def test_ids_are_scored_where_the_annotations_have_any(bag):
    truth = content(bag)
    assert 'tracking' not in run(bag, truth)
    for entry in truth['annotations']:
        entry['track_id'] = 5
    scores = run(bag, truth)['tracking']
    assert list(scores) == ['person']
    assert scores['person']['MOTA'] == 1  # who is there from the first frame on has an id in it
    assert scores['person']['id_switches'] == 0
    plain = run(bag, truth, tracker=IouTracker)['tracking']
    assert plain['person']['MOTA'] == plain['person']['IDF1'] == 1
