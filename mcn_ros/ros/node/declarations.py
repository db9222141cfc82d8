# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameters of the node as ROS has them: declared, checked and read."""

from dataclasses import Field
from typing import Any, Mapping, Sequence

from rcl_interfaces.msg import (
    FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult)
from rclpy.node import Node
from rclpy.parameter import Parameter

from mcn_ros.ros.node.parameters import (
    FIELDS, find_field, HEAD_FIELDS, head_fields, HeadParameters, NODE_FIELDS, Parameters)
from mcn_ros.tasks import Task

# An empty list comes as NOT_SET from a file or command line, and as a byte array from Python.
LIST_TYPES = (Parameter.Type.STRING, Parameter.Type.STRING_ARRAY, Parameter.Type.INTEGER,
              Parameter.Type.INTEGER_ARRAY, Parameter.Type.NOT_SET, Parameter.Type.BYTE_ARRAY)


def descriptions() -> dict[str, tuple[Any, str]]:
    """Return ROS name -> default as ROS has it, what it means and the values that it may have."""
    texts = {}
    for name, declared in FIELDS.items():
        meta, text = declared.metadata, declared.metadata['description']
        if meta['choices']:
            text += f' One of {_one_of(meta["choices"])}.'
        if meta['limits']:
            text += ' {} to {}.'.format(*meta['limits'])
        texts[name] = _ros_default(declared), text
    return texts


def declare_parameters(node: Node) -> None:
    """Declare all that do not depend on the weights; ParameterException for wrong values."""
    node.add_on_set_parameters_callback(_check)
    _declare(node, FIELDS)


def declare_head_parameters(node: Node, tasks: Mapping[str, Task]) -> None:
    """Declare those of the heads of the weights; ParameterException for wrong values."""
    for name, task in tasks.items():
        _declare(node, head_fields(name, task.prediction), task)


def _declare(node: Node, wanted: Mapping[str, Field], task: Task | None = None) -> None:
    for name, declared in wanted.items():
        if not node.has_parameter(name):
            default = _ros_default(declared)
            if declared.metadata['of_task']:
                default = getattr(task, declared.name, default)
            node.declare_parameter(name, default, _descriptor(declared))


def _is_names(declared: Any) -> bool:
    return declared.default == ()


def _ros_default(declared: Any) -> Any:
    if isinstance(declared.default, tuple):
        return list(declared.default) or ''
    return declared.default


def _one_of(choices: Sequence[str]) -> str:
    return ', '.join(choice or "''" for choice in choices)


def read_parameters(node: Node) -> Parameters:
    """Return the values of now."""
    of_node = {declared.name: parse_value(node.get_parameter(name))
               for name, declared in NODE_FIELDS.items()}
    common = {key: of_node[key] for key in ('class_id_format', 'max_detections')}
    heads: dict[str, dict[str, Any]] = {}
    for name, parameter in node.get_parameters_by_prefix('').items():
        head, _, key = name.rpartition('.')
        if head and key in HEAD_FIELDS:
            heads.setdefault(head, dict(common))[key] = parse_value(parameter)
    return Parameters(**of_node, of_heads={head: HeadParameters(**values)
                                           for head, values in heads.items()})


def parse_value(parameter: Parameter) -> Any:
    """Return the value of a parameter, with a list in any notation as a tuple of strings."""
    declared = find_field(parameter.name)
    if not _is_names(declared):
        return tuple(parameter.value) if isinstance(declared.default, tuple) else parameter.value
    values = '' if parameter.value is None else parameter.value
    if isinstance(values, (str, int)):
        values = str(values).strip('[]').split(',')
    return tuple(str(value).strip() for value in values if str(value).strip())


def _descriptor(declared: Any) -> ParameterDescriptor:
    meta = declared.metadata
    descriptor = ParameterDescriptor(
        description=meta['description'], read_only=not meta['live'],
        additional_constraints=f'one of {_one_of(meta["choices"])}' if meta['choices'] else '',
        # An empty list in Python has no element type, so a list could not be declared otherwise.
        dynamic_typing=_is_names(declared))
    if meta['limits']:
        low, high = meta['limits']
        if isinstance(low, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return descriptor


def _check(parameters: Sequence[Parameter]) -> SetParametersResult:
    """Check what ROS itself does not: choices, several numbers, and the types of lists."""
    for parameter in parameters:
        declared = find_field(parameter.name)
        if declared is None:
            continue
        choices = declared.metadata['choices']
        if choices and parameter.value not in choices:
            return SetParametersResult(
                successful=False, reason=f'{parameter.name}: {parameter.value!r} is not one of '
                f'{_one_of(choices)}')
        if not _is_names(declared) and isinstance(declared.default, tuple):
            low, high = declared.metadata['limits']
            if len(parameter.value) != len(declared.default) or not all(
                    low <= value <= high for value in parameter.value):
                return SetParametersResult(
                    successful=False, reason=f'{parameter.name}: {list(parameter.value)} are not '
                    f'{len(declared.default)} numbers of {low} to {high}')
        if _is_names(declared) and parameter.type_ not in LIST_TYPES:
            return SetParametersResult(
                successful=False, reason=f'{parameter.name}: {parameter.value!r} is not a list')
    return SetParametersResult(successful=True)
