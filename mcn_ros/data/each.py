# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Work on one image after the other, whoever does it."""

from collections.abc import Callable, Iterable
from typing import Any

# Does something with every item and yields the results in order: the built-in map, or one that
# shares the items with other processes, and yields all results in one of them and nothing in the
# others (see mcn_ros.trainer.distributed).
Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
