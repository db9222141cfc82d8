# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Several data sets as one, and the order in which a training draws from them."""

from itertools import islice
from typing import Iterator, NamedTuple, Sequence

import numpy as np

from mcn_ros.data.augment import augment, AugmentConfig
from mcn_ros.data.mosaic import mosaic, tile_size, TILES
from mcn_ros.data.pending_image import UnreadableImage
from mcn_ros.geometry import Resampling, RESAMPLINGS, Size
from mcn_ros.structures import Sample

# What a random number is for enters its seed: no two purposes share a stream.
_EPOCH, _PASS, _AUGMENTATION = range(3)


class Draw(NamedTuple):
    """
    One draw of a training: which sample, and when, which seeds its augmentation.

    :param epoch: number of the epoch.
    :param position: number of the draw within the epoch.
    :param index: index into the data set.
    """

    epoch: int
    position: int
    index: int


class Union:
    """
    Data sets one after the other, with a share of the draws for each.

    :param datasets: map-style data sets of samples.
    :param weights: relative shares; by default every sample is drawn equally often.
    :raises ValueError: for no data, or for weights that do not fit.
    """

    def __init__(self, datasets: Sequence, weights: Sequence[float] | None = None):
        self.datasets = tuple(datasets)
        self.sizes = tuple(len(dataset) for dataset in datasets)
        if not self.sizes or min(self.sizes) == 0:
            raise ValueError(f'empty data: the data sets have {self.sizes} samples')
        weights = self.sizes if weights is None else weights
        if len(weights) != len(self.sizes) or min(weights) < 0 or sum(weights) <= 0:
            raise ValueError(f'weights: expected {len(self.sizes)} shares >= 0, not all 0, '
                             f'got {tuple(weights)}')
        self.shares = tuple(weight / sum(weights) for weight in weights)
        self._ends = np.cumsum(self.sizes)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; indices count through the data sets in turn."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = int(np.searchsorted(self._ends, index, side='right'))
        start = self._ends[which] - self.sizes[which]
        return self.datasets[which][int(index - start)]

    def siblings(self, index: int) -> range:
        """Return the indices of the data set that a sample is of."""
        which = int(np.searchsorted(self._ends, index, side='right'))
        return range(int(self._ends[which]) - self.sizes[which], int(self._ends[which]))


class Sampler:
    """
    Yields the endless sequence of a training's draws, from ``start`` to ``stop``.

    An epoch has as many draws as the union has samples, split by the shares; a data set is gone
    through completely before one of its samples comes again. The sequence is a function of the
    seed: a training that was stopped after n draws continues with ``start=n``.

    Or the data sets take turns: then the draws of an epoch are those that come in its time.

    :param union: what to draw from.
    :param seed: seed of the sequence.
    :param start: first draw.
    :param stop: one after the last draw, None for no end.
    :param turn: draws of one data set until it is the turn of the next, whatever the shares; 0:
        they are mixed.
    """

    def __init__(self, union: Union, seed: int, start: int = 0, stop: int | None = None,
                 turn: int = 0):
        self.sizes, self.shares = union.sizes, union.shares
        self.seed, self.start, self.stop, self.turn = seed, start, stop, turn

    def __len__(self) -> int:
        if self.stop is None:
            raise TypeError('draws without an end have no length')
        return max(0, self.stop - self.start)

    def __iter__(self) -> Iterator[Draw]:
        epoch, position = divmod(self.start, sum(self.sizes))
        number = self.start
        while True:
            for index in self.epoch(epoch)[position:].tolist():
                if number == self.stop:
                    return
                yield Draw(epoch, position, index)
                position += 1
                number += 1
            epoch, position = epoch + 1, 0

    def epoch(self, epoch: int) -> np.ndarray:
        """Return the indices of one epoch in the order drawn, (len(union),) int64."""
        if self.turn:
            return self._turns(epoch)
        counts = np.diff(np.rint(np.cumsum(self.shares) * sum(self.sizes)), prepend=0)
        starts = np.cumsum((0, *self.sizes[:-1]))
        parts = [start + self._pass(which, epoch * count, (epoch + 1) * count)
                 for which, (start, count) in enumerate(zip(starts, counts.astype(int)))]
        return self._rng(_EPOCH, epoch).permutation(np.concatenate(parts))

    def _turns(self, epoch: int) -> np.ndarray:
        total = sum(self.sizes)
        numbers = np.arange(epoch * total, (epoch + 1) * total)
        turns, within = np.divmod(numbers, self.turn)
        rounds, sets = np.divmod(turns, len(self.sizes))
        draws = rounds * self.turn + within  # of the data set, since the beginning
        indices, starts = np.empty(total, np.int64), np.cumsum((0, *self.sizes[:-1]))
        for which in np.unique(sets):
            its = draws[sets == which]
            indices[sets == which] = starts[which] + self._pass(which, its[0], its[-1] + 1)
        return indices

    def _pass(self, which: int, first: int, last: int) -> np.ndarray:
        """Return draws ``first`` to ``last`` of one data set: permutations one after the other."""
        size = self.sizes[which]
        before = first // size
        orders = [self._rng(_PASS, which, turn).permutation(size)
                  for turn in range(before, last // size + 1)]
        return np.concatenate(orders)[first - before * size:last - before * size]

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *key))


