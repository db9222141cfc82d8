# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the package asks of a task."""

from abc import abstractmethod
from types import MappingProxyType
from typing import Any, Callable, ClassVar, Mapping, NamedTuple, Protocol

from torch import nn, Tensor

from mcn_ros.geometry import Grid
from mcn_ros.network.features import Shapes
from mcn_ros.vocabulary import Skeleton


class Objects(NamedTuple):
    """
    Objects that a task finds in B images, for other tasks.

    :param boxes: (B, K, 4) xyxy in input pixels.
    :param scores: (B, K) in 0..1; 0 for what is none.
    :param classes: (B, K) int64 indices of ``names``.
    :param names: of the classes.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    names: tuple[str, ...]


class Task(Protocol):
    """
    One kind of output of a network; B images, grid of (H, W) cells.

    Tasks inherit from this, so they have its defaults, and are frozen dataclasses.

    :cvar annotation: structure of its annotations, one of :mod:`mcn_ros.structures`.
    :cvar figure: name of the score that the task is judged by, 'AP' for example.
    :cvar scorer: name of its scorer where that is not the one of its type; '' for the latter.
    :cvar class_map: name of the map that has a channel for each class, perhaps on each level of a
        pyramid, and how many channels it has before these; None for a task without such a map.
    :cvar topics: name of a task -> topics of its results and of their description; a task of
        another name has topics of that name.
    :cvar of_objects: whether its map is that of all objects, so their masks tell of it, too.
    :cvar teachable: whether it can learn from the maps of another network, see :meth:`distance`.
    :ivar classes: names of its classes; none where it has none.
    """

    annotation: ClassVar[type]
    figure: ClassVar[str]
    scorer: ClassVar[str] = ''
    class_map: ClassVar[tuple[str, int] | None] = None
    topics: ClassVar[Mapping[str, tuple[str, str]]] = MappingProxyType({})
    of_objects: ClassVar[bool] = False
    teachable: ClassVar[bool] = False
    classes: tuple[str, ...] = ()

    @property
    def prediction(self) -> type:
        """Return the structure of its predictions, by default that of its annotations."""
        return self.annotation

    @property
    def joints(self) -> Skeleton | None:
        """Return the skeleton whose joints it finds; None where it finds none."""
        return None

    @property
    @abstractmethod
    def losses(self) -> dict[str, float]:
        """Return the names of all its losses, with the weight that the paper gives each."""

    @abstractmethod
    def build_head(self, shapes: Shapes) -> nn.Module:
        """
        Return a module: features of these shapes -> {map name: (B, C, H, W) logits}.

        :raises ValueError: if the features that it needs are not among them.
        """

    def start_from_detector(self, head: nn.Module, shapes: Shapes) -> None:
        """
        Let a head answer what the detector in the trunk says, to learn from there on.

        By default, and where it cannot, the head is left as it is.
        """

    @abstractmethod
    def encode(self, annotation: Any, grid: Grid) -> dict[str, Tensor]:
        """Return the targets of one image; the annotation is in input pixels."""

    @abstractmethod
    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return its losses, scalar and not weighted, of the maps against stacked targets."""

    @abstractmethod
    def counts(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return for each loss how many things it is the mean of (at least 1): a scalar float."""

    @abstractmethod
    def decode(self, outputs: dict[str, Tensor]) -> Any:
        """Return batched predictions in input pixels; static shapes, nothing thresholded."""

    def objects(self, prediction: Any) -> Objects | None:
        """
        Return the objects that it finds, for other tasks.

        :param prediction: what :meth:`decode` or :meth:`refine` returned.
        :return: by default None, it knows of none.
        """

    def refine(self, prediction: Any, outputs: dict[str, Tensor],
               objects: Callable[[str], Objects | None]) -> Any:
        """
        Return a prediction in the light of what other tasks find; static shapes, too.

        :param prediction: what :meth:`decode` returned for these outputs.
        :param objects: returns the objects that the task of a name finds, None where no such task
            is run, or it knows of none. Of tasks that come after this one, predictions are refined
            already.
        :return: by default the prediction as it is.
        """
        return prediction

    @abstractmethod
    def mirror(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the maps of the mirror image of what the given maps describe."""

    def mean(self, outputs: dict[str, Tensor], others: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what to decode of two views of an image; ``others`` are in the first's frame."""
        return {name: (values + others[name]) / 2 for name, values in outputs.items()}

    @abstractmethod
    def same_maps(self, other: 'Task') -> bool:
        """Return whether another task's maps mean the same, but perhaps for its classes."""

    def part_of(self, other: 'Task') -> bool:
        """Return whether its maps are among those of another kind of task, and mean the same."""
        return False

    def taught_by(self, other: 'Task') -> bool:
        """Return whether another task's maps can be learned from, see :meth:`distance`."""
        return self.same_maps(other) and self.classes == other.classes

    def distance(self, outputs: dict[str, Tensor], theirs: dict[str, Tensor]) -> Tensor:
        """
        Return a scalar loss: how far the maps are from those of another network.

        :param theirs: maps of the other network, of the same shapes.
        :raises ValueError: for a task that is not ``teachable``.
        """
        raise ValueError(f"{type(self).__name__}: cannot be taught by another network's maps")
