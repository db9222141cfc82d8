# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is recorded beside something else, found by stamp while both are read once."""

from typing import Callable, Generic, Iterable, TypeVar

V = TypeVar('V')


class InStep(Generic[V]):
    """
    Values in the order of their stamps, of which one is held at a time.

    :param values: as they are recorded.
    :param stamp: value -> its stamp, nanoseconds.
    """

    def __init__(self, values: Iterable[V], stamp: Callable[[V], int]):
        self._values, self._stamp = iter(values), stamp
        self._next = next(self._values, None)

    def find(self, stamp_ns: int) -> V | None:
        """Return a value; None without, and if it came before the last one asked for."""
        while self._next is not None and self._stamp(self._next) < stamp_ns:
            self._next = next(self._values, None)
        matches = self._next is not None and self._stamp(self._next) == stamp_ns
        return self._next if matches else None
