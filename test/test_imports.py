# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The layers of the package: who may import whom, and that only ros and trials need ROS."""

import ast
from collections.abc import Iterator
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'mcn_ros'

# From the bottom up; a part may import what is in the layers below its own.
LAYERS = (
    ('config', 'files', 'geometry', 'structures', 'vocabulary', 'colors', 'share', 'tables'),
    ('network',),
    ('tasks',),
    ('model', 'weights_file'),
    ('data', 'learning', 'runtime', 'tracking'),
    ('spatial',),
    ('evaluation',),
    ('centernet', 'imports'),
    ('pruning', 'trainer', 'mae', 'ros'),
    ('benchmark', 'trials'),
    ('gpu',),
    ('commands',),
)
# Parts of one layer are siblings that do not import each other, with these exceptions.
SIDEWAYS = {
    'structures': {'geometry', 'vocabulary'},
    'colors': {'structures'},
    'weights_file': {'model'},
}
# Need ROS; nothing else imports them, nor ROS, but starts them as processes.
EDGE = {'ros', 'trials'}
# Kinds of tasks that are others but for some rules: what they inherit from.
VARIANTS = {'mcn_ros.tasks.centernet': {'mcn_ros.tasks.detection', 'mcn_ros.tasks.pose'},
            'mcn_ros.tasks.foreground': {'mcn_ros.tasks.saliency'},
            'mcn_ros.tasks.parts': {'mcn_ros.tasks.segmentation'},
            'mcn_ros.tasks.window_pose': {'mcn_ros.tasks.pose'}}
# Stands beside the tower: whatever handles predictions may draw them, it knows only structures.
DRAWING = 'visualization', {'colors', 'structures', 'visualization', 'vocabulary'}
DRAWING_FROM = LAYERS.index(('data', 'learning', 'runtime', 'tracking'))

ROS = re.compile(r'rclpy|rcl_interfaces|cv_bridge|launch|launch_ros|ament_\w+|rosidl_\w+|\w+_msgs'
                 r'|rosbag2_py|sensor_msgs_py|tf2_\w+|std_srvs')
EMPTY_NAMES = {'utils', 'util', 'helpers', 'helper', 'common', 'misc', 'base', 'manager',
               'factory'}


def modules() -> dict[str, Path]:
    """Return all modules of the package by name."""
    found = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        parts = path.relative_to(PACKAGE.parent).with_suffix('').parts
        found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    return found


def part(module: str) -> str:
    """Return the part of the package that a module belongs to; '' is the package itself."""
    return (module.split('.') + [''])[1]


def allowed(importer: str) -> set[str]:
    """Return the parts that a part may import."""
    if importer == DRAWING[0]:
        return DRAWING[1]
    for level, layer in enumerate(LAYERS):
        if importer in layer:
            below = {name for lower in LAYERS[:level] for name in lower}
            drawing = {DRAWING[0]} if level >= DRAWING_FROM else set()
            edge = set() if importer in EDGE else EDGE
            return ({importer} | below | drawing | SIDEWAYS.get(importer, set())) - edge
    raise KeyError(f'{importer}: in no layer')


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything that is imported, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, '.' * node.level + f'{node.module or ""}.{alias.name}')
                        for alias in node.names)


def violations(module: str, source: str, tasks: set[str] = frozenset()) -> list[str]:
    """
    Return what a module imports against the rules.

    :param tasks: names of the modules that hold a task.
    """
    tree = ast.parse(source)
    found = []
    for line, name in imports(tree):
        where = f'{module}:{line} imports {name}'
        if name.startswith('.'):
            found.append(f'{where}: relative')
        elif name.split('.')[0] == 'mcn_ros':
            if part(name) not in allowed(part(module)) | {''}:
                found.append(f'{where}: {part(module)} may not use {part(name)}')
            others = {task for task in tasks if name == task or name.startswith(f'{task}.')}
            if module in tasks and others - {module} - VARIANTS.get(module, set()):
                found.append(f'{where}: tasks do not know each other')
        elif ROS.fullmatch(name.split('.')[0]) and part(module) not in EDGE:
            found.append(f'{where}: only ros and trials may use ROS')
    top = set(map(id, ast.iter_child_nodes(tree)))
    found += [f'{module}:{node.lineno} imports inside of something' for node in ast.walk(tree)
              if isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in top]
    return found


def task_modules() -> set[str]:
    """Return the modules of mcn_ros.tasks that define a task."""
    return {name for name, path in modules().items() if part(name) == 'tasks'
            and path.name != '__init__.py' and re.search(r'^class \w+Task\b', path.read_text(),
                                                         re.MULTILINE)}


@pytest.mark.parametrize('module', modules())
def test_module_keeps_to_the_layers(module):
    found = violations(module, modules()[module].read_text(), task_modules())
    assert not found, '\n'.join(found)


