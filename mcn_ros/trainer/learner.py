# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The network of a training with all that changes as it learns."""

from typing import Any, Mapping

import torch

from mcn_ros.model import MultiTaskNet
from mcn_ros.runtime.backends import pick_precision
from mcn_ros.trainer.average import RunningAverage
from mcn_ros.trainer.balance import build_balance
from mcn_ros.trainer.batch_norm import synchronise
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.finite import FiniteWatch
from mcn_ros.trainer.objective import Objective, paper_weights
from mcn_ros.trainer.owners import Owners
from mcn_ros.trainer.retention import RetentionLoss
from mcn_ros.trainer.settings import Settings
from mcn_ros.trainer.teacher import Teacher

# Losses and gradients of about ten batches are looked at together on a GPU.
PATIENCE = 20


class Learner:
    """
    A network, its losses, its optimisers and the running average of its weights.

    :param config: of the training.
    :param model: with the weights that it starts from, those of process 0.
    :param ranks: the processes of the training, each of which has an object like this one.
    :ivar amp: type of the forward pass, None for float32.
    :ivar finite: what losses and gradients are to be shown to.
    :raises ValueError: for settings that do not fit the network.
    """

    def __init__(self, config: TrainConfig, model: MultiTaskNet, ranks: Ranks):
        dtype = pick_training_precision(config.precision, ranks.device)
        if dtype == torch.int8:
            raise ValueError("precision: 'int8' is for trained networks only")
        self.amp = None if dtype == torch.float32 else dtype
        self.config, self.ranks = config, ranks
        self.model = model.to(device=ranks.device, memory_format=torch.channels_last)
        if config.sync_batch_norm and ranks.world > 1:
            synchronise(self.model.trunk, ranks.device)
        ranks.broadcast(self.model)
        self.average = RunningAverage(model, config.ema_decay)
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=self.amp == torch.float16)
        self.finite = FiniteWatch(self.scaler, 1 if ranks.device.type == 'cpu' else PATIENCE)
        self.owners = Owners(model, config, ranks)
        balance = build_balance(config.balance, {**paper_weights(model.tasks),
                                                 **config.loss_weights}, model, ranks, self.scaler)
        self.retention = (RetentionLoss(model, config.keep, config.keep_of)
                          if config.keep else None)
        self.teacher = (Teacher(config.teacher, config.teach, model)
                        if config.teacher else None)
        auxiliary = {name: weight for source in (self.retention, self.teacher) if source
                     for name, weight in source.weights.items()}
        self.objective = Objective(model.tasks, balance, auxiliary, ranks)

    @property
    def parts(self) -> dict[str, Any]:
        """Return name -> part that a checkpoint holds the state of."""
        # First the settings: they say why a state does not fit better than the states do.
        parts = {'settings': Settings(self.config), 'model': self.model, 'average': self.average,
                 'owners': self.owners, 'scaler': self.scaler, 'balance': self.objective.balance}
        return {**parts, 'keep': self.retention} if self.retention else parts

    def everywhere(self, labelled: Mapping[str, int]) -> list[str]:
        """
        Return the tasks for which all processes run the trunk, whatever they have labels for.

        :param labelled: task -> number of images of the joint batch that are labelled for it.
        """
        synchronised = self.config.sync_batch_norm and self.ranks.world > 1
        return [task for task in self.model.tasks if synchronised and labelled[task]]

    def gather(self) -> None:
        """Bring to process 0 what only the others know; all call it before that saves a state."""
        self.owners.collect()
        self.ranks.average_buffers(self.model)
        self.ranks.average_buffers(self.average.module)


def pick_training_precision(name: str, device: torch.device) -> torch.dtype:
    """
    Return the precision of forward passes.

    'auto' is bfloat16 on a GPU that has it, where nothing overflows that does not in float32;
    float16 on others.

    :raises ValueError: see :func:`mcn_ros.runtime.backends.pick_precision`.
    """
    if name == 'auto' and device.type == 'cuda':
        has_it = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_it else torch.float16
    return pick_precision(name, device)
