# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Values of the entries of a JSON file: an error names the entry, the key and what was there."""

from typing import Any, Mapping

import numpy as np

from mcn_ros.config import brief
from mcn_ros.data.masks import numbers


def get_value(entry: Mapping[str, Any], key: str, where: str, kind: type = object) -> Any:
    """Return a value of an entry, which has to be of a type."""
    if not isinstance(entry, Mapping) or key not in entry:
        raise ValueError(f'{where} has no {key!r}')
    value = entry[key]
    # bool is an int in Python; more than 64 bits have no place in an array.
    if not isinstance(value, kind) or kind is int and (
            isinstance(value, bool) or value.bit_length() > 63):
        raise ValueError(f'{where}: {key}: expected {kind.__name__}, got {brief(value)}')
    return value


def get_texts(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...] | None:
    """Return a list of texts that may be absent."""
    values = entry.get(key)
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f'{where}: {key}: expected a list of texts, got {brief(values)}')
    return tuple(values)


def read_numbers(values: Any, count: int, where: str) -> np.ndarray:
    array = numbers(values, where)
    if array.shape != (count,):
        raise ValueError(f'{where}: expected {count} finite numbers, got {brief(values)}')
    return array


def get_number(entry: Mapping[str, Any], key: str, where: str, meaning: str) -> int | float:
    """Return a number that may be absent, which means 0; neither a text nor ``true`` is one."""
    value = entry.get(key)
    if value is None:
        return 0
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError(f'{where}: {key}: expected {meaning}, got {brief(value)}')
    return value
