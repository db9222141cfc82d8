# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Running a trained network on images."""

from mcn_ros.runtime.predictor import load_predictor, Predictor
from mcn_ros.runtime.runtime_config import RuntimeConfig
from mcn_ros.runtime.weights import weights_path

__all__ = ['load_predictor', 'Predictor', 'RuntimeConfig', 'weights_path']
