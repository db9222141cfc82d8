# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Many bags: which there are, and the scores of all their images together."""

from dataclasses import asdict

import numpy as np
import pytest

from mcn_ros.evaluation.bag import BagSummary
from mcn_ros.evaluation.bags import evaluate_bags, find_bags, joint_results
from mcn_ros.evaluation.scorers import Scorers
from mcn_ros.evaluation.stamped import Evaluation
from mcn_ros.structures import ClassMap
from mcn_ros.tasks import build_tasks

TASKS = build_tasks({'segmentation': {'classes': ['person']}})


def test_bags_are_found_in_folders_of_folders(tmp_path):
    for path in ('day/two/metadata.yaml', 'day/one/metadata.yaml', 'night/old.bag', 'notes.txt'):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / 'empty').mkdir()
    one, two = tmp_path / 'day' / 'one', tmp_path / 'day' / 'two'
    assert find_bags([tmp_path]) == [one, two, tmp_path / 'night']
    assert find_bags([two, one]) == [two, one]
    assert find_bags([tmp_path / 'nowhere']) == [tmp_path / 'nowhere']  # who opens it will tell
    with pytest.raises(ValueError, match='empty: is neither a bag nor a folder of bags'):
        find_bags([one, tmp_path / 'empty'])


def outcome(name, truths):
    """Return the outcome of a bag of images of one pixel, all seen as a person."""
    scorers, seen = Scorers(TASKS), ClassMap(np.ones((1, 1), np.uint8))
    measured = [scorers.measure({'segmentation': seen},
                                {'segmentation': ClassMap(np.full((1, 1), truth, np.uint8))})
                for truth in truths]
    return Evaluation({'bag': asdict(BagSummary(name, ['/eye']))}, measured=measured)


def test_all_images_count_the_same_whichever_bag_they_are_in():
    outcomes = {'a': outcome('a', [1]), 'b': outcome('b', [1, 0, 0]), 'c': outcome('c', [])}
    found = evaluate_bags(list(outcomes), outcomes.get, progress=False)
    assert found == list(outcomes.values())
    results = joint_results(found, TASKS)
    assert results['segmentation']['mIoU'] == 2 / 4 and results['images'] == 4
    assert [each['bag']['path'] for each in results['bags']] == ['a', 'b', 'c']
    assert joint_results([outcomes['c']], TASKS).keys() == {'bags'}
