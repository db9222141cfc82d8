# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Strict conversion between plain dicts (YAML, JSON) and dataclasses."""

import dataclasses
import difflib
import math
import reprlib
import types
import typing
from typing import Any, Mapping, TypeVar

T = TypeVar('T')

SHOWN = 200  # characters
LARGEST = 2 ** 63  # integers beyond have no place in an array


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = '') -> T:
    """
    Build a dataclass from a mapping, recursively; nothing is guessed and nothing is dropped.

    Lists become tuples where the field is a tuple, an int is accepted where a float is meant.
    Numbers are finite. Errors show the beginning of a value only: it may come from anywhere.

    :param cls: the dataclass to build.
    :param values: field name -> value, nested mappings for nested dataclasses.
    :param where: dotted path of ``values`` for error messages.
    :return: an instance of ``cls``.
    :raises ValueError: for an unknown key (the known ones are named), a missing key or a value of
        the wrong type.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f'{where or cls.__name__}: expected a mapping, '
                         f'got {brief(values)}')
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


def brief(value: Any) -> str:
    """Return the beginning of a value from anywhere, however large or nested, for a message."""
    text = reprlib.repr(value)
    return text if len(text) <= SHOWN else f'{text[:SHOWN]}...'


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
            raise ValueError(f'{where}: {brief(value)} is not one of '
                             f'{", ".join(map(str, args))}')
        return value
    if origin is tuple:
        return _convert_tuple(args, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f'{where}: expected a mapping, got {brief(value)}')
        return {_convert(args[0], k, f'{where}: key'): _convert(args[1], v, _path(where, k))
                for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < LARGEST else math.inf
    # What is computed with these would be wrong much later, and without a name.
    if (hint is float and isinstance(value, float) and not math.isfinite(value)
            or hint is int and isinstance(value, int) and abs(value) >= LARGEST):
        raise ValueError(f'{where}: expected a finite number, got {brief(value)}')
    # bool is an int in Python, but "workers: true" is a mistake.
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f'{where}: expected {hint.__name__}, got {brief(value)}')
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
        raise ValueError(f'{where}: expected a list, got {brief(value)}')
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_convert(args[0], v, f'{where}[{i}]') for i, v in enumerate(value))
    if len(value) != len(args):
        raise ValueError(f'{where}: expected {len(args)} values, got {brief(value)}')
    return tuple(_convert(a, v, f'{where}[{i}]') for i, (a, v) in enumerate(zip(args, value)))
