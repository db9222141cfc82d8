# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks that label images for others to learn from; a new kind is a file, and a name here."""

from pathlib import Path
from typing import Any

from mcn_ros.runtime.teachers.nanodet_plus import NanoDetPlusTeacher
from mcn_ros.runtime.teachers.onnx_network import OnnxNetwork
from mcn_ros.runtime.teachers.picodet import PicoDetTeacher
from mcn_ros.runtime.teachers.tinypose import TinyPoseTeacher
from mcn_ros.runtime.teachers.yolox import YoloxTeacher

# (H, W, 3) uint8 RGB -> Instances in camera pixels.
DETECTORS = {'yolox': YoloxTeacher, 'nanodet_plus': NanoDetPlusTeacher, 'picodet': PicoDetTeacher}
# The same image, boxes (N, 4) and their scores (N,) -> Poses in the order of the boxes.
POSERS = {'tinypose': TinyPoseTeacher}
KINDS = {**DETECTORS, **POSERS}


def load_teacher(path: Path | str, kind: str = '') -> tuple[str, Any]:
    """
    Read a published network from an ONNX file.

    :param kind: a key of KINDS; '' finds it by the shapes of the network.
    :return: the kind and the teacher.
    :raises ValueError: if the file cannot be read, or holds no network of the kind, or of any.
    """
    network = OnnxNetwork(path)
    if not kind:
        kind = next((name for name, teacher in KINDS.items() if teacher.fits(network)), '')
        network.require(bool(kind), f'a teacher of any kind that is known: {", ".join(KINDS)}')
    return kind, KINDS[kind](network)
