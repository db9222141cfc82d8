# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Made files of labels, and what becomes of them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.formats import import_labels
from mcn_ros.tasks import build_tasks

SHARED = Path(__file__).resolve().parents[4] / 'shared' / 'data'


@pytest.fixture
def write(tmp_path):
    """Return a function: writes an array, colours in RGB, to a file in a folder; the folder."""
    def save(folder, name, pixels):
        (tmp_path / folder).mkdir(exist_ok=True)
        pixels = np.asarray(pixels)
        assert cv2.imwrite(str(tmp_path / folder / name),
                           pixels[..., ::-1] if pixels.ndim == 3 else pixels)
        return tmp_path / folder
    return save


@pytest.fixture
def image(write):
    """Return a function: writes an image of a name and a size; the folder."""
    return lambda name, size: write('images', name, np.full((*size, 3), 90, np.uint8))


@pytest.fixture
def imported(tmp_path):
    """Return a function: imports labels and returns them as tasks see them."""
    def load(name, *sources, tasks, **options):
        assert import_labels(name, sources, tmp_path / 'out', **options)
        return CocoDataset(tmp_path / 'out' / 'annotations.json', sources[0], build_tasks(tasks))
    return load


@pytest.fixture
def refused(tmp_path):
    """Return a function: imports labels that are wrong, and what is said of them."""
    def fail(name, *sources, **options):
        before = sorted(tmp_path.rglob('*'))
        with pytest.raises(ValueError) as caught:
            import_labels(name, sources, tmp_path / 'out', **options)
        assert sorted(tmp_path.rglob('*')) == before  # nor is anything left half done
        return str(caught.value)
    return fail


@pytest.fixture
def shared():
    """Return a function: a folder of public images; skip where it is absent."""
    def find(name):
        if not (SHARED / name).is_dir():
            pytest.skip(f'the images of {name} are not beside the project')
        return SHARED / name
    return find
