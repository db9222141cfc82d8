# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Strict conversion between plain dicts (YAML, JSON) and dataclasses."""

import dataclasses
import difflib
import types
import typing
from typing import Any, Mapping, TypeVar

T = TypeVar('T')


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = '') -> T:
    """
    Build a dataclass from a mapping, recursively; nothing is guessed and nothing is dropped.

    Lists become tuples where the field is a tuple, an int is accepted where a float is meant.

    :param cls: the dataclass to build.
    :param values: field name -> value, nested mappings for nested dataclasses.
    :param where: dotted path of ``values`` for error messages.
    :return: an instance of ``cls``.
    :raises ValueError: for an unknown key (the known ones are named), a missing key or a value of
        the wrong type.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f'{where or cls.__name__}: expected a mapping, got {values!r}')
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f'; did you mean {near[0]!r}?' if near else ''
            raise ValueError(
                f'{_path(where, key)}: unknown key{hint} (known: {", ".join(fields)})')
    hints = typing.get_type_hints(cls)
    built = {key: _convert(hints[key], value, _path(where, key)) for key, value in values.items()}
    for name, field in fields.items():
        required = (field.default is dataclasses.MISSING
                    and field.default_factory is dataclasses.MISSING)
        if required and name not in built:
            raise ValueError(f'{_path(where, name)}: missing')
    return cls(**built)


def to_dict(value: Any) -> Any:
    """Turn a dataclass into dicts, lists and scalars that JSON and YAML can hold."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_dict(getattr(value, f.name))
                for f in dataclasses.fields(value) if f.init}
    if isinstance(value, Mapping):
        return {key: to_dict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_dict(item) for item in value]
    return value


def _path(where: str, key: Any) -> str:
    return f'{where}.{key}' if where else str(key)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check ``value`` against a type hint and convert containers; see :func:`from_dict`."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert_any(args, value, where)
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_dict(hint, value, where)
    if origin is typing.Literal:
        if value not in args:
            raise ValueError(f'{where}: {value!r} is not one of {", ".join(map(str, args))}')
        return value
    if origin is tuple:
        return _convert_tuple(args, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f'{where}: expected a mapping, got {value!r}')
        return {k: _convert(args[1], v, _path(where, k)) for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is an int in Python, but "workers: true" is a mistake.
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f'{where}: expected {hint.__name__}, got {value!r}')
    return value


def _convert_any(hints: tuple, value: Any, where: str) -> Any:
    errors = []
    for hint in hints:
        if hint is type(None):
            continue
        try:
            return _convert(hint, value, where)
        except ValueError as error:
            errors.append(str(error))
    raise ValueError(errors[0] if len(errors) == 1 else '; or '.join(errors))


def _convert_tuple(args: tuple, value: Any, where: str) -> tuple:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f'{where}: expected a list, got {value!r}')
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_convert(args[0], v, f'{where}[{i}]') for i, v in enumerate(value))
    if len(value) != len(args):
        raise ValueError(f'{where}: expected {len(args)} values, got {value!r}')
    return tuple(_convert(a, v, f'{where}[{i}]') for i, (a, v) in enumerate(zip(args, value)))
