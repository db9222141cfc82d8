# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The ground truth of COCO files, for pycocotools."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
from pycocotools.coco import COCO


def read_ground_truth(path: Path | str) -> dict[str, Any]:
    """
    Read a COCO annotation file.

    :return: its content, as the scorers take it.
    :raises ValueError: if it is not there, not JSON or not a COCO annotation file.
    """
    try:
        truth = json.loads(Path(path).read_text())
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: not a JSON file ({error})') from error
    for key in ('images', 'annotations', 'categories'):
        if not isinstance(truth, dict) or key not in truth:
            raise ValueError(f'{path}: not a COCO annotation file, {key!r} is missing')
    return truth


class Truth:
    """
    A COCO file, and which categories count on which of its images.

    :param ground_truth: its path or content.
    """

    def __init__(self, ground_truth: Path | str | Mapping[str, Any]):
        self._name = 'annotations'
        if not isinstance(ground_truth, Mapping):
            self._name, ground_truth = str(ground_truth), read_ground_truth(ground_truth)
        self.categories = {c['name']: c['id'] for c in ground_truth['categories']}
        self._content = ground_truth
        self._known = {image['id'] for image in ground_truth['images']}
        self._scored: dict[int, set[int]] = {}

    @property
    def image_ids(self) -> list[int]:
        """Return the images that were added."""
        return sorted(self._scored)

    def add(self, image_id: int, categories: set[int]) -> None:
        """
        Let an image count, for some categories.

        :raises ValueError: if the image is not in the file, or was added before.
        """
        if image_id not in self._known:
            raise ValueError(f'{self._name}: image {image_id!r} is not in the file')
        if image_id in self._scored:
            raise ValueError(f'{self._name}: image {image_id!r} was added before')
        self._scored[image_id] = categories

    def coco(self, joints: Sequence[str] = ()) -> COCO:
        """Return the annotations that count, with their keypoints in the order of ``joints``."""
        annotations = []
        for annotation in self._content['annotations']:
            if annotation['category_id'] in self._scored.get(annotation['image_id'], ()):
                width, height = annotation['bbox'][2:]
                # A copy: COCOeval writes into annotations.
                area = annotation.get('area')
                annotation = {**annotation, 'area': width * height if area is None else area,
                              'iscrowd': int(annotation.get('iscrowd') or 0)}
                if joints:
                    annotation |= self._keypoints(annotation, joints)
                annotations.append(annotation)
        return index_coco({'images': self._content['images'], 'annotations': annotations,
                           'categories': self._content['categories']})

    def _keypoints(self, annotation: Mapping[str, Any], joints: Sequence[str]) -> dict[str, Any]:
        category = next(c for c in self._content['categories']
                        if c['id'] == annotation['category_id'])
        values = np.zeros((len(joints), 3))
        if annotation.get('keypoints'):
            order = [category['keypoints'].index(name) for name in joints]
            values = np.reshape(annotation['keypoints'], (-1, 3))[order]
        return {'keypoints': values.ravel().tolist(),
                'num_keypoints': int((values[:, 2] > 0).sum())}


def index_coco(content: dict[str, Any]) -> COCO:
    """Return the content of an annotation file as pycocotools wants it."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = content
        coco.createIndex()
    return coco
