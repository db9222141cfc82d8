# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Average precision: what is perfect, what is worthless, and what must not matter."""

import json

import numpy as np
import pytest

from mcn_ros.evaluation.coco import BoxScorer, PoseScorer
from mcn_ros.evaluation.ground_truth import read_ground_truth
from mcn_ros.structures import Instances, Poses, select
from mcn_ros.vocabulary import COCO_SKELETON

CLASSES = ('person', 'car')
NUM_JOINTS = COCO_SKELETON.num_keypoints

ONE = pytest.approx(1, abs=1e-9)  # COCOeval adds an epsilon to its denominators


def joints_of(box):
    """Return joints spread over a box, (17, 2)."""
    rng = np.random.default_rng(0)
    low, high = np.array(box[:2]), np.array(box[2:])
    return (low + rng.random((NUM_JOINTS, 2)) * (high - low)).astype(np.float32)


def coco(objects, images=(1, 2), names=CLASSES, joint_names=COCO_SKELETON.keypoint_names):
    """
    Return the content of a COCO file.

    :param objects: (image id, class index, xyxy) or (.., joints (17, 2) with NaN for absent).
    """
    annotations = []
    for image, index, box, *joints in objects:
        x1, y1, x2, y2 = box
        annotation = {'id': len(annotations) + 1, 'image_id': image, 'category_id': 10 + index,
                      'bbox': [x1, y1, x2 - x1, y2 - y1], 'area': (x2 - x1) * (y2 - y1) / 2}
        if joints:
            known = ~np.isnan(joints[0]).any(axis=1)
            values = np.hstack([np.nan_to_num(joints[0]), 2.0 * known[:, None]])
            order = [COCO_SKELETON.keypoint_names.index(name) for name in joint_names]
            annotation |= {'keypoints': values[order].ravel().tolist(),
                           'num_keypoints': int(known.sum())}
        annotations.append(annotation)
    categories = [{'id': 10 + i, 'name': name} for i, name in enumerate(names)]
    categories[0]['keypoints'] = list(joint_names)
    return {'images': [{'id': i, 'width': 640, 'height': 480} for i in images],
            'annotations': annotations, 'categories': categories}


def instances(*objects):
    """Return predictions from (class index, xyxy, score)."""
    return Instances(
        np.array([box for _, box, _ in objects], np.float32).reshape(-1, 4),
        np.array([index for index, _, _ in objects], np.int64),
        np.array([score for _, _, score in objects], np.float32))


def poses(*people):
    """Return predictions from (xyxy, joints, score)."""
    return Poses(
        np.array([box for box, _, _ in people], np.float32).reshape(-1, 4),
        np.array([score for _, _, score in people], np.float32),
        np.array([joints for _, joints, _ in people], np.float32).reshape(-1, NUM_JOINTS, 2),
        np.ones((len(people), NUM_JOINTS), np.float32))


A, B, C = (10, 10, 60, 110), (200, 50, 300, 250), (400, 300, 430, 330)
TRUTH = coco([(1, 0, A), (1, 1, B), (2, 0, C)])


def box_result(truth, predictions, classes=CLASSES):
    scorer = BoxScorer(truth, classes)
    for image, predicted in predictions.items():
        scorer.add(image, predicted)
    return scorer.result()


def test_the_truth_scores_one():
    result = box_result(TRUTH, {1: instances((0, A, .9), (1, B, .8)), 2: instances((0, C, .7))})
    assert [result[name] for name in ('AP', 'AP50', 'AP75', 'AR')] == [ONE] * 4
    assert result['per_class'] == {'person': ONE, 'car': ONE}


def test_no_predictions_score_zero():
    result = box_result(TRUTH, {1: instances(), 2: instances()})
    assert result['AP'] == result['AR'] == 0
    assert result['per_class'] == {'person': 0, 'car': 0}


def test_a_loose_box_counts_at_low_overlap_only():
    loose = (10, 10, 60, 73)  # IoU 0.63 with A
    result = box_result(coco([(1, 0, A)]), {1: instances((0, loose, .9))})
    assert result['AP50'] == ONE
    assert result['AP75'] == 0
    assert result['AP'] == pytest.approx(0.3)  # 3 of the 10 thresholds .5, .55, .6 are met


