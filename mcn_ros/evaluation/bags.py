# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scores of a predictor on many bags: of each, and of all their images together."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Mapping, Sequence

from tqdm import tqdm

from mcn_ros.data.bags import is_bag
from mcn_ros.data.each import Each
from mcn_ros.evaluation.scorers import Scorers
from mcn_ros.evaluation.stamped import Evaluation
from mcn_ros.tasks import Task


def find_bags(paths: Iterable[Path]) -> list[Path]:
    """
    Return the bags among some paths, and those in folders that are no bags themselves.

    :raises ValueError: for a folder without any.
    """
    bags = []
    for path in paths:
        found = list(_bags_below(path)) if path.is_dir() and not is_bag(path) else [path]
        if not found:
            raise ValueError(f'{path}: is neither a bag nor a folder of bags')
        bags += found
    return bags


def _bags_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if is_bag(path):
            yield path
        elif path.is_dir():
            yield from _bags_below(path)


def evaluate_bags(bags: Sequence[Path], evaluate: Callable[[Path], Evaluation],
                  progress: bool = True, each: Each = map) -> list[Evaluation]:
    """
    Evaluate bags.

    :param evaluate: does it for one of them.
    :param progress: show a progress bar, if standard error is a terminal.
    :param each: shares the bags with other processes.
    :return: the outcomes in the order of the bags; [] where ``each`` yields nothing.
    """
    return list(tqdm(each(evaluate, bags), unit='bag', total=len(bags),
                     disable=None if progress else True))


def joint_results(outcomes: Sequence[Evaluation], tasks: Mapping[str, Task]) -> dict[str, Any]:
    """
    Return the scores of all images together, and as 'bags' the results of each bag.

    :param outcomes: of the bags; images of those without annotations do not count.
    :param tasks: task name -> task whose predictions were scored.
    """
    scorers, annotated = Scorers(tasks), False
    for outcome in outcomes:
        for measured in outcome.measured:
            scorers.accumulate(measured)
            annotated = True
    return {**(scorers.result() if annotated else {}),
            'bags': [outcome.results for outcome in outcomes]}