@pytest.mark.parametrize('module, line, why', [
    ('mcn_ros.structures', 'from mcn_ros.network.heads import Head', 'may not use network'),
    ('mcn_ros.tasks.pose', 'import mcn_ros.model', 'may not use model'),
    ('mcn_ros.data.coco', 'from mcn_ros.runtime import Predictor', 'may not use runtime'),
    ('mcn_ros.runtime.predictor', 'from mcn_ros import data', 'may not use data'),
    ('mcn_ros.tracking.tracker', 'from mcn_ros.runtime import Predictor', 'may not use runtime'),
    ('mcn_ros.runtime.predictor', 'from mcn_ros.spatial import lift', 'may not use spatial'),
    ('mcn_ros.spatial.lift', 'from sensor_msgs.msg import Image', 'only ros and trials'),
    ('mcn_ros.evaluation.bag', 'import mcn_ros.trainer.step', 'may not use trainer'),
    ('mcn_ros.visualization', 'from mcn_ros.geometry import Size', 'may not use geometry'),
    ('mcn_ros.model', 'from mcn_ros.visualization import draw', 'may not use visualization'),
    ('mcn_ros.commands.demo', 'from mcn_ros.ros.tools.collector import main', 'may not use ros'),
    ('mcn_ros.commands.fuzz', 'from mcn_ros.trials import hostile', 'may not use trials'),
    ('mcn_ros.ros.tools.echo', 'from mcn_ros.trials import prober', 'may not use trials'),
    ('mcn_ros.commands.demo', 'import rclpy.node', 'only ros and trials'),
    ('mcn_ros.evaluation.bag', 'from sensor_msgs.msg import Image', 'only ros and trials'),
    ('mcn_ros.benchmark.node', 'from mcn_ros.commands.processes import child',
     'may not use commands'),
    ('mcn_ros.data.frames', 'def f():\n    from cv_bridge import CvBridge', 'only ros and trials'),
    ('mcn_ros.tasks.pose', 'from mcn_ros.tasks.detection import DetectionTask', 'each other'),
    ('mcn_ros.tasks.pose', 'from mcn_ros.tasks import detection', 'each other'),
    ('mcn_ros.tasks.pose', 'from mcn_ros.tasks.centernet import CenterNetPoseTask', 'each other'),
    ('mcn_ros.tasks.centernet', 'from mcn_ros.tasks import segmentation', 'each other'),
    ('mcn_ros.tasks.pose', 'from . import heatmap', 'relative'),
    ('mcn_ros.model', 'if True:\n    import json', 'inside'),
])
def test_the_rules_can_be_broken(module, line, why):
    found = violations(module, f'{line}\n', task_modules())
    assert any(why in text for text in found), found


@pytest.mark.parametrize('module, line', [
    ('mcn_ros.ros.node.mcn_node', 'from mcn_ros.runtime import load_predictor\nimport rclpy'),
    ('mcn_ros.trainer.train', 'from mcn_ros.data import coco\nfrom mcn_ros import runtime'),
    ('mcn_ros.evaluation.bag', 'from mcn_ros.visualization import draw\nimport rosbags.rosbag2'),
    ('mcn_ros.tasks.pose', 'from mcn_ros.tasks.heatmap import draw_heatmap'),
    ('mcn_ros.tasks.centernet', 'from mcn_ros.tasks.pose import PoseTask'),
])
def test_what_is_allowed_is_no_violation(module, line):
    assert not violations(module, f'{line}\n', task_modules())


def test_there_is_something_to_check():
    assert {'mcn_ros.tasks.pose', 'mcn_ros.tasks.detection'} <= task_modules()
    assert len(modules()) > 30


def test_files_are_named_after_what_they_hold():
    assert not [str(path) for path in modules().values()
                if EMPTY_NAMES & set(path.relative_to(PACKAGE).with_suffix('').parts)]


# Prints each module that cannot be imported where ROS is not to be found.
WITHOUT_ROS = f"""
import importlib, importlib.abc, re, sys


class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if re.fullmatch({ROS.pattern!r}, name.split('.')[0]):
            raise ModuleNotFoundError(f'{{name}} is blocked', name=name)


sys.meta_path.insert(0, Block())
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(name, error)
"""


def test_everything_else_works_without_ros():
    names = [name for name in modules() if part(name) not in EDGE]
    environment = {**os.environ, 'PYTHONPATH': str(PACKAGE.parent)}
    result = subprocess.run(
        [sys.executable, '-c', WITHOUT_ROS, *names, 'mcn_ros.ros.node.conversions'],
        env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    # The last one shows that ROS was not to be found indeed.
    assert re.fullmatch(r'mcn_ros\.ros\.node\.conversions \w+_msgs(\.msg)? is blocked\n',
                        result.stdout)
