# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Average precision of what CenterNet writes to files, which is what its published AP is of."""

from typing import ClassVar

import numpy as np

from mcn_ros.evaluation.scorers import InstancesScorer, PosesScorer, Scorer, SCORERS
from mcn_ros.evaluation.scorers.average_precision import AveragePrecision
from mcn_ros.structures import Instances, Poses


class FilePrecision(AveragePrecision):
    """An evaluation of numbers with two decimals."""

    DTYPE: ClassVar[type] = np.float32  # before rounding, for the sake of the same numbers

    def numbers(self, values: np.ndarray) -> list[float]:
        """Round by way of text, as CenterNet: halves can go another way by arithmetic."""
        return [float(f'{value:.2f}') for value in super().numbers(values)]


class FileInstancesScorer(InstancesScorer):
    """Box AP of boxes and scores with two decimals."""

    PRECISION: ClassVar[type[AveragePrecision]] = FilePrecision


class FilePosesScorer(PosesScorer):
    """Keypoint AP of joints and scores with two decimals."""

    PRECISION: ClassVar[type[AveragePrecision]] = FilePrecision

    def _extent(self, box: list[float], joints: np.ndarray) -> list[float]:
        """Take the size of a person for that of the box."""
        return box


FILE_SCORERS: dict[type | str, type[Scorer]] = {
    **SCORERS, Instances: FileInstancesScorer, Poses: FilePosesScorer}
