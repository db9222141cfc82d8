# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parameters for Nav2: layers that are there, classes that the default weights have."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcn_ros.runtime import weights_path
from mcn_ros.structures import ClassMap
from mcn_ros.tasks import build_tasks
from mcn_ros.weights_file import read_config

FILES = sorted((Path(__file__).resolve().parents[1] / 'examples').glob('nav2_*.yaml'))
each = pytest.mark.parametrize('file', FILES, ids=lambda file: file.stem)


def costmap(file: Path) -> dict[str, Any]:
    """Return the parameters of the costmap."""
    return yaml.safe_load(file.read_text())['local_costmap']['local_costmap']['ros__parameters']


def class_names(parameters: dict[str, Any]) -> Iterator[str]:
    """Yield all names of classes, at whatever depth."""
    for name, value in parameters.items():
        if isinstance(value, dict):
            yield from class_names(value)
        elif name == 'classes':
            yield from value


def test_there_are_examples():
    assert [file.stem for file in FILES] == ['nav2_people', 'nav2_semantic_layer']


@each
def test_every_layer_and_every_source_has_its_parameters(file):
    parameters = costmap(file)
    assert parameters['plugins'] == [name for name in parameters if name != 'plugins']
    for layer in (parameters[name] for name in parameters['plugins']):
        assert '::' in layer['plugin']
        sources = layer.get('observation_sources', '').split()
        assert sources == [name for name, value in layer.items() if isinstance(value, dict)]
        for source in (layer[name] for name in sources):
            assert source.get('class_types', []) == [
                name for name, value in source.items() if isinstance(value, dict)]


@each
def test_classes_are_those_of_the_default_weights(file):
    tasks = build_tasks(read_config(weights_path(), None).tasks)
    known = next(task.classes for task in tasks.values() if task.prediction is ClassMap)
    assert set(class_names(costmap(file))) <= set(known)
