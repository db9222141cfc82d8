# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What there is to look at while a network learns: TensorBoard, pictures and curves."""

import math
from pathlib import Path
from typing import Any, Mapping, Sequence

import cv2
import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from mcn_ros.geometry import scaling
from mcn_ros.structures import Sample
from mcn_ros.tasks import Task
from mcn_ros.trainer.curves import draw_curves, WATCHED
from mcn_ros.visualization import contact_sheet, draw

# Pixels. Pictures are brought to about the size that they have on the sheet before anything is
# drawn on them, so that lines and letters stay as thick as they are meant.
SHEET_WIDTH = 1920
PICTURE_AREA = 480 * 360


class Monitor:
    """
    Writes below the folder of a run: tensorboard/, overlays/ and curves.png.

    :param folder: of the run.
    :param tasks: task name -> task.
    :param first: number of batches done already; what TensorBoard has beyond is taken back.
    """

    def __init__(self, folder: Path, tasks: Mapping[str, Task], first: int = 0):
        self.folder = folder
        self.class_names = {name: task.classes for name, task in tasks.items()}
        self.figures = {name: task.figure for name, task in tasks.items()}
        self._writer = SummaryWriter(str(folder / 'tensorboard'), purge_step=first + 1)

    def losses(self, step: int, values: Mapping[str, float], rate: float) -> None:
        """Note the learning rate and the losses of a batch: 'task/loss', and 'total'."""
        for name, value in {**values, 'rate': rate}.items():
            self._writer.add_scalar(f'train/{name}', value, step)

    def scores(self, step: int, scores: Mapping[str, Any]) -> None:
        """Note the scores of :func:`mcn_ros.evaluation.dataset.evaluate`."""
        for task, figures in scores.items():
            if not isinstance(figures, Mapping):
                continue  # the number of images
            watched = {name: value for name, value in figures.get('per_class', {}).items()
                       if name == WATCHED}
            for name, value in {**figures, **watched}.items():
                if isinstance(value, (int, float)):  # None: no such object in the data
                    self._writer.add_scalar(f'val/{task}/{name}', value, step)
        self._writer.flush()

    def overlays(self, step: int, samples: Sequence[Sample],
                 predictions: Sequence[Mapping[str, Any]]) -> None:
        """
        Draw what is true (left) beside what is predicted (right), as the node would show it.

        :param step: number of batches done.
        :param samples: at least one, in camera pixels.
        :param predictions: for each, task name -> prediction in camera pixels, not thresholded.
        :raises OSError: if the picture cannot be written.
        """
        pairs = [self._pair(sample, prediction, step)
                 for sample, prediction in zip(samples, predictions, strict=True)]
        sheet = contact_sheet(pairs, columns=2, width=SHEET_WIDTH, gap=12)
        height, width = sheet.shape[:2]
        jpeg = cv2.imencode('.jpg', sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        path = self.folder / 'overlays' / f'step_{step:06}.jpg'
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jpeg)
        # As it is: add_image would make it a PNG, several times as large.
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=jpeg)
        summary = Summary(value=[Summary.Value(tag='val/overlays', image=image)])
        self._writer.file_writer.add_summary(summary, step)
        self._writer.flush()

    def _pair(self, sample: Sample, prediction: Mapping[str, Any], step: int) -> np.ndarray:
        """Return both pictures of a sample, side by side."""
        height, width = sample.image.shape[:2]
        factor = math.sqrt(PICTURE_AREA / (height * width))
        size = max(1, round(height * factor)), max(1, round(width * factor))
        labels = f'{Path(sample.id).name}: labels'
        if sample.annotations.keys() != self.class_names.keys():
            labels += f' of {", ".join(sample.annotations) or "nothing"}'
        sides = []
        for structures, text in ((sample.annotations, labels),
                                 (prediction, f'predicted after {step}')):
            frame = Sample(sample.image, dict(structures)).warp(scaling(factor), size)
            sides.append(draw(frame.image, frame.annotations, self.class_names, text=text))
        return cv2.hconcat([sides[0], np.full((size[0], 3, 3), 255, np.uint8), sides[1]])

    def curves(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Draw losses and scores over time; ``history`` is what metrics.json holds."""
        draw_curves(history, self.figures, self.folder / 'curves.png')

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
