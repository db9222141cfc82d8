# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""NanoDet-m (RangiLyu/nanodet, Apache-2.0) from a checkpoint of PyTorch."""

from pathlib import Path

from mcn_ros.imports.start import new_network
from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.backbones.pretrained import load_backbone, load_detectors
from mcn_ros.network.trunks import TrunkConfig

CONFIG = ModelConfig(
    {'detection': {'reads': 'readings', 'head': {'width': 0}, 'relative': True,
                   'max_overlap': 0.6}},
    TrunkConfig('shufflenet_v2_x1_0_leaky', 'nanodet'), (320, 320), 'bgr',
    (0.406, 0.456, 0.485), (0.225, 0.224, 0.229))


def read(path: Path) -> MultiTaskNet:
    """
    Read NanoDet-m; what it says on three levels is brought to one, so its boxes are not the same.

    :return: the network in evaluation mode, on the CPU; a part of its neck that the file does
        not have starts anew, always the same.
    :raises ValueError: for a file that cannot be read or is of another network.
    """
    model = new_network(CONFIG)
    for backbone in model.trunk.backbones():
        load_backbone(backbone, path)
    load_detectors(model.trunk, path)
    for name, task in model.tasks.items():
        task.start_from_detector(model.heads[name], model.trunk.shapes(name))
    return model.eval()
