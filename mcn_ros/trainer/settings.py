# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What of the settings of a run may change when it goes on."""

from dataclasses import fields, MISSING, replace
from typing import Any, Mapping

from mcn_ros.config import brief, from_dict, to_dict
from mcn_ros.tasks import build_tasks, describe_tasks
from mcn_ros.trainer.config import TrainConfig

# Where and how long it runs, what is told of it, and how it learns from here on. All others decide
# what the numbers in a checkpoint mean, or had their say when the run began.
CHANGEABLE = (
    'run', 'validation', 'steps', 'workers', 'device', 'precision', 'save_every', 'validate_every',
    'overlays', 'on_unreadable_image', 'backward', 'checkpoint_stages',
    'frozen', 'fixed_statistics', 'teacher', 'teach', 'train_size', 'augment', 'batch_size',
    'learning_rate', 'rates', 'weight_decay', 'warmup_steps', 'schedule', 'milestones',
    'effective_batches', 'max_norm', 'ema_decay', 'loss_weights',
    'sync_batch_norm')
MOVABLE = 'annotations', 'images'  # of a data set: its files may lie elsewhere now


class Settings:
    """
    The settings that are to be the same for the whole of a run; a part of its checkpoints.

    :param config: of the run.
    """

    def __init__(self, config: TrainConfig):
        self.config = _lasting(config)

    def state_dict(self) -> dict[str, Any]:
        """Return what is compared."""
        return to_dict(self.config)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raise ValueError naming settings that have changed since the run began."""
        changed = changes(from_dict(TrainConfig, state), self.config)
        if changed:
            raise ValueError(f'{changed}: that cannot change within a run; begin another one with '
                             'the weights of this one as initial_weights')


def changes(before: TrainConfig, now: TrainConfig) -> str:
    """Return which settings differ, and how, by the names that an override has; '' for none."""
    old, new = _flat(before), _flat(now)
    return '; '.join(f'{name} was {_describe(old, name)}, is {_describe(new, name)}'
                     for name in {**old, **new}
                     if old.get(name, MISSING) != new.get(name, MISSING))


def _lasting(config: TrainConfig) -> TrainConfig:
    """Return a configuration with what may change as in any other."""
    same: dict[str, Any] = {'run': ''}
    for field in fields(config):
        if field.name in CHANGEABLE and field.name not in same:
            same[field.name] = (field.default if field.default_factory is MISSING
                                else field.default_factory())
    datasets = tuple(replace(dataset, **dict.fromkeys(MOVABLE, '')) for dataset in config.datasets)
    model = replace(config.model, tasks=describe_tasks(build_tasks(config.model.tasks)))
    return replace(config, **same, datasets=datasets, model=model)


def _flat(value: Any, name: str = '') -> dict[str, Any]:
    """Return the settings by their dotted names, as an override of the command names them."""
    value = to_dict(value)
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = {str(number): item for number, item in enumerate(value)}
    if not isinstance(value, dict) or not value:
        return {name: value}
    flat = {}
    for key, item in value.items():
        flat |= _flat(item, f'{name}.{key}' if name else key)
    return flat


def _describe(settings: Mapping[str, Any], name: str) -> str:
    return brief(settings[name]) if name in settings else 'absent'
