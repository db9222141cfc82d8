# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The options that say where and how a network runs, and what the node is told of them."""

from argparse import ArgumentParser

import pytest

from mcn_ros.commands.runtime_options import (
    add_runtime_options, runtime_config, runtime_parameters)


def read(*arguments):
    parser = ArgumentParser()
    add_runtime_options(parser)
    return runtime_config(parser.parse_args(arguments))


def test_the_node_is_told_the_same(tmp_path):
    assert runtime_parameters(read()) == {
        'device': 'auto', 'backend': 'auto', 'precision': 'auto', 'calibration': ''}
    config = read('--device', 'cpu', '--backend', 'openvino', '--precision', 'int8',
                  '--calibration', str(tmp_path))
    assert config.calibration.digest
    assert runtime_parameters(config) == {
        'device': 'cpu', 'backend': 'openvino', 'precision': 'int8', 'calibration': str(tmp_path)}


def test_images_that_do_not_exist(tmp_path):
    with pytest.raises(ValueError, match='^calibration: .*nowhere'):
        read('--calibration', str(tmp_path / 'nowhere'))
