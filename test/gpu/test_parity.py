# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parity: what is the same holds, what is not is told."""

import numpy as np
import pytest
import torch

from mcn_ros.benchmark.networks import Variant
from mcn_ros.gpu import parity
from mcn_ros.model import ModelConfig
from mcn_ros.network.trunks import TrunkConfig

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def model():
    head = {'head': {'width': 8}}
    return parity.untrained(ModelConfig({'detection': {**head, 'classes': ['a']}}, TrunkConfig(
        'shufflenet_v2_x0_5', 'deconv', 8, deformable=True), (64, 64)))


def test_what_is_nearly_the_same_holds(model):
    finding, = parity.check('net', model, CPU, [Variant('torch', 'float32')])
    assert finding.holds, finding.text


@pytest.mark.parametrize('spoil, told', [
    (lambda images: 1.02 * images, 'off by'), (lambda images: images * np.nan, 'off by inf')])
def test_what_is_off_is_told(model, monkeypatch, spoil, told):
    build = parity.build_backend

    def spoilt(*arguments):
        name, run, why = build(*arguments)
        return name, lambda images: [spoil(values) for values in run(images)], why

    monkeypatch.setattr(parity, 'build_backend', spoilt)
    finding, = parity.check('net', model, CPU, [Variant('torch', 'float32')])
    assert finding.holds is False and told in finding.text


def test_maps_that_do_not_depend_on_the_image_are_told(model, monkeypatch):
    """As those of a recording without its deformable convolutions."""
    monkeypatch.setattr(parity, 'views', lambda count, size: np.zeros(
        (count, *size, 3), np.uint8))
    finding, = parity.check('net', model, CPU, [Variant('torch', 'float32')])
    assert finding.holds is False and 'two images differ by 0' in finding.text


def test_a_backend_that_cannot_be_built_is_told(model, monkeypatch):
    def broken(*arguments):
        raise RuntimeError('no driver')

    monkeypatch.setattr(parity, 'build_backend', broken)
    finding, = parity.check('net', model, CPU, [Variant('torch', 'float32')])
    assert finding.holds is False and finding.text == 'RuntimeError: no driver'
