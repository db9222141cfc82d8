# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Trainings of experiments: what of one is done, and what comes next."""

from dataclasses import replace
import json
import os

import pytest

from mcn_ros.commands.trainings import EVALUATE, last_words, TRAIN, Trial
from mcn_ros.config import from_dict
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.experiments import EvaluationData


@pytest.fixture
def trial(tmp_path):
    """Return one of seven batches, with a test, in a folder with nothing in it."""
    config = from_dict(TrainConfig, {
        'model': {'trunk': {'backbone': 'shufflenet_v2_x0_5', 'channels': 8},
                  'input_size': [64, 64],
                  'tasks': {'segmentation': {'classes': ['person'], 'head': {'width': 8}}}},
        'datasets': [{'annotations': 'a.json', 'images': 'a'}], 'train_size': [64, 64],
        'steps': 7, 'batch_size': 2, 'device': 'cpu', 'run': str(tmp_path)})
    return Trial('one', 0, ('base.yaml', 'steps=7'), config,
                 tests={'fog': EvaluationData('f.json', 'f')})


def trained(trial, step):
    (trial.folder / 'metrics.json').write_text(json.dumps([{'step': step, 'scores': {'a': 1}}]))
    trial.weights.touch()


def test_a_new_one_is_begun_and_one_with_a_checkpoint_goes_on(trial):
    assert trial.next_command() == (TRAIN, ['base.yaml', 'steps=7'])
    (trial.folder / 'checkpoint.pt').touch()
    trained(trial, 6)
    assert trial.next_command() == (TRAIN, ['--resume', str(trial.folder)])
    assert not trial.trained


def test_what_is_trained_is_tested_once(trial):
    trained(trial, 7)
    program, (words,) = trial.next_command()
    assert program == EVALUATE and trial.trained and not trial.finished
    (arguments,) = json.loads(words)
    assert arguments[:2] == ['--weights', str(trial.weights)] and 'f.json' in arguments
    trial.result_file('fog').write_text('{"b": 2}')
    os.utime(trial.weights, (0, 0))
    assert trial.finished and trial.scores() == {'a': 1, 'fog': {'b': 2}}
    os.utime(trial.result_file('fog'), (0, 0))
    trial.weights.touch()  # which are others than those that were tested
    assert trial.untested == ['fog']
    assert replace(trial, tests={}).finished


def test_the_last_line_that_says_something(trial):
    trial.log.write_bytes(b'begin\n 50%\r100%\nerror: bad luck \xff\r\n\n')
    assert last_words(trial) == 'error: bad luck \ufffd'
    trial.log.write_text('\n')
    assert last_words(trial) == 'no message'
