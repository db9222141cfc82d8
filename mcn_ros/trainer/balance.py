# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
How much each task counts in the total loss.

Every loss has a weight of its own, that of the paper; a balance multiplies the weights of a task
by a factor that follows the training. Within a task the weights of the paper keep their ratios.

A task that is not labelled in a batch keeps its factor. Nothing here waits for a GPU.
"""

from functools import partial
from typing import Any, Callable, Iterable, Mapping, Protocol

import torch
from torch import nn, Tensor
from torch.amp import GradScaler

from mcn_ros.model import MultiTaskNet
from mcn_ros.network.features import Features
from mcn_ros.trainer.distributed import Ranks

# Largest change of the logarithm of a task's factor in one update.
UNCERTAINTY_RATE = 0.02

# Share of the old in the running means of gradient norms, per update.
NORM_DECAY = 0.98


class Balance(Protocol):
    """What the training asks of a balance; it is the same in all processes."""

    def weights(self) -> dict[str, float | Tensor]:
        """Return 'task/loss' -> factor, for all losses."""

    def observe(self, losses: Mapping[str, Tensor]) -> None:
        """
        Learn from a batch, after its backward pass; all processes call this.

        :param losses: 'task/loss' -> scalar, not weighted, of the joint batch of all processes;
            the losses of tasks without labelled images are absent.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; from that of another kind of balance, start anew."""


class Fixed:
    """The weights of the paper, as they are."""

    def __init__(self, weights: Mapping[str, float]):
        self._weights = dict(weights)

    def weights(self) -> dict[str, float | Tensor]:
        """Return the weights."""
        return dict(self._weights)

    def observe(self, losses: Mapping[str, Tensor]) -> None:
        """Learn nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Accept the state of any balance."""


class Uncertainty:
    """
    Tasks are weighted by how uncertain they are, so that w L is about the same for all.

    Source: A. Kendall, Y. Gal, R. Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses
    for Scene Geometry and Semantics", CVPR 2018, equations 7 and 10. Both of its terms, L / (2 v)
    + log(v) / 2 for a regression and L / v + log(v) / 2 for a classification of variance v, are
    w L - log(w) / 2 and a constant, in terms of the factor w of the loss: they are one, and
    smallest at w = 1 / (2 L). So no task has to be called one or the other. By log(w) the
    derivative is w L - 1/2; divided by w L + 1/2 it is between -1 and 1, so that neither the
    large losses of a beginning nor a single bad batch throw the factor off.

    :param weights: 'task/loss' -> weight in the loss L of the task.
    :param tasks: names of the tasks.
    :param device: where the losses are.
    """

    def __init__(self, weights: Mapping[str, float], tasks: Iterable[str], device: torch.device):
        self._weights = weights
        self._logs = {task: torch.zeros((), device=device) for task in tasks}

    def weights(self) -> dict[str, float | Tensor]:
        """Return the weights, multiplied by the factors of their tasks."""
        return _multiplied(self._weights, {task: log.exp() for task, log in self._logs.items()})

    def observe(self, losses: Mapping[str, Tensor]) -> None:
        """Take one step of all tasks that are there."""
        weighted = self.weights()
        for task, log in self._logs.items():
            terms = [weighted[name] * losses[name] for name in losses if task_of(name) == task]
            total = sum(terms, torch.zeros_like(log))
            step = (total - 0.5) / (total + 0.5)
            # Zero: not there, or labelled but unknown everywhere. Infinite: float16 overflowed.
            log -= UNCERTAINTY_RATE * torch.where((total > 0) & total.isfinite(), step, 0)

    def state_dict(self) -> dict[str, Any]:
        """Return the logarithms of the factors."""
        return {'uncertainty': {task: log.clone() for task, log in self._logs.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        _copy(state.get('uncertainty', {}), self._logs)


class GradientNorm:
    """
    All tasks pull equally hard at the trunk.

    The factor of a task is the inverse of the running mean (geometric, as are means of ratios) of
    the norm of its gradient by the features; the product of all factors is 1.

    Source: Z. Chen et al., "GradNorm", ICML 2018, with its alpha = 0: equal norms. There, norms
    by the last shared layer are recomputed and factors descend to their aim; here the norms are a
    by-product of the backward pass, at the features (which bound those of all shared layers:
    O. Sener, V. Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018,
    section 3.3), and the factors are known in closed form.

    :param weights: 'task/loss' -> weight in the loss of the task.
    :param model: its heads are watched in backward passes from now on, as would be those of copies
        that are made later.
    :param ranks: the processes of the training.
    :param scaler: what the losses are scaled with before they go backward.
    """

    def __init__(self, weights: Mapping[str, float], model: MultiTaskNet, ranks: Ranks,
                 scaler: GradScaler):
        self._weights, self._ranks, self._scaler = weights, ranks, scaler
        # Of the norms without the factors; NaN before the first.
        self._logs = {task: torch.full((), torch.nan, device=ranks.device) for task in model.tasks}
        self._squares: dict[str, Tensor] = {}
        for task, head in model.heads.items():
            head.register_forward_pre_hook(partial(self._watch, task))

    def _watch(self, task: str, head: nn.Module, inputs: tuple[Features],
               ) -> tuple[Features] | None:
        """Give a head views of its features, whose gradients are those of this task alone."""
        features, = inputs
        views = {name: values.view_as(values) for name, values in features.items()}
        for view in views.values():
            if view.requires_grad:
                view.register_hook(partial(self._record, task))
        return (views,)

    def _record(self, task: str, gradient: Tensor) -> None:
        """Add the gradient by one of the maps; they are parts of one vector."""
        norm = torch.linalg.vector_norm(gradient, dtype=torch.float32)
        square = (norm / self._scaler.scale(torch.ones_like(norm))).square()
        self._squares[task] = self._squares.get(task, 0) + square

    def _factors(self) -> dict[str, Tensor]:
        mean = torch.stack(list(self._logs.values())).nanmean()
        return {task: (mean - log).nan_to_num(0.0).exp() for task, log in self._logs.items()}

    def weights(self) -> dict[str, float | Tensor]:
        """Return the weights, multiplied by the factors of their tasks."""
        return _multiplied(self._weights, self._factors())

    def observe(self, losses: Mapping[str, Tensor]) -> None:
        """Take the norms of the last backward pass into the means; the losses do not matter."""
        factors = self._factors()
        # Each process has the gradient of its own images' features.
        squares = self._ranks.sum_scalars(self._squares, list(self._logs))
        self._squares = {}
        for task, log in self._logs.items():
            new = 0.5 * squares[task].float().log() - factors[task].log()
            mean = torch.where(log.isnan(), new, NORM_DECAY * log + (1 - NORM_DECAY) * new)
            # Not there: no gradient, or one of infinite size, which updates nothing either.
            log.copy_(torch.where(new.isfinite(), mean, log))

    def state_dict(self) -> dict[str, Any]:
        """Return the logarithms of the means."""
        return {'gradient_norm': {task: log.clone() for task, log in self._logs.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        _copy(state.get('gradient_norm', {}), self._logs)


BALANCES: dict[str, Callable[[Mapping[str, float], MultiTaskNet, Ranks, GradScaler], Balance]] = {
    'fixed': lambda weights, model, ranks, scaler: Fixed(weights),
    'uncertainty': lambda weights, model, ranks, scaler: Uncertainty(
        weights, model.tasks, ranks.device),
    'gradient_norm': GradientNorm,
}


def build_balance(kind: str, weights: Mapping[str, float], model: MultiTaskNet, ranks: Ranks,
                  scaler: GradScaler) -> Balance:
    """
    Return the balance of a training.

    :param kind: a key of BALANCES.
    :param weights: 'task/loss' -> weight, for all losses.
    :param model: the network that is trained, not a copy of it.
    :param ranks: the processes of the training.
    :param scaler: what the losses are scaled with before they go backward.
    :raises ValueError: for an unknown kind.
    """
    if kind not in BALANCES:
        raise ValueError(f'balance: {kind!r} is not one of {", ".join(BALANCES)}')
    return BALANCES[kind](weights, model, ranks, scaler)


def task_of(name: str) -> str:
    """Return the part of 'task/loss' before the slash."""
    return name.partition('/')[0]


def _multiplied(weights: Mapping[str, float], factors: Mapping[str, Tensor],
                ) -> dict[str, float | Tensor]:
    return {name: weight * factors[task_of(name)] for name, weight in weights.items()}


def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for task in source.keys() & target.keys():
        target[task].copy_(source[task])
