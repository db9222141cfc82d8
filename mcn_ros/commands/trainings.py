# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Trainings of experiments, and their tests, in processes of their own."""

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any, Mapping, Sequence

from tqdm import tqdm

from mcn_ros.trainer.comparison import read_history
from mcn_ros.trainer.config import TrainConfig
from mcn_ros.trainer.experiments import EvaluationData

POLL_S = 0.2
LOG, WEIGHTS = 'log.txt', 'weights.safetensors'

# Commands, in processes that Linux tells to stop (SIGTERM, 15) when their parent is killed: 1 is
# PR_SET_PDEATHSIG.
_COMMAND = ('import ctypes; ctypes.CDLL(None).prctl(1, 15); '
            'from mcn_ros.commands.{} import main; ')
TRAIN = _COMMAND.format('train') + 'main()'
# All tests in one process: to start takes as long as to score a hundred images.
EVALUATE = _COMMAND.format('evaluate') + (
    'import json, sys; [main(arguments) for arguments in json.loads(sys.argv[1])]')


@dataclass(frozen=True)
class Trial:
    """
    One network with one seed.

    :param network: its name.
    :param seed: of the training.
    :param arguments: of the train command, for a new run.
    :param config: what they amount to.
    :param origins: the networks, of the same seed, that it starts from or that teach it.
    :param tests: name -> what it is scored on in the end.
    """

    network: str
    seed: int
    arguments: tuple[str, ...]
    config: TrainConfig
    origins: tuple[str, ...] = ()
    tests: Mapping[str, EvaluationData] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Return the folder of the run."""
        return Path(self.config.run)

    @property
    def weights(self) -> Path:
        """Return the weights that it is to end with."""
        return self.folder / WEIGHTS

    @property
    def log(self) -> Path:
        """Return what its processes wrote."""
        return self.folder / LOG

    @property
    def trained(self) -> bool:
        """Return whether the run is done, and scored."""
        last = (read_history(self.folder) or [{'step': -1}])[-1]
        return last['step'] >= self.config.steps and bool(last['scores'])

    @property
    def untested(self) -> list[str]:
        """Return the names of the tests that have no result of these weights."""
        return [name for name in self.tests if not self.result_file(name).is_file()
                or self.result_file(name).stat().st_mtime_ns < self.weights.stat().st_mtime_ns]

    @property
    def finished(self) -> bool:
        """Return whether the run is done, and all its tests."""
        return self.trained and not self.untested

    def result_file(self, test: str) -> Path:
        """Return where the scores of a test are."""
        return self.folder / f'test_{test}.json'

    def scores(self) -> dict[str, Any]:
        """Return the scores of the last validation, and of the tests by their names."""
        tests = {name: json.loads(self.result_file(name).read_text()) for name in self.tests}
        return {**read_history(self.folder)[-1]['scores'], **tests}

    def next_command(self) -> tuple[str, list[str]]:
        """Return the program, and its arguments, of what is to be done next."""
        if not self.trained:
            resumable = (self.folder / 'checkpoint.pt').exists()
            return TRAIN, ['--resume', str(self.folder)] if resumable else list(self.arguments)
        return EVALUATE, [json.dumps([self._evaluation(name) for name in self.untested])]

    def _evaluation(self, name: str) -> list[str]:
        """Return the arguments of the evaluate command for a test."""
        test = self.tests[name]
        rules = ['--pedestrian', test.pedestrian] if test.pedestrian else []
        rules += ['--heads', *test.heads(self.config.model.tasks)] if test.tasks else []
        return ['--weights', str(self.weights), '--annotations', test.annotations,
                '--images', test.images, '--json', str(self.result_file(name)), *rules]


def train(trials: Sequence[Trial], jobs: int) -> list[Trial]:
    """
    Train and test what is not finished, each in a process, ``jobs`` at a time.

    :return: what failed, and what starts from that.
    """
    known = {(trial.network, trial.seed): trial for trial in trials}
    waiting = [trial for trial in trials if not trial.finished]
    running: list[tuple[Trial, subprocess.Popen]] = []
    failed = []
    with tqdm(total=len(trials), initial=len(trials) - len(waiting), unit='run') as bar, \
            _stopped_in_the_end(running):
        while True:
            ready = [trial for trial in waiting if all(
                known[origin, trial.seed].trained for origin in trial.origins)]
            for trial in ready[:jobs - len(running)]:
                waiting.remove(trial)
                running.append((trial, _start(trial)))
                bar.set_postfix_str(', '.join(f'{t.network} {t.seed}' for t, _ in running))
            if not running:
                return sorted(failed, key=trials.index) + waiting  # for what failed
            time.sleep(POLL_S)
            for trial, process in [pair for pair in running if pair[1].poll() is not None]:
                running.remove((trial, process))
                if trial.finished:
                    bar.update()
                elif process.returncode == 0 and trial.trained:
                    waiting.insert(0, trial)  # for its tests
                else:
                    failed.append(trial)


def _start(trial: Trial) -> subprocess.Popen:
    """Start what is next to be done; one thread, as several would wait for each other."""
    program, arguments = trial.next_command()
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get('PYTHONPATH'))))
    environment = {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1',
                   'OPENCV_FOR_THREADS_NUM': '1'}
    trial.folder.mkdir(parents=True, exist_ok=True)
    # In a group of its own it hears of an interrupt once: from here.
    with open(trial.log, 'a') as log:
        return subprocess.Popen([sys.executable, '-c', program, *arguments], env=environment,
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0)


@contextlib.contextmanager
def _stopped_in_the_end(running: list[tuple[Trial, subprocess.Popen]]) -> Iterator[None]:
    """Let nothing run on where the block ends early; trainings save what they have."""
    try:
        yield
    finally:
        for _, process in running:
            process.terminate()
        for _, process in running:
            process.wait()


def last_words(trial: Trial) -> str:
    """Return the last line that a training wrote."""
    lines = trial.log.read_text(errors='replace').replace('\r', '\n').split('\n')
    return next((line.strip() for line in reversed(lines) if line.strip()), 'no message')
