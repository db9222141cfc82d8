# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Names that data sets, networks and messages agree on: the COCO classes and the COCO skeleton.

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
"""

from dataclasses import dataclass

KEYPOINT_THRESHOLD = 0.2  # joints of a lower score are not drawn, and tell nothing of their person


@dataclass(frozen=True)
class Skeleton:
    """
    Joints of a body, how they connect and which are mirror images of each other.

    :param name: name of the skeleton, published in SkeletonInfo.
    :param keypoint_names: one name per joint; their order is the order of every keypoint array.
    :param edges: pairs of joint indices that form limbs.
    :param flip: for each joint the index of its left/right counterpart (itself if it has none).
    """

    name: str
    keypoint_names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    flip: tuple[int, ...]
    # Per-joint standard deviations of the object keypoint similarity (COCO keypoint evaluation).
    sigmas: tuple[float, ...]

    @property
    def num_keypoints(self) -> int:
        """Return the number of joints."""
        return len(self.keypoint_names)


COCO_SKELETON = Skeleton(
    name='coco17',
    keypoint_names=(
        'nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear',
        'left_shoulder', 'right_shoulder', 'left_elbow', 'right_elbow',
        'left_wrist', 'right_wrist', 'left_hip', 'right_hip',
        'left_knee', 'right_knee', 'left_ankle', 'right_ankle'),
    edges=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7),
        (6, 8), (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
    flip=(0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15),
    sigmas=(.026, .025, .025, .035, .035, .079, .079, .072, .072,
            .062, .062, .107, .107, .087, .087, .089, .089))

SKELETONS = {COCO_SKELETON.name: COCO_SKELETON}

# Category id of the COCO annotation files -> class name. The ids have gaps: 80 of 1..90 are used.
COCO_CATEGORIES = {
    1: 'person', 2: 'bicycle', 3: 'car', 4: 'motorcycle', 5: 'airplane', 6: 'bus', 7: 'train',
    8: 'truck', 9: 'boat', 10: 'traffic light', 11: 'fire hydrant', 13: 'stop sign',
    14: 'parking meter', 15: 'bench', 16: 'bird', 17: 'cat', 18: 'dog', 19: 'horse', 20: 'sheep',
    21: 'cow', 22: 'elephant', 23: 'bear', 24: 'zebra', 25: 'giraffe', 27: 'backpack',
    28: 'umbrella', 31: 'handbag', 32: 'tie', 33: 'suitcase', 34: 'frisbee', 35: 'skis',
    36: 'snowboard', 37: 'sports ball', 38: 'kite', 39: 'baseball bat', 40: 'baseball glove',
    41: 'skateboard', 42: 'surfboard', 43: 'tennis racket', 44: 'bottle', 46: 'wine glass',
    47: 'cup', 48: 'fork', 49: 'knife', 50: 'spoon', 51: 'bowl', 52: 'banana', 53: 'apple',
    54: 'sandwich', 55: 'orange', 56: 'broccoli', 57: 'carrot', 58: 'hot dog', 59: 'pizza',
    60: 'donut', 61: 'cake', 62: 'chair', 63: 'couch', 64: 'potted plant', 65: 'bed',
    67: 'dining table', 70: 'toilet', 72: 'tv', 73: 'laptop', 74: 'mouse', 75: 'remote',
    76: 'keyboard', 77: 'cell phone', 78: 'microwave', 79: 'oven', 80: 'toaster', 81: 'sink',
    82: 'refrigerator', 84: 'book', 85: 'clock', 86: 'vase', 87: 'scissors', 88: 'teddy bear',
    89: 'hair drier', 90: 'toothbrush',
}

COCO_CLASSES = tuple(COCO_CATEGORIES.values())
PERSON = 'person'


def check_classes(classes: tuple[str, ...], where: str) -> None:
    """
    Check the class names of a task.

    :param where: what the names are, for the message.
    :raises ValueError: if there is none, or one is given twice.
    """
    if not classes:
        raise ValueError(f'{where}: none given')
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise ValueError(f'{where}: {", ".join(twice)} given twice')
