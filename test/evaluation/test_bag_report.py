# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is said and shown of an evaluation on a bag."""

from dataclasses import asdict

import numpy as np
import pytest

from mcn_ros.data.frames import Frame
from mcn_ros.data.image_formats import RawImage
from mcn_ros.evaluation.bag import BagSummary
from mcn_ros.evaluation.bag_report import (
    BagPictures, measures, notes, NUM_PICTURES, write_bag_report)
from mcn_ros.evaluation.replay import ReplaySummary
from mcn_ros.evaluation.report import read_report
from mcn_ros.evaluation.stamped import Evaluation
from mcn_ros.structures import Instances
from mcn_ros.tasks import build_tasks

TASKS = build_tasks({'detection': {'classes': ['person']}})


def frame(index):
    return Frame(f'{index:03d}', index, RawImage('rgb8', 20, 30, 90, bytes(1800)))


def people(count):
    return {'detection': Instances(np.tile(np.float32([2, 2, 12, 12]), (count, 1)),
                                   np.zeros(count, int), np.ones(count, np.float32))}


def offline(**fields):
    return Evaluation({'bag': asdict(BagSummary('some/bag', ['/eye'], **fields))})


def replayed(**fields):
    return Evaluation({'replay': asdict(ReplaySummary('some/recording', **fields))})


def test_counts_of_nothing_go_without_saying():
    found = measures(offline(frames=4, found={'detection': 3}, rate_hz=2.5,
                             predictor_ms={'p50': 1.5}))
    assert found['frames'] == {'looked at': 4}
    assert found['rate'] == {'of the bag (Hz)': 2.5}
    assert found['predictor'] == {'p50 (ms)': 1.5}
    assert notes(offline(frames=4)) == []


def test_rates_that_do_not_exist_are_told_as_unknown():
    assert measures(offline(frames=1))['rate'] == {'of the bag (Hz)': None}
    assert measures(replayed(frames_sent=1))['rate'] == {
        'sent (Hz)': None, 'achieved (Hz)': None}


def test_everything_that_lowers_scores_is_told():
    told = notes(offline(frames=4, missed=1, left_out=2, unreadable=3, repeated=4, notes=['odd']))
    assert told[0] == 'odd' and sorted(line[0] for line in told[1:]) == ['1', '2', '3', '4']


def test_a_replay_tells_rates_latency_drops_and_agreement():
    found = measures(replayed(
        frames_sent=9, frames_processed=7, drops={'superseded': 2}, latency_ms={'p95': 80.0},
        rate_hz=7.0, sent_rate_hz=9.0,
        agreement={'frames': 7, 'equal': 6, 'unequal': {'pose': 1}}))
    assert found['frames'] == {'sent': 9, 'processed': 7}
    assert found['dropped frames'] == {'superseded': 2}
    assert found['rate'] == {'sent (Hz)': 9.0, 'achieved (Hz)': 7.0}
    assert {'p95 (ms)': 80.0} in found.values()
    assert {'frames': 7, 'equal': 6, 'unequal pose': 1} in found.values()


@pytest.mark.parametrize('total', [1, 5, NUM_PICTURES, 17, 100])
def test_pictures_are_spread_over_a_bag_without_annotations(total):
    pictures = BagPictures(TASKS, total)
    for index in range(total):
        pictures.add(frame(index), people(1), None)
    chosen = [int(picture.title) for picture in pictures.sections()['Frames']]
    assert min(total, NUM_PICTURES) * 0.7 <= len(chosen) <= NUM_PICTURES and chosen[0] == 0
    assert chosen[-1] >= 0.9 * (total - 1)


def test_annotated_frames_are_shown_as_best_and_worst():
    pictures = BagPictures(TASKS, 4)
    for index, count in enumerate((1, 0, 1, 0)):
        pictures.add(frame(index), people(count), people(1))
    sections = pictures.sections()
    assert {p.title for p in sections['Worst images']} == {'001', '003'}
    assert {p.title for p in sections['Best images']} == {'000', '002'}


@pytest.mark.parametrize('outcome, words', [
    (offline(frames=4), ['bag: offline', '/eye', 'looked at']),
    (replayed(frames_sent=5, notes=['odd']), ['recording: replay', 'odd', 'sent'])])
def test_a_page_is_written(tmp_path, outcome, words):
    path = write_bag_report(tmp_path, outcome, {'weights': 'w'}, BagPictures(TASKS, 0))
    assert all(word in path.read_text() for word in words)
    assert read_report(tmp_path).facts['weights'] == 'w'