class RankBatchSampler:
    """
    Yields the part of each batch that one of several processes loads, as lists of draws.

    :param draws: of all processes; starts with the first of a batch.
    :param batch_size: of all processes.
    :param rank: number of this process.
    :param world: number of processes.
    :raises ValueError: for a batch that cannot be shared evenly.
    """

    def __init__(self, draws: Sampler, batch_size: int, rank: int = 0, world: int = 1):
        if batch_size % world:
            raise ValueError(f'batch_size: {batch_size} images cannot be shared evenly by '
                             f'{world} processes')
        self.draws, self.batch_size, self.rank, self.world = draws, batch_size, rank, world

    def __len__(self) -> int:
        return len(self.draws) // self.batch_size

    def __iter__(self) -> Iterator[list[Draw]]:
        draws, size = iter(self.draws), self.batch_size // self.world
        while batch := list(islice(draws, self.batch_size)):
            yield batch[self.rank * size:][:size]


class AugmentedSample(NamedTuple):
    """
    The augmented sample of a draw.

    :param sample: a random view of a sample, in input pixels.
    :param unreadable: why the sample that was drawn, and perhaps more, could not be read; if
        there is anything, the view is one of the next sample that could.
    """

    sample: Sample
    unreadable: tuple[str, ...] = ()


class TrainingSet:
    """
    Loads and augments the sample of a draw; the result depends on the seed and the draw only.

    The other images of a mosaic are of the same data set, so they are labelled for the same.

    Encoding is left to :func:`mcn_ros.data.batch.collate`, which a loader runs in its workers too.

    :param dataset: a union of data sets.
    :param size: (height, width) of the network's input.
    :param config: the augmentation.
    :param seed: seed of the augmentation.
    :param resampling: how inference makes an input of an image.
    """

    def __init__(self, dataset, size: Size, config: AugmentConfig, seed: int,
                 resampling: Resampling = RESAMPLINGS['mcn']):
        self.dataset, self.size, self.config, self.seed = dataset, size, config, seed
        self.resampling = resampling

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, draw: Draw) -> AugmentedSample:
        """Return a random view; ValueError if no sample at all can be read."""
        rng = np.random.default_rng((self.seed, _AUGMENTATION, draw.epoch, draw.position))
        if rng.uniform() >= self.config.mosaic:
            return self._view(draw.index, self.size, rng)
        siblings = self.dataset.siblings(draw.index)
        others = rng.choice(siblings, TILES - 1)
        views = [self._view(int(index), tile_size(self.size), rng)
                 for index in (draw.index, *others)]
        return AugmentedSample(
            mosaic([view.sample for view in views]),
            tuple(reason for view in views for reason in view.unreadable))

    def _view(self, index: int, size: Size, rng: np.random.Generator) -> AugmentedSample:
        """Return a view of a sample, or of the next that can be read."""
        unreadable, state = [], rng.bit_generator.state
        for turn in range(len(self)):
            try:
                sample = self.dataset[(index + turn) % len(self)]
            except ValueError as error:
                unreadable.append(str(error))
                continue
            try:
                view = augment(sample, size, rng, self.config, self.resampling)
            except UnreadableImage as error:
                unreadable.append(str(error))
                rng.bit_generator.state = state  # the next is seen as if drawn itself
            else:
                return AugmentedSample(view, tuple(unreadable))
        raise ValueError(f'none of {len(self)} samples can be read, the first: {unreadable[0]}')