def test_neither_order_nor_scale_of_scores_matters():
    rng = np.random.default_rng(1)
    wrong = [(int(rng.integers(2)), (*xy, *(xy + 40)), s)
             for xy, s in zip(rng.integers(0, 400, (20, 2)), rng.random(20))]
    found = instances((0, A, .5), (1, B, .4), *wrong)
    result = box_result(TRUTH, {1: found})
    assert 0 < result['AP'] < 1
    shuffled = select(found, rng.permutation(len(found)))
    assert box_result(TRUTH, {1: shuffled}) == result
    squared = Instances(found.boxes, found.classes, found.scores ** 2)
    assert box_result(TRUTH, {1: squared}) == result


def test_scores_keep_their_precision():
    # To two decimals these two would be equal, and the wrong one (given first) would win.
    found = instances((0, C, .50001), (0, A, .50002))
    assert box_result(coco([(1, 0, A)]), {1: found})['AP'] == ONE


def test_centernet_writes_two_decimals():
    # The false one of two cars is better by less than a hundredth: then their order decides.
    truth = coco([(1, 1, A)])
    found = instances((1, A, 0.5012), (1, B, 0.5049))
    aps = []
    for reference in (False, True):
        scorer = BoxScorer(truth, CLASSES, reference)
        scorer.add(1, found)
        aps.append(scorer.result()['AP'])
    assert aps == [pytest.approx(0.5, abs=0.01), ONE]


def test_only_added_images_count():
    assert box_result(TRUTH, {1: instances((0, A, .9), (1, B, .8))})['AP'] == ONE
    assert box_result(TRUTH, {2: instances((0, C, .9))})['per_class'] == {'person': ONE}


def test_classes_that_the_file_lacks_are_not_scored():
    classes = ('bicycle', *CLASSES)
    found = {1: instances((0, C, .99), (1, A, .9), (2, B, .8)), 2: instances((1, C, .9))}
    result = box_result(TRUTH, found, classes)
    assert result['AP'] == ONE
    assert result['per_class'] == {'person': ONE, 'car': ONE}
    result = box_result(TRUTH, {1: instances((0, A, .9))}, ('bicycle',))
    assert result['AP'] is None and result['per_class'] == {}


def test_unlabelled_classes_are_neither_missed_nor_false():
    truth = coco([(1, 0, A), (2, 1, B)])
    scorer = BoxScorer(truth, CLASSES)
    scorer.add(1, instances((0, A, .5), (1, C, .9)), np.array([True, False]))
    scorer.add(2, instances((1, B, .5)), None)
    assert scorer.result()['AP'] == ONE
    scorer = BoxScorer(truth, CLASSES)
    scorer.add(1, instances((0, A, .5), (1, C, .9)), None)  # the same, now with a false car
    scorer.add(2, instances((1, B, .5)), None)
    assert scorer.result()['per_class']['car'] < 1
    scorer = BoxScorer(truth, CLASSES)
    scorer.add(2, instances(), np.array([True, False]))  # and no missed one
    assert scorer.result()['AP'] is None


def test_a_prediction_in_a_crowd_is_not_false():
    truth = coco([(1, 0, A), (1, 0, B)])
    truth['annotations'][1]['iscrowd'] = 1
    inside = (210, 60, 240, 120)
    assert box_result(truth, {1: instances((0, A, .5), (0, inside, .9))})['AP'] == ONE


def test_the_truth_is_not_changed():
    before = json.dumps(TRUTH)
    box_result(TRUTH, {1: instances((0, A, .9))})
    assert json.dumps(TRUTH) == before


