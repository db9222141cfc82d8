# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
The package knows types, not tasks.

Outside of mcn_ros/tasks nothing has the name of a task, nor asks what class a task or a structure
is of or whether it has an attribute: what differs, differs by a table.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcn_ros import structures
from mcn_ros.tasks import TASKS

PACKAGE = Path(__file__).resolve().parents[1] / 'mcn_ros'
OWN = 'tasks', 'centernet', 'imports'  # public networks are those of certain tasks

# Why a file may have the names of tasks.
NAMED = {
    'benchmark/architectures.py': "the paper's networks",
    'benchmark/complexity.py': "the paper's Table 4",
    'benchmark/memory.py': 'the network whose memory is measured',
    'benchmark/tracking.py': 'the heads whose people are followed',
    'commands/import_centernet.py': "CenterNet's networks",
    'commands/communities.py': 'the task that its masks are for',
    'data/coco_file.py': 'the key of an object for its mask, in the format of COCO',
    'data/formats/__init__.py': 'the tasks that labels in public formats are for',
    'data/masks.py': 'the same as coco_file.py',
    'data/synthetic/maps.py': 'the tasks that a drawn map is for',
    'data/synthetic/view.py': 'the same as coco_file.py',
    'data/synthetic/write.py': 'the map whose labels have names of their own',
    'evaluation/gradient.py': 'what stands in for a network',
    'mae/discovery.py': 'the task that its maps are for',
    'mae/film.py': 'the caption of a picture',
    'mae/scenes.py': 'the task that its masks are for',
    'ros/rviz.py': 'the head whose topics are called otherwise',
}
# Why a file may ask for a class or an attribute.
ASKED = {
    'commands/__init__.py': 'options that some commands have',
    'data/coco.py': 'only maps of classes are promised by masks',
    'data/frames.py': 'messages of images, which are of generated types',
    'data/messages.py': 'detections of earlier releases, which have no id',
    'runtime/teachers/network.py': 'what it labels, whatever the tasks are called',
    'runtime/teachers/panel.py': 'the same',
    'structures/rows.py': 'tensors, without torch',
    'visualization/draw.py': 'areas have no names where boxes have them',
}
TYPES = {name for name in structures.__all__ if name[0].isupper() and not name.isupper()}


def knowledge(tree: ast.AST) -> Iterator[tuple[str, int, str]]:
    """Yield 'name' or 'asks', the line and the code of what knows tasks by name or by class."""
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.partition('.')[0] in TASKS and id(node) not in texts:
                yield 'name', node.lineno, node.value
        elif asks(node):
            yield 'asks', node.lineno, ast.unparse(node)


def asks(node: ast.AST) -> bool:
    """Return whether code asks what class something is of, or whether it has an attribute."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ('isinstance', 'issubclass'):
            return knows_class(node.args[1])
        # An attribute by a name that is computed is no question.
        return node.func.id in ('hasattr', 'getattr') and isinstance(node.args[1], ast.Constant)
    if isinstance(node, ast.Compare):
        return any(knows_class(side) for side in (node.left, *node.comparators))
    return isinstance(node, ast.MatchClass) and knows_class(node.cls)


def knows_class(node: ast.AST) -> bool:
    """Return whether code is a structure, a task, or several of them."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    names = [part.attr if isinstance(part, ast.Attribute) else part.id for part in parts
             if isinstance(part, (ast.Attribute, ast.Name))]
    return any(name in TYPES or name.endswith('Task') for name in names)


def found(kind: str) -> dict[str, list[str]]:
    """Return file -> what it knows of a kind."""
    files: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        name = path.relative_to(PACKAGE)
        if name.parts[0] not in OWN:
            for what, line, code in knowledge(ast.parse(path.read_text())):
                if what == kind:
                    files.setdefault(str(name), []).append(f'{name}:{line} {code}')
    return files


@pytest.mark.parametrize('kind, reasons', [('name', NAMED), ('asks', ASKED)])
def test_only_what_has_a_reason_knows_tasks(kind, reasons):
    files = found(kind)
    wrong = [line for name, lines in files.items() if name not in reasons for line in lines]
    assert not wrong, '\n'.join(wrong)
    assert not reasons.keys() - files.keys()  # nor is there a reason for what is no more


@pytest.mark.parametrize('code', [
    "if name == 'pose':\n    pass", "scores['detection.AP']", "{'segmentation': 1}",
    'isinstance(value, ClassMap)', 'isinstance(value, (int, structures.Poses))',
    'task.annotation is Instances', 'type(task) == PoseTask', "hasattr(task, 'skeleton')",
    "getattr(value, 'scores', None)", 'match x:\n    case Instances():\n        pass'])
def test_knowledge_is_found(code):
    assert list(knowledge(ast.parse(code)))


@pytest.mark.parametrize('code', [
    '"""The head pose is one."""', "'poses'", 'SCORERS[Instances]', 'getattr(value, name)',
    '{Instances: 1}', 'isinstance(value, int)', 'task.prediction in SCORERS'])
def test_tables_are_no_knowledge(code):
    assert not list(knowledge(ast.parse(code)))
