# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is to be trained and compared, and in which order: some networks start from others."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Network:
    """
    A network of the comparison.

    :param title: what the report calls it.
    :param changes: dotted keys of a TrainConfig -> values in place of those of the base.
    :param paper: figure, such as 'detection.AP' -> what the paper reports for it, in points.
    :param start: name of the network whose weights, of the same seed, it starts from; or stream
        of its trunk or task -> name, as for initial_weights of a TrainConfig.
    :param seeds: those of all that it is trained with; none named: all.
    """

    title: str
    changes: dict[str, Any] = field(default_factory=dict)
    paper: dict[str, float] = field(default_factory=dict)
    start: str | dict[str, str] | None = None
    seeds: tuple[int, ...] = ()

    @property
    def origins(self) -> tuple[str, ...]:
        """Return the names of the networks that it starts from."""
        named = {'': self.start} if isinstance(self.start, str) else self.start or {}
        return tuple(dict.fromkeys(named.values()))


@dataclass(frozen=True)
class EvaluationData:
    """
    A data set that finished networks are scored on, beside the validation.

    :param annotations: path of the JSON file.
    :param images: path of the image folder.
    :param pedestrian: rules of `evaluate --pedestrian`, '' without.
    """

    annotations: str
    images: str
    pedestrian: Literal['', 'reasonable', 'caltech', 'birds'] = ''


@dataclass(frozen=True)
class Study:
    """
    A question: a table for each of some figures of some networks.

    :param title: heading.
    :param networks: their names; the first one with a figure is what the others are compared to.
    :param figures: dotted path in the scores -> what the report calls it, for example
        'detection.per_class.person': 'person AP'.
    :param text: Markdown below the heading.
    """

    title: str
    networks: tuple[str, ...]
    figures: dict[str, str]
    text: str = ''


@dataclass(frozen=True)
class Experiments:
    """
    What is to be trained and compared.

    :param base: YAML file of the TrainConfig that all networks have in common.
    :param seeds: each network is trained once with each.
    :param networks: name, which is that of its folder, -> network.
    :param studies: the parts of the report.
    :param title: heading of the report.
    :param conclusions: Markdown that comes first.
    :param tests: name -> data set; its scores are figures such as 'NAME.detection.AP'.
    """

    base: str
    seeds: tuple[int, ...]
    networks: dict[str, Network]
    studies: tuple[Study, ...]
    title: str = 'Experiments'
    conclusions: str = ''
    tests: dict[str, EvaluationData] = field(default_factory=dict)

    def __post_init__(self):
        self._check_starts()
        for name in self.tests:
            if not name or '.' in name or '/' in name:
                raise ValueError(f'tests: {name!r} cannot be the name of a test')
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f'seeds: {self.seeds} are none, or not all different')
        for study in self.studies:
            unknown = [name for name in study.networks if name not in self.networks]
            if unknown:
                raise ValueError(f'studies: {study.title!r} has unknown networks '
                                 f'{", ".join(unknown)} (known: {", ".join(self.networks)})')

    def seeds_of(self, name: str) -> list[int]:
        """Return the seeds that a network is trained with."""
        return [seed for seed in self.seeds
                if not self.networks[name].seeds or seed in self.networks[name].seeds]

    def _check_starts(self) -> None:
        """Refuse networks that start from none that is there, with their seeds and before them."""
        for name, network in self.networks.items():
            for origin in network.origins:
                if origin not in self.networks:
                    raise ValueError(f'networks.{name}.start: unknown {origin} '
                                     f'(known: {", ".join(self.networks)})')
                lacking = sorted({*self.seeds_of(name)} - {*self.seeds_of(origin)})
                if lacking:
                    raise ValueError(f'networks.{name}.start: {origin} is not trained with the '
                                     f'seeds {", ".join(map(str, lacking))}')
        before = list(self.networks)
        while before:
            rest = [name for name in before
                    if not {*self.networks[name].origins}.isdisjoint(before)]
            if rest == before:
                raise ValueError(f'networks: {", ".join(rest)} start from each other, so none can '
                                 'be the first')
            before = rest
