# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Foreground: where there is any object, whatever it is.

Its labels are maps of its own, such as communities of patches make without anybody who labels
(:mod:`mcn_ros.mae`), or the masks of all objects together.
"""

from dataclasses import dataclass
from typing import ClassVar

from mcn_ros.tasks.saliency import SaliencyTask


@dataclass(frozen=True)
class ForegroundTask(SaliencyTask):
    """
    How much every pixel belongs to an object, learned and answered as saliency is.

    An image that is ``labelled`` for it by name has no other objects than those with a mask. Where
    nobody says so, only what is next to a mask is known to be background.
    """

    of_objects: ClassVar[bool] = True

    def __post_init__(self):
        self.check_side_weight('foreground')