@pytest.mark.parametrize('make', [lambda: BoxScorer(TRUTH, CLASSES), lambda: PoseScorer(TRUTH)])
def test_an_image_is_added_once_and_must_be_known(make):
    scorer, nothing = make(), instances() if isinstance(make(), BoxScorer) else poses()
    scorer.add(1, nothing)
    with pytest.raises(ValueError, match='1.*before'):
        scorer.add(1, nothing)
    with pytest.raises(ValueError, match='77'):
        scorer.add(77, nothing)


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(ValueError, match='missing.json'):
        read_ground_truth(tmp_path / 'missing.json')
    for text in ('no', 100_000 * '['):
        (tmp_path / 'text.json').write_text(text)
        with pytest.raises(ValueError, match='text.json.*not a JSON file'):
            read_ground_truth(tmp_path / 'text.json')
    (tmp_path / 'other.json').write_text('{"images": []}')
    with pytest.raises(ValueError, match="other.json.*'annotations'"):
        BoxScorer(tmp_path / 'other.json', CLASSES)


FAR = (500, 10, 540, 60)
PEOPLE = coco([(1, 0, A, joints_of(A)), (2, 0, B, joints_of(B))])


def pose_result(truth, predictions):
    scorer = PoseScorer(truth)
    for image, predicted in predictions.items():
        scorer.add(image, predicted)
    return scorer.result()


def test_true_poses_score_one_and_none_score_zero():
    found = {1: poses((A, joints_of(A), .9)), 2: poses((B, joints_of(B), .8))}
    assert pose_result(PEOPLE, found)['AP'] == ONE
    assert pose_result(PEOPLE, {1: poses(), 2: poses()})['AP'] == 0
    assert pose_result(PEOPLE, {})['AP'] is None


def test_a_shifted_pose_scores_less():
    ap = [pose_result(PEOPLE, {1: poses((A, joints_of(A) + shift, .9))})['AP']
          for shift in (0, 3, 100)]
    assert ap[0] == ONE and 0 < ap[1] < 1 and ap[2] == 0


def test_boxes_are_written_to_two_decimals():
    box = np.float32([10.004, 9.996, 60.001, 110.0])
    for reference, overlap in ((False, pytest.approx(1, abs=1e-3)), (True, 1.0)):
        scorer = BoxScorer(coco([(1, 1, A)]), CLASSES, reference)
        scorer.add(1, instances((1, box, 0.5)))
        scorer.result()
        found = scorer._evaluation.ious[1, 11].item()
        assert found == overlap and (found == 1) == reference


def test_the_size_of_a_person_is_that_of_the_joints_or_in_centernet_of_the_box():
    found = poses((A, joints_of(A), .4), ((400, 300, 440, 340), joints_of((0, 0, 600, 400)), .6))
    for reference, medium in ((False, ONE), (True, pytest.approx(0.5, abs=0.01))):
        scorer = PoseScorer(coco([(1, 0, A, joints_of(A))]), reference=reference)
        scorer.add(1, found)
        assert scorer.result()['APm'] == medium
        assert scorer.result()['AP'] == pytest.approx(0.5, abs=0.01)


def test_pose_scores_only_rank():
    found = poses((A, joints_of(A), .4), (B, joints_of(B), .6), (C, joints_of(C), .5))
    result = pose_result(PEOPLE, {1: found})
    assert 0 < result['AP'] < 1
    assert pose_result(PEOPLE, {1: select(found, [2, 0, 1])}) == result


def test_an_absent_joint_earns_nothing_and_costs_no_more():
    partly = joints_of(A)
    partly[:8] = np.nan
    score = pose_result(PEOPLE, {1: poses((A, partly, .9))})
    assert score['AP50'] == ONE and score['AP75'] == 0  # 9 of 17 joints are right
    # Where the missing joints are not labelled either, nothing is lost.
    truth = coco([(1, 0, A, partly)])
    assert pose_result(truth, {1: poses((A, partly, .9))})['AP'] == ONE


def test_people_without_joints_are_neither_missed_nor_false():
    nothing = np.full((NUM_JOINTS, 2), np.nan)
    truth = coco([(1, 0, A, joints_of(A)), (1, 0, B, nothing), (1, 0, C)])
    found = poses((A, joints_of(A), .5), (B, nothing, .9), (C, nothing, .9), (B, joints_of(B), .9))
    assert pose_result(truth, {1: found})['AP'] == ONE


