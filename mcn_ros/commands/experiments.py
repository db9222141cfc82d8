# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train networks that differ in one thing, with several seeds each, and write a report."""

import argparse
from dataclasses import fields
import functools
import json
import os
from pathlib import Path
from typing import Sequence

from mcn_ros.benchmark.sections import cost_section, listening_section
from mcn_ros.commands import check_folder, check_writable, clear_errors
from mcn_ros.commands.train import apply_override, read_yaml
from mcn_ros.commands.trainings import last_words, train, Trial, WEIGHTS
from mcn_ros.config import from_dict
from mcn_ros.trainer.comparison import write_comparison
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.experiments import Experiments


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='experiments', description=__doc__)
    parser.add_argument('config', type=Path, metavar='CONFIG.yaml',
                        help='what to train and compare; what is finished is not trained again, '
                             'what was interrupted goes on')
    parser.add_argument('overrides', nargs='*', metavar='key=value',
                        help='replace a value of the base, for all networks; as for train')
    parser.add_argument('--base', metavar='BASE.yaml', help='in place of that of CONFIG.yaml')
    parser.add_argument('--seeds', type=_seeds, metavar='N,N,...',
                        help='in place of those of CONFIG.yaml')
    parser.add_argument('--runs', type=Path, metavar='DIR',
                        help='folder of the runs, DIR/NETWORK/seed_N (default: '
                             'runs/experiments/NAME, by the name of the configuration)')
    parser.add_argument('--jobs', type=int, metavar='N', default=len(os.sched_getaffinity(0)),
                        help='trainings at the same time, each with one thread; 0 trains nothing '
                             'and reports what there is (default: %(default)s, one per core)')
    parser.add_argument('--report', type=Path, metavar='REPORT.md',
                        help='where to write the report; its pictures go into a folder of the '
                             'same name beside it (default: report.md in the folder of the runs)')
    args = parser.parse_intermixed_args(arguments)
    if args.jobs < 0:
        parser.error(f'--jobs: {args.jobs} is negative')
    if args.report and not args.report.suffix:
        parser.error(f'--report: {args.report} has no ending such as .md; its pictures go into a '
                     'folder of the name without it')
    args.runs = args.runs or Path('runs', 'experiments', args.config.stem)
    args.report = args.report or args.runs / 'report.md'
    return args


def _seeds(text: str) -> list[int]:
    return [int(number) for number in text.split(',')]


def read_experiments(args: argparse.Namespace) -> Experiments:
    """Read the configuration, with what the command line has in place of it."""
    values = read_yaml(args.config)
    values |= {name: value for name in ('base', 'seeds')
               if (value := getattr(args, name)) is not None}
    try:
        return from_dict(Experiments, values)
    except ValueError as error:
        raise ValueError(f'{args.config}: {error}') from error


def plan(experiments: Experiments, runs: Path, overrides: Sequence[str] = ()) -> list[Trial]:
    """
    Return all trials, in the order of their seeds: so all networks can be compared early.

    :param runs: folder of the runs.
    :param overrides: 'key=value', for the base.
    :raises ValueError: for a configuration that is none, and for a folder with another run.
    """
    base, trials = read_yaml(Path(experiments.base)), []
    for seed in experiments.seeds:
        for name, network in experiments.networks.items():
            if seed not in experiments.seeds_of(name):
                continue
            folders = {each: runs / each / f'seed_{seed}' for each in (name, *network.origins)}
            settings = {**network.changes, 'seed': seed, 'run': str(folders[name])}
            if network.start:
                settings['initial_weights'] = (
                    str(folders[network.start] / WEIGHTS) if isinstance(network.start, str) else
                    {part: str(folders[each] / WEIGHTS) for part, each in network.start.items()})
            if network.teacher:
                settings['teacher'] = str(folders[network.teacher] / WEIGHTS)
            # JSON is YAML, which the train command reads values as.
            changes = [*overrides, *(f'{key}={json.dumps(value)}'
                                     for key, value in settings.items())]
            try:
                config = from_dict(TrainConfig, functools.reduce(apply_override, changes, base))
            except ValueError as error:
                raise ValueError(f'{experiments.base} for networks.{name}: {error}') from error
            tests = {test: data for test, data in experiments.tests.items()
                     if data.heads(config.model.tasks)}
            trials.append(Trial(name, seed, (experiments.base, *changes), config,
                                network.origins, tests))
            _check_same(trials[-1])
    return trials


def _check_same(trial: Trial) -> None:
    """Refuse to take what was trained in another way for a result of this configuration."""
    path = trial.folder / 'config.yaml'
    if path.is_file():
        stored = from_dict(TrainConfig, {**read_yaml(path), 'run': trial.config.run})
        different = [f.name for f in fields(TrainConfig)
                     if getattr(stored, f.name) != getattr(trial.config, f.name)]
        if different:
            raise ValueError(f'{trial.folder}: was trained with other {", ".join(different)}; '
                             'remove it, or choose another folder for the runs')


def report(args: argparse.Namespace, experiments: Experiments, trials: Sequence[Trial]) -> None:
    """Write the report of what is finished."""
    finished = [trial for trial in trials if trial.finished]
    results = {name: {trial.seed: trial.scores() for trial in finished if trial.network == name}
               for name in experiments.networks}
    first = {trial.network: trial for trial in reversed(finished)}
    steps = sorted({trial.config.steps for trial in trials})
    origin = (f'{len(finished)} of {len(trials)} trainings are finished: '
              f'{len(experiments.networks)} networks with seeds '
              f'{", ".join(map(str, experiments.seeds))}, '
              f'{" to ".join(map(str, steps[::max(1, len(steps) - 1)]))} batches each. They are '
              f'described in `{args.config}`, what they have in common in `{experiments.base}`'
              f'{" with " if args.overrides else ""}'
              f'{", ".join(f"`{override}`" for override in args.overrides)}.')
    if len(finished) < len(trials):
        missing = ', '.join(f'{trial.network} {trial.seed}' for trial in trials
                            if not trial.finished)
        origin += (f' Missing, network and seed: {missing}; `experiments {args.config} --runs '
                   f'{args.runs} --report {args.report}` goes on.')
    pictures = args.report.with_suffix('')
    pictures.mkdir(parents=True, exist_ok=True)
    order = [name for name in experiments.networks if name in first]
    weights = {name: first[name].weights for name in order}
    images = {name: first[name].config.validation.images for name in order
              if first[name].config.validation}
    sections = [
        *cost_section(experiments, weights, {name: list(results[name].values())
                                             for name in order}),
        *listening_section(experiments, {name: weights[name] for name in images}, images,
                           pictures / 'listening.png')]
    write_comparison(args.report, experiments, results,
                     {name: first[name].folder for name in order}, origin, sections)
    print(f'{len(finished)} of {len(trials)} trainings are in {args.report}')


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and report."""
    args = parse(arguments)
    with clear_errors():
        experiments = read_experiments(args)
        trials = plan(experiments, args.runs, args.overrides)
        check_folder(args.runs)
        check_writable(args.report)
        check_folder(args.report.with_suffix(''))  # of its pictures
        failed = train(trials, args.jobs) if args.jobs else []
        report(args, experiments, trials)
        if failed:
            names = ', '.join(f'{trial.network} {trial.seed}' for trial in failed)
            last = [trial for trial in failed if trial.log.exists()][-1]
            raise ChildProcessError(f'{len(failed)} trainings failed: {names}; the last one '
                                    f'says: {last_words(last)}')
