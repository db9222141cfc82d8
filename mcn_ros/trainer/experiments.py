# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is to be trained and compared, and in which order: some networks start from others."""

from dataclasses import dataclass, field
from typing import Any, Iterable, Literal


@dataclass(frozen=True)
class Network:
    """
    A network of the comparison.

    :param title: what the report calls it.
    :param changes: dotted keys of a TrainConfig -> values in place of those of the base.
    :param paper: figure, such as 'detection.AP' -> what the paper reports for it, in points.
    :param start: name of the network whose weights, of the same seed, it starts from; or stream
        of its trunk or task -> name, as for initial_weights of a TrainConfig.
    :param teacher: name of the network whose weights, of the same seed, teach it, see ``teach`` of
        a TrainConfig; '' for none.
    :param seeds: those of all that it is trained with; none named: all.
    """

    title: str
    changes: dict[str, Any] = field(default_factory=dict)
    paper: dict[str, float] = field(default_factory=dict)
    start: str | dict[str, str] | None = None
    teacher: str = ''
    seeds: tuple[int, ...] = ()

    @property
    def origins(self) -> tuple[str, ...]:
        """Return the names of the networks that it starts from, or that teach it."""
        named = {'': self.start} if isinstance(self.start, str) else self.start or {}
        return tuple(dict.fromkeys([*named.values(), *filter(None, [self.teacher])]))


@dataclass(frozen=True)
class EvaluationData:
    """
    A data set that finished networks are scored on, beside the validation.

    :param annotations: path of the JSON file.
    :param images: path of the image folder.
    :param pedestrian: rules of `evaluate --pedestrian`, '' without.
    :param tasks: those that are scored; none named: all. A network with none of them is not.
    """

    annotations: str
    images: str
    pedestrian: Literal['', 'reasonable', 'caltech', 'birds'] = ''
    tasks: tuple[str, ...] = ()

    def heads(self, tasks: Iterable[str]) -> list[str]:
        """Return which tasks of a network are scored."""
        return [task for task in tasks if not self.tasks or task in self.tasks]


@dataclass(frozen=True)
class Claim:
    """
    What a paper says of a network, beside the first one of a study.

    :param text: the claim.
    :param network: name of the network.
    :param figure: where it is seen, as in :class:`Study`.
    """

    text: str
    network: str
    figure: str


@dataclass(frozen=True)
class Study:
    """
    A question: a table for each of some figures of some networks.

    :param title: heading.
    :param networks: their names; the first one with a figure is what the others are compared to.
    :param figures: dotted path in the scores -> what the report calls it, for example
        'detection.per_class.person': 'person AP'; or the difference of two, 'A - B'.
    :param text: Markdown below the heading.
    :param claims: of a paper, whose signs are to be compared with what is found here.
    """

    title: str
    networks: tuple[str, ...]
    figures: dict[str, str]
    text: str = ''
    claims: tuple[Claim, ...] = ()


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
    :param costs: figure -> what the report calls it: those that stand beside what each network
        costs; none: costs are not measured.
    """

    base: str
    seeds: tuple[int, ...]
    networks: dict[str, Network]
    studies: tuple[Study, ...]
    title: str = 'Experiments'
    conclusions: str = ''
    tests: dict[str, EvaluationData] = field(default_factory=dict)
    costs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self._check_starts()
        for name in self.tests:
            if not name or '.' in name or '/' in name:
                raise ValueError(f'tests: {name!r} cannot be the name of a test')
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f'seeds: {self.seeds} are none, or not all different')
        for study in self.studies:
            unknown = [name for name in study.networks if name not in self.networks]
            unknown += [claim.network for claim in study.claims
                        if claim.network not in study.networks]
            if unknown:
                raise ValueError(f'studies: {study.title!r} has unknown networks '
                                 f'{", ".join(unknown)} (known: {", ".join(self.networks)})')

    def seeds_of(self, name: str) -> list[int]:
        """Return the seeds that a network is trained with."""
        return [seed for seed in self.seeds
                if not self.networks[name].seeds or seed in self.networks[name].seeds]

    def _check_starts(self) -> None:
        """Refuse networks whose origins are not there, with their seeds and before them."""
        for name, network in self.networks.items():
            for origin in network.origins:
                key = f'networks.{name}.{"teacher" if origin == network.teacher else "start"}'
                if origin not in self.networks:
                    raise ValueError(f'{key}: unknown {origin} '
                                     f'(known: {", ".join(self.networks)})')
                lacking = sorted({*self.seeds_of(name)} - {*self.seeds_of(origin)})
                if lacking:
                    raise ValueError(f'{key}: {origin} is not trained with the seeds '
                                     f'{", ".join(map(str, lacking))}')
        before = list(self.networks)
        while before:
            rest = [name for name in before
                    if not {*self.networks[name].origins}.isdisjoint(before)]
            if rest == before:
                raise ValueError(f'networks: {", ".join(rest)} start from each other, so none can '
                                 'be the first')
            before = rest