def test_joints_are_matched_by_name():
    truth = coco([(1, 0, A, joints_of(A))], joint_names=COCO_SKELETON.keypoint_names[::-1])
    assert pose_result(truth, {1: poses((A, joints_of(A), .9))})['AP'] == ONE


def box_details(truth, predictions, classes=CLASSES):
    scorer = BoxScorer(truth, classes)
    for image, predicted in predictions.items():
        scorer.add(image, predicted)
    return scorer.result(), scorer.details()


def test_the_area_below_a_curve_is_the_score():
    loose = (10, 10, 60, 80)
    found = {1: instances((0, loose, .9), (1, FAR, .8), (1, B, .7)), 2: instances((0, C, .6))}
    result, details = box_details(TRUTH, found)
    curves = details['precision']
    assert list(curves) == ['all', 'person', 'car']
    for overlap, score in (('.50', 'AP50'), ('.75', 'AP75'), ('mean', 'AP')):
        assert np.mean(curves['all'][overlap]) == pytest.approx(result[score], abs=1e-4)
    for name, score in result['per_class'].items():
        assert np.mean(curves[name]['mean']) == pytest.approx(score, abs=1e-4)
        assert all(len(curve) == 101 for curve in curves[name].values())
        assert (np.diff(curves[name]['.50']) <= 0).all()


def test_objects_are_counted_without_crowds():
    truth = coco([(1, 0, A), (1, 0, B), (2, 1, C), (2, 0, C)])
    truth['annotations'][1]['iscrowd'] = 1
    _, details = box_details(truth, {1: instances(), 2: instances()}, ('bicycle', *CLASSES))
    assert details['objects'] == {'person': 2, 'car': 1}
    assert details['precision'].keys() == {'all', 'person', 'car'}
    assert box_details(truth, {1: instances()})[1]['objects'] == {'person': 1}


def test_without_objects_there_are_no_curves():
    assert box_details(coco([]), {1: instances((0, A, .9))})[1] == {'precision': {}, 'objects': {}}
    assert box_details(TRUTH, {})[1]['precision'] == {}
    assert box_details(TRUTH, {1: instances()}, ('bicycle',))[1]['precision'] == {}


def pose_details(truth, predictions):
    scorer = PoseScorer(truth)
    for image, predicted in predictions.items():
        scorer.add(image, predicted)
    return scorer.details()


def test_the_histogram_counts_every_person_once():
    exact, wrong = (A, joints_of(A), .3), (A, joints_of(A) + 500, .9)
    assert pose_details(PEOPLE, {1: poses(exact, wrong), 2: poses()}) | {'precision': 0} == {
        'precision': 0, 'objects': {'person': 2}, 'oks': [1, *[0] * 18, 1]}
    near = pose_details(PEOPLE, {1: poses((A, joints_of(A) + 3, .9))})['oks']
    assert sum(near) == 1 and sum(near[1:-1]) == 1


def test_one_prediction_is_similar_to_one_person_only():
    truth = coco([(1, 0, A, joints_of(A)), (1, 0, A, joints_of(A) + 1)])
    assert pose_details(truth, {1: poses((A, joints_of(A), .9))})['oks'] == [1, *[0] * 18, 1]
    two = pose_details(truth, {1: poses((A, joints_of(A), .9), (A, joints_of(A) + 1, .8))})
    assert two['oks'] == [*[0] * 19, 2]


def test_people_without_joints_are_not_in_the_histogram():
    truth = coco([(1, 0, B, np.full((NUM_JOINTS, 2), np.nan)), (1, 0, A, joints_of(A))])
    details = pose_details(truth, {1: poses((A, joints_of(A), .9), (B, joints_of(B), .8))})
    assert details['oks'] == [*[0] * 19, 1] and details['objects'] == {'person': 1}
    assert np.mean(details['precision']['person']['mean']) == pytest.approx(1, abs=1e-3)
    empty = pose_details(coco([]), {1: poses(), 2: poses((A, joints_of(A), .9))})
    assert empty == {'precision': {}, 'oks': [0] * 20, 'objects': {'person': 0}}
