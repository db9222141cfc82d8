# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Structures seen as rows of arrays, whatever their type."""

from dataclasses import fields, replace
from typing import Any, TypeVar

S = TypeVar('S')


def select(structure: S, index: Any) -> S:
    """Index the rows of a structure: a mask or indices keep objects, an int takes an image."""
    rows = {name: getattr(structure, name) for name in structure.ROWS}
    return replace(structure, **{k: None if v is None else v[index] for k, v in rows.items()})


def to_numpy(structure: S) -> S:
    """Copy every tensor of a structure to the host as a numpy array."""
    changed = {f.name: getattr(structure, f.name).detach().cpu().numpy()
               for f in fields(structure) if hasattr(getattr(structure, f.name), 'detach')}
    return replace(structure, **changed)
