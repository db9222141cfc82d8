# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What may be otherwise when a run goes on, and what may not."""

from dataclasses import fields, replace

import pytest

from mcn_ros.config import from_dict, to_dict
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.settings import CHANGEABLE, Settings
from mcn_ros.trainer.train import train


def changed(config, **tasks):
    """Return the configuration with other settings of some tasks, None for those left out."""
    found = {name: {**settings, **tasks.get(name, {})}
             for name, settings in config.model.tasks.items() if tasks.get(name, {}) is not None}
    return replace(config, model=replace(config.model, tasks=found))


def resume(before, now):
    Settings(now).load_state_dict(Settings(before).state_dict())


@pytest.mark.parametrize('change, message', [
    (lambda c: changed(c, detection={'classes': ('car', 'person')}),
     r"^model\.tasks\.detection\.classes was \['person', 'car'\], is \['car', 'person'\]: "),
    (lambda c: changed(c, pose=None), r'^model\.tasks\.pose\.skeleton was .*, is absent; '),
    (lambda c: changed(c, pose={'relative': True}), r'^model\.tasks\.pose\.relative was False, '),
    (lambda c: replace(c, model=replace(c.model, trunk=replace(c.model.trunk, channels=8))),
     r'^model\.trunk\.channels was 16, is 8: .*initial_weights$'),
    (lambda c: replace(c, datasets=2 * c.datasets), r'datasets\.1\.weight was absent, is None'),
    (lambda c: replace(c, datasets=(replace(c.datasets[0], tasks=('pose',)),)),
     r"datasets\.0\.tasks was None, is \['pose'\]"),
    (lambda c: replace(c, optimizer='sgd', seed=4),
     r"^optimizer was 'adamw', is 'sgd'; seed was 0, is 4: ")],
    ids=['order', 'head', 'meaning', 'network', 'data', 'labels', 'start'])
def test_what_the_state_depends_on_cannot_change(config, change, message):
    with pytest.raises(ValueError, match=message):
        resume(config, change(config))


def test_all_else_can_change(config):
    resume(config, replace(config, run='elsewhere', steps=9, workers=3, validate_every=1,
                           learning_rate=1.0, schedule='step', milestones=(2,)))
    resume(config, replace(config, datasets=(replace(config.datasets[0], images='moved'),)))
    # What is given in other words is no change.
    resume(config, from_dict(TrainConfig, to_dict(config)))
    resume(config, changed(config, detection={'max_objects': 128}))


def test_each_name_in_the_table_is_that_of_a_setting():
    assert set(CHANGEABLE) < {field.name for field in fields(TrainConfig)}


@pytest.mark.usefixtures('monitors')
def test_a_run_does_not_go_on_with_other_classes(config):
    train(config)
    with pytest.raises(ValueError, match=r'checkpoint\.pt: does not fit this run: '
                       r'model\.tasks\.detection\.classes was '):
        train(changed(config, detection={'classes': ('car', 'person')}), resume=True)
