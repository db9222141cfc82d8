# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The trunk that keeps the decoder of a masked autoencoder: its weights, and what is hidden."""

import pytest
import torch

from mcn_ros.mae.model import MaskedAutoencoder, SIZES
from mcn_ros.network.backbones import BACKBONES
from mcn_ros.network.backbones.decoded import decoded, DecoderConfig
from mcn_ros.network.backbones.pretrained import load_backbone, public_state
from mcn_ros.network.trunks import DecodedTrunkConfig

TOY = DecoderConfig(64, 1)
IMAGES = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope='module')
def autoencoder():
    torch.manual_seed(0)
    return MaskedAutoencoder(SIZES['toy']).eval()


@pytest.fixture(scope='module')
def file(autoencoder, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'backbone.pth'
    torch.save({'state_dict': autoencoder.public_state()}, path)
    return path


def backbone(hidden=0.0, config=TOY):
    return decoded(BACKBONES['vit_toy_p8'](), config, hidden)


@pytest.mark.parametrize('hidden', [0.0, 0.5])
def test_it_decodes_as_the_autoencoder_that_it_is_loaded_from(autoencoder, file, hidden):
    loaded = backbone(hidden).eval()
    load_backbone(loaded, file)
    every = torch.arange(6 * 8).expand(2, -1)
    with torch.no_grad():
        found, = loaded(IMAGES)
        assert found.shape == (2, 64, 6, 8)
        pixels = autoencoder.decoder.pixels(found.flatten(2).mT)
        torch.testing.assert_close(pixels, autoencoder(IMAGES, every))


def test_the_encoder_alone_is_in_the_same_file(autoencoder, file):
    loaded = BACKBONES['vit_toy_p8']().eval()
    load_backbone(loaded, file)
    with torch.no_grad():
        assert torch.equal(loaded(IMAGES)[0], autoencoder.backbone(IMAGES)[0])


def test_public_names_lead_there_and_back(file, tmp_path):
    first, second = backbone(0.5), backbone(0.5)
    load_backbone(first, file)
    torch.save(public_state(first), tmp_path / 'again.pth')
    load_backbone(second, tmp_path / 'again.pth')
    for name, value in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


def test_a_decoder_of_another_shape_is_refused(file):
    with pytest.raises(ValueError, match='another shape of stages.0.decoder.embedding.weight'):
        load_backbone(backbone(config=DecoderConfig(32, 1)), file)
    with pytest.raises(ValueError, match='lacks stages.0.decoder.blocks.1'):
        load_backbone(backbone(config=DecoderConfig(64, 2)), file)


def test_patches_are_hidden_in_training_only():
    net, seen = backbone(0.75), []
    net.stages[0].encoder.blocks.register_forward_hook(
        lambda _, x, y: seen.append(x[0].shape[1]))
    with torch.no_grad():
        assert not torch.equal(net(IMAGES)[0], net(IMAGES)[0])  # others each time
        net.eval()
        assert torch.equal(net(IMAGES)[0], net(IMAGES)[0])
    assert seen == [1 + 12, 1 + 12, 1 + 48, 1 + 48]


def test_what_is_hidden_is_learned():
    """Also the token that stands for it; without any, there is none."""
    net = backbone(0.5)
    net(IMAGES)[0].square().sum().backward()
    assert all(value.grad is not None and value.grad.any()
               for name, value in net.named_parameters() if 'norm' not in name)
    assert 'stages.0.decoder.mask_token' in net.state_dict()
    assert 'stages.0.decoder.mask_token' not in backbone().state_dict()


@pytest.mark.parametrize('values, words', [
    ({'backbone': 'resnet18'}, "'resnet18' is not one of vit_toy_p8"),
    ({'neck': 'up'}, "neck: 'up' is not one of deconv"), ({'channels': 0}, 'channels: 0'),
    ({'hidden': 1.0}, 'hidden: 1.0 is not in'), ({'hidden': -0.1}, 'hidden: -0.1 is not in')])
def test_wrong_values_are_named(values, words):
    with pytest.raises(ValueError, match=words):
        DecodedTrunkConfig(**values)


def test_necks_of_several_stages_do_not_fit():
    with pytest.raises(ValueError, match='this neck needs'):
        DecodedTrunkConfig('vit_toy_p8', TOY, 'top_down').parts()
