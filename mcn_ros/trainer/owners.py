# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Who is updated when: one optimiser for the whole network, or one per owner of parameters.

Source of the latter: UberNet (I. Kokkinos, CVPR 2017), section 3 and table 1. The owners are the
trunk and the tasks. Each adds up gradients until it has seen its effective batch of images that
are labelled for it (for the trunk: for anything), then updates its parameters with their mean.
Every image weighs the same in this mean: the mean loss of a batch is multiplied by its number of
images, the summed gradient is divided by the number of all images that went into it. So in the
trunk a task counts as much as it has images. An update comes at the end of the batch in which
the effective batch is reached; what is beyond it is used, not left for the next.

In the plain setting one optimiser updates everything after each batch, and each loss is a mean
over the images of its task, however few they are.
"""

from dataclasses import dataclass
import math
from typing import Any, Callable, Collection, Iterable, Mapping, Sequence

import torch
from torch import nn, Tensor
from torch.amp import GradScaler
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam, AdamW, Optimizer, SGD

from mcn_ros.model import MultiTaskNet
from mcn_ros.network.exchanges import MixingWeights
from mcn_ros.network.trunks import TRUNK
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.finite import FiniteWatch

ALL = 'all'  # the one owner of the plain setting


def _sgd(parameters: Iterable[Any], **options: Any) -> SGD:
    """
    Make an SGD whose momenta are zero at the start.

    SGD makes them in the first update, and a fused one that the device leaves out, for gradients
    that are not finite, makes them of whatever was in the memory.
    """
    optimizer = SGD(parameters, momentum=0.9, **options)
    for group in optimizer.param_groups:
        for value in group['params']:
            optimizer.state[value]['momentum_buffer'] = torch.zeros_like(value)
    return optimizer


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {'adamw': AdamW, 'adam': Adam, 'sgd': _sgd}


def set_train_mode(model: nn.Module, fixed: Sequence[str]) -> None:
    """
    Put a network into training mode, but for the batch norms of some parts.

    :param fixed: beginnings of names of parameters.
    """
    model.train()
    for name, module in model.named_modules():
        if isinstance(module, _NormBase) and f'{name}.weight'.startswith(tuple(fixed)):
            module.eval()


@dataclass
class _Owner:
    """
    Parameters that are updated together.

    :ivar parameters: by name, in the order of the optimiser.
    :ivar optimizer: theirs.
    :ivar effective_batch: number of images that an update waits for.
    :ivar seen: number of images since the last update.
    """

    parameters: dict[str, nn.Parameter]
    optimizer: Optimizer
    effective_batch: int
    seen: int = 0

    def gradients(self) -> list[Tensor]:
        """Return the gradients that there are."""
        return [value.grad for value in self.parameters.values() if value.grad is not None]

    def clear(self) -> None:
        """Forget what has been added up."""
        self.optimizer.zero_grad(set_to_none=True)
        self.seen = 0


class Owners:
    """
    The optimisers of a network; gradients add up in the ``grad`` of its parameters.

    :param model: the network, on its device; its frozen parameters stop to require gradients.
    :param config: optimizer, learning_rate, rates, weight_decay, max_norm, frozen and
        effective_batches matter here.
    :param ranks: the processes of the training, each of which has an object like this one.
    :raises ValueError: for beginnings that no parameter's name has, and if nothing is left to
        train.
    """

    def __init__(self, model: MultiTaskNet, config: TrainConfig, ranks: Ranks):
        self.kind, self.max_norm, self.ranks = config.optimizer, config.max_norm or math.inf, ranks
        batches = config.effective_batches
        assert not batches or batches.keys() == {TRUNK, *model.tasks}, batches
        self.asynchronous = bool(batches)
        _check_prefixes('rates', config.rates, model)
        _check_prefixes('frozen', config.frozen, model)
        owned: dict[str, dict[str, nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not name.startswith(tuple(config.frozen)))
            if parameter.requires_grad:
                owner = _owner_of(model, name) if self.asynchronous else ALL
                owned.setdefault(owner, {})[name] = parameter
        if not owned:
            raise ValueError(f'frozen: {", ".join(config.frozen)} leave nothing to train')
        undecayed = {f'{name}.values' for name, module in model.named_modules()
                     if isinstance(module, MixingWeights)}
        self.owners = {name: _build_owner(parameters, config, batches.get(name, 1), undecayed)
                       for name, parameters in owned.items()}

    def count(self, labelled: Mapping[str, int]) -> None:
        """
        Count the images of a batch whose gradients have been added up.

        :param labelled: of the batch, see :class:`mcn_ros.trainer.objective.LossWeights`; where
            owners are updated at their own pace, its losses were weighted per image.
        """
        for name, owner in self.owners.items():
            owner.seen += labelled[TRUNK if name == ALL else name]

    def step(self, scaler: GradScaler, rate: float, finite: FiniteWatch | None = None,
             ) -> set[str]:
        """
        Update the owners that have seen enough; they are the same in all processes.

        An owner whose float16 gradients overflow is not updated, and all gradients that wait are
        dropped: the batch that was at fault may be in any of them.

        :param scaler: the one that the losses were scaled with.
        :param rate: learning rate relative to the highest.
        :param finite: is shown the norms of the gradients; by default they are looked at here.
        :return: whose turn it was: the trunk and tasks, or 'all' in the plain setting.
        :raises FloatingPointError: for gradients that are not finite though nothing was scaled.
        """
        finite = finite or FiniteWatch(scaler)
        # What waits is scaled; to ask for the scale waits for a GPU.
        scale = scaler.get_scale() if self.asynchronous else 1.0
        due = [name for name, owner in self.owners.items() if owner.seen >= owner.effective_batch]
        updated = {name for name in due if self._update(name, scaler, rate, finite)}
        if updated:
            scaler.update()
        growth = scaler.get_scale() / scale if self.asynchronous else 1.0
        for name, owner in self.owners.items():
            if name in due or growth < 1:
                owner.clear()
            elif growth > 1:  # what comes next is scaled by more
                for gradient in owner.gradients():
                    gradient *= growth
        return updated

    def _update(self, name: str, scaler: GradScaler, rate: float, finite: FiniteWatch) -> bool:
        """Update an owner; return False if it has no gradient, as with frozen parts may be."""
        owner = self.owners[name]
        parameters = list(owner.parameters.values())
        self.ranks.sum_gradients(parameters)
        if not owner.gradients():
            return False
        scaler.unscale_(owner.optimizer)
        if self.asynchronous:
            for gradient in owner.gradients():
                gradient /= owner.seen
        norm = clip_grad_norm_(parameters, self.max_norm)
        if not scaler.is_enabled():
            finite.add('gradients are', {name: norm})
            if owner.optimizer.defaults['fused']:
                # Until somebody looks, the device leaves weights alone that would be spoilt.
                owner.optimizer.grad_scale = None
                owner.optimizer.found_inf = (~norm.isfinite()).float()
        for group in owner.optimizer.param_groups:
            group['lr'] = rate * group['initial_lr']
        scaler.step(owner.optimizer)
        return True

    def collect(self) -> None:
        """Give all gradients that wait to process 0; all call it before that saves a state."""
        for owner in self.owners.values():
            self.ranks.sum_gradients(list(owner.parameters.values()))
            if self.ranks.rank > 0:
                owner.optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of all optimisers, and what waits, by names of parameters."""
        state, gradients = {}, {}
        for owner in self.owners.values():
            moments = owner.optimizer.state_dict()['state']
            for index, (name, parameter) in enumerate(owner.parameters.items()):
                if index in moments:
                    state[name] = moments[index]
                if parameter.grad is not None:
                    gradients[name] = parameter.grad
        return {'kind': self.kind, 'state': state, 'gradients': gradients,
                'seen': {name: owner.seen for name, owner in self.owners.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; ValueError for that of another kind of optimiser."""
        if state['kind'] != self.kind:
            raise ValueError(f'optimizer: {self.kind} cannot go on from a state of '
                             f'{state["kind"]}')
        for owner in self.owners.values():
            saved = owner.optimizer.state_dict()
            saved['state'] |= {index: state['state'][name] for index, name
                               in enumerate(owner.parameters) if name in state['state']}
            owner.optimizer.load_state_dict(saved)
            owner.clear()
        if state['seen'].keys() != self.owners.keys():
            return  # what waited was added up for other owners
        for name, owner in self.owners.items():
            owner.seen = state['seen'][name]
            for key, gradient in state['gradients'].items() if self.ranks.rank == 0 else ():
                if key in owner.parameters:
                    owner.parameters[key].grad = gradient.to(owner.parameters[key], copy=True)


def _build_owner(parameters: Mapping[str, nn.Parameter], config: TrainConfig,
                 effective_batch: int, undecayed: Collection[str]) -> _Owner:
    """Make an optimiser with one group per learning rate and decay."""
    groups: dict[tuple[float, float], dict[str, nn.Parameter]] = {}
    for name, parameter in parameters.items():
        prefix = max((p for p in config.rates if name.startswith(p)), key=len, default=None)
        decay = 0.0 if name in undecayed else config.weight_decay
        groups.setdefault((config.rates.get(prefix, 1.0), decay), {})[name] = parameter
    # One kernel updates all, and obeys ``found_inf`` without asking the host.
    fused = next(iter(parameters.values())).device.type == 'cuda' or None
    optimizer = OPTIMIZERS[config.optimizer](
        [{'params': list(group.values()), 'initial_lr': rate * config.learning_rate,
          'weight_decay': decay} for (rate, decay), group in groups.items()],
        lr=config.learning_rate, fused=fused)
    ordered = {name: value for group in groups.values() for name, value in group.items()}
    return _Owner(ordered, optimizer, effective_batch)


def _owner_of(model: MultiTaskNet, name: str) -> str:
    """Return 'trunk', or the task that a parameter belongs to alone."""
    part, _, rest = name.partition('.')
    return model.trunk.owner_of(rest) if part == 'trunk' else rest.partition('.')[0]


def _check_prefixes(setting: str, prefixes: Iterable[str], model: nn.Module) -> None:
    """Refuse beginnings that no parameter's name has."""
    names = [name for name, _ in model.named_parameters()]
    unused = [p for p in prefixes if not any(name.startswith(p) for name in names)]
    if unused:
        known = sorted({'.'.join(name.split('.')[:2]) for name in names})
        raise ValueError(f'{setting}: no parameter has a name that begins with '
                         f'{", ".join(unused)} (known: {", ".join(known)}, ...)')
