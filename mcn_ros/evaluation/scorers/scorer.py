# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the package asks of a scorer."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, final, Mapping, Protocol

from mcn_ros.structures import Structure
from mcn_ros.tasks import Task


@dataclass(frozen=True)
class Figure:
    """
    How well one image was understood.

    :param value: 0..1; None where nothing can be said.
    :param text: the same for people.
    :param right: number of things that are right; 0 of maps.
    :param wrong: number of things that are missed or false; 0 of maps.
    """

    value: float | None
    text: str
    right: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class Plot:
    """
    A picture of numbers.

    :param png: content of a PNG file.
    :param text: for those who cannot see it.
    """

    png: bytes
    text: str


class Scorer(Protocol):
    """
    The scores of one task over the images that are added.

    Scorers inherit from this, so they have its defaults. An image is added in two steps, so that
    several processes can look at images and one adds up what they measured: in the order of the
    images, so that the scores are those of a single process to the last digit.

    :cvar MEANINGS: name of each score -> what it is, for people.
    :cvar ERRORS: scores of which less is better, in any unit; all others are in 0..1.
    :cvar CLASS_SCORE: what the entry 'per_class' of the scores has for each class; '' without.
    :cvar AMOUNT: entry of the details that says how much there is of each class; '' without.
    :cvar IMAGE_FIGURE: what is said of one image by :meth:`figure`, for people.
    :cvar NOTE: what a reader of the scores should know.
    :param task: task whose predictions are scored.
    """

    MEANINGS: ClassVar[Mapping[str, str]]
    ERRORS: ClassVar[frozenset[str]] = frozenset()
    CLASS_SCORE: ClassVar[str] = ''
    AMOUNT: ClassVar[str] = ''
    IMAGE_FIGURE: ClassVar[str]
    NOTE: ClassVar[str] = ''

    def __init__(self, task: Task):
        self.task = task

    @abstractmethod
    def measure(self, annotation: Any, prediction: Any) -> Any:
        """
        Return what the scores need of one image; the scorer does not change.

        :param annotation: in camera pixels, as is ``prediction``.
        :return: small, and nothing that cannot be sent to another process.
        :raises ValueError: for maps of different sizes.
        """

    @abstractmethod
    def accumulate(self, measured: Any) -> None:
        """Add one image, of which this is what :meth:`measure` returned."""

    @final
    def add(self, annotation: Any, prediction: Any) -> None:
        """Add one image, in camera pixels; ValueError for maps of different sizes."""
        self.accumulate(self.measure(annotation, prediction))

    def nothing(self, annotation: Any) -> Any:
        """Return what a predictor would say of an image without having looked."""
        return annotation.nothing()

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """
        Return the scores, None where there is nothing to score.

        :return: the names of ``MEANINGS`` -> score; of tasks with classes also 'per_class':
            class -> score, without the classes that do not occur in the annotations.
        """

    def details(self) -> dict[str, Any]:
        """Return what is behind the scores: numbers, lists and dicts that JSON can hold."""
        return {}

    @classmethod
    def plots(cls, details: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Plot]:
        """Return short name -> plot of details, beside ``others`` of another run (or {})."""
        return {}

    def figure(self, annotation: Any, prediction: Any) -> Figure:
        """Return how well one image was understood, by default the score of the task."""
        return self._alone(annotation, prediction, self.task.figure)

    def _alone(self, annotation: Any, prediction: Any, name: str) -> Figure:
        """Return a score, in 0..1, of one image alone."""
        scorer = type(self)(self.task)
        scorer.add(annotation, prediction)
        value = scorer.result()[name]
        return Figure(value, '' if value is None else f'{name} {value:.2f}')


def check_size(annotation: Structure, prediction: Structure) -> None:
    """Raise ValueError for two maps of different sizes."""
    if annotation.size != prediction.size:
        raise ValueError(f'(height, width) of the prediction is {prediction.size}, but that of '
                         f'the annotation is {annotation.size}')
