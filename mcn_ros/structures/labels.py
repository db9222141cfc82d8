# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is not known: pixels, and classes."""

from typing import TypeVar

from mcn_ros.structures.structure import Array

# The label of a pixel of which nothing is known, in maps of uint8.
IGNORE = 255

S = TypeVar('S')


def both_labelled(one: S, other: S) -> Array | None:
    """Return (C,) bool: the classes that two annotations label, None for all."""
    if one.labelled_classes is None or other.labelled_classes is None:
        return other.labelled_classes if one.labelled_classes is None else one.labelled_classes
    return one.labelled_classes & other.labelled_classes
