# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The folder of a run, in which nothing that was saved is ever lost.

config.yaml is what was asked for, checkpoint.pt what is needed to go on, weights.safetensors the
averaged weights for the node, metrics.json the history of losses and scores.
"""

from dataclasses import replace
import json
from pathlib import Path
import pickle
from typing import Any, Mapping

import torch
from torch import Tensor
import yaml

from mcn_ros.config import from_dict, to_dict
from mcn_ros.files import replaced_file
from mcn_ros.learning.checkpoint import save_checkpoint
from mcn_ros.model import MultiTaskNet
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.settings import changes
from mcn_ros.weights_file import save_model

CHECKPOINT, CONFIG = 'checkpoint.pt', 'config.yaml'
KINDS = {'history': list, 'sums': dict, 'unreadable': int, 'step': int}  # of its own entries


def holds_run(config: TrainConfig) -> bool:
    """
    Return whether the folder of a run has a checkpoint of it, from which a training goes on.

    :raises ValueError: for a checkpoint of a run with other settings.
    """
    folder = Path(config.run)
    if not (folder / CHECKPOINT).exists():
        return False
    try:
        before = from_dict(TrainConfig, yaml.safe_load((folder / CONFIG).read_bytes()))
        # The folder may have been moved, or named in another way.
        changed = changes(replace(before, run=config.run), config)
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        changed = f'{CONFIG} cannot be read: {" ".join(str(error).split())}'
    if changed:
        raise ValueError(f'{folder} holds a run already, of other settings ({changed}); go on '
                         f'with it by --resume {folder}, or choose another run folder')
    return True


class RunFolder:
    """
    The folder of a run: checkpoints, weights and the history of losses and scores.

    :param folder: where; made by :meth:`start`.
    :param parts: name -> object with state_dict and load_state_dict; together with the history
        and the state of the random numbers they are what a checkpoint holds.
    :ivar history: the entries that :meth:`record` made, what metrics.json holds.
    """

    def __init__(self, folder: Path, parts: Mapping[str, Any]):
        self.folder = folder
        self.parts = parts
        self.history: list[dict[str, Any]] = []
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._unreadable = 0

    def start(self) -> int:
        """Make the folder; return 0 batches."""
        assert not (self.folder / CHECKPOINT).exists(), self.folder  # see holds_run
        self.folder.mkdir(parents=True, exist_ok=True)
        return 0

    def resume(self) -> int:
        """
        Load the checkpoint; return the number of batches done so far.

        :raises ValueError: if there is none, or it is damaged, or of another network, or of a run
            with other settings.
        """
        path = self.folder / CHECKPOINT
        if not path.is_file():
            raise ValueError(f'{self.folder} has no checkpoint to resume from')
        try:
            checkpoint = torch.load(path, map_location='cpu', weights_only=True)
            for name, part in self.parts.items():
                part.load_state_dict(checkpoint[name])
            torch.set_rng_state(checkpoint['random'])
            for key, kind in KINDS.items():
                if not isinstance(checkpoint[key], kind):
                    raise ValueError(f'{key} is no {kind.__name__}')
            self.history, self._sums = checkpoint['history'], checkpoint['sums']
            self._unreadable = checkpoint['unreadable']
            return checkpoint['step']
        # The reader of PyTorch has no exception of its own for a file that is damaged.
        except (OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError,
                AttributeError, pickle.UnpicklingError) as error:
            reason = str(error).partition('\n')[0] or 'it ends too early'
            if isinstance(error, KeyError):
                reason = f'it has no {reason}'
            raise ValueError(f'{path}: does not fit this run: {reason}') from error

    def describe(self, config: TrainConfig) -> None:
        """Write the configuration; that of a resumed run may have changed."""
        with replaced_file(self.folder / CONFIG) as path:
            path.write_text(yaml.safe_dump(to_dict(config), sort_keys=False))

    def log(self, losses: Mapping[str, Tensor], unreadable: int = 0) -> None:
        """Add the losses of a batch, name -> scalar, and its number of unreadable images."""
        for name, value in losses.items():
            total, count = self._sums.get(name, (0, 0))
            self._sums[name] = total + value, count + 1
        self._unreadable += unreadable

    def means(self) -> dict[str, float]:
        """Return the mean losses since the last :meth:`record`."""
        return {name: float(total) / count for name, (total, count) in self._sums.items()}

    def record(self, step: int, scores: Mapping[str, Any], rate: float) -> None:
        """
        Make an entry of the history.

        :param step: number of batches done.
        :param scores: of the validation, empty if there was none.
        :param rate: the learning rate.
        """
        self.history.append({'step': step, 'rate': rate, 'losses': self.means(),
                             'unreadable_images': self._unreadable, 'scores': scores})
        self._sums, self._unreadable = {}, 0

    def save(self, step: int, average: MultiTaskNet) -> None:
        """
        Write everything; an interruption or a full disk leaves whole files of the last time.

        :param step: number of batches done.
        :param average: the network whose weights are for use.
        :raises OSError: if it cannot be written.
        """
        state = {name: part.state_dict() for name, part in self.parts.items()}
        progress = {'step': step, 'history': self.history, 'sums': self._sums,
                    'unreadable': self._unreadable, 'random': torch.get_rng_state()}
        save_checkpoint(self.folder / CHECKPOINT, {**state, **progress})
        save_model(average, self.folder / 'weights.safetensors')
        with replaced_file(self.folder / 'metrics.json') as path:
            path.write_text(json.dumps(self.history, indent=1))
