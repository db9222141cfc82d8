# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The masked autoencoder: what it sees, what it is judged by, and how large it is."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mcn_ros.mae.model import (AutoencoderConfig, hidden_share, join_patches, MaskedAutoencoder,
                               patches, SIZES, visible_patches)


@pytest.fixture(scope='module')
def toy():
    torch.manual_seed(0)
    return MaskedAutoencoder(SIZES['toy']).eval()


def images(batch=1, seed=0):
    return torch.randn(batch, 3, 48, 48, generator=torch.Generator().manual_seed(seed))


def pixels_of(patch):
    """Return the places of a patch of 8x8 in an image of 48x48."""
    row, column = divmod(patch, 6)
    return slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8)


KEEP = torch.tensor([[7, 3, 30, 12]])


def test_patches_are_row_by_row_and_colours_innermost():
    image = torch.arange(3 * 4 * 6).reshape(1, 3, 4, 6)
    cut = patches(image, 2)
    assert cut.shape == (1, 6, 12)
    expected = [image[0, c, 2 + y, 4 + x].item() for y in (0, 1) for x in (0, 1) for c in range(3)]
    assert cut[0, 5].tolist() == expected  # the last of two rows of three
    assert torch.equal(join_patches(cut, (2, 3), 2), image)


def test_hidden_patches_are_not_seen(toy):
    image = images()
    other = image.clone()
    for patch in set(range(36)) - set(KEEP[0].tolist()):
        other[0, :, *pixels_of(patch)] = 9
    with torch.no_grad():
        assert torch.equal(toy(image, KEEP), toy(other, KEEP))
        other[0, :, *pixels_of(30)] = 9
        assert not torch.equal(toy(image, KEEP), toy(other, KEEP))


def test_only_visible_patches_enter_the_encoder(toy):
    seen = []
    hook = toy.encoder.blocks.register_forward_hook(lambda _, x, y: seen.append(x[0].shape))
    with torch.no_grad():
        toy(images(), KEEP)
    hook.remove()
    assert seen == [(1, 1 + 4, 96)]


def test_the_order_of_visible_patches_does_not_matter(toy):
    with torch.no_grad():
        found, expected = (toy(images(), keep) for keep in (KEEP.flip(1), KEEP))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_one_image_is_seen_in_several_ways(toy):
    keep = torch.tensor([[1, 2], [3, 4], [30, 5]])
    with torch.no_grad():
        found = toy.errors(images(), keep)
        single = torch.cat([toy.errors(images(), row[None]) for row in keep])
    torch.testing.assert_close(found, single, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('place, counts', [(7, False), (8, True)])
def test_the_loss_is_that_of_hidden_patches(toy, monkeypatch, place, counts):
    reconstruction = patches(images(), 8)
    monkeypatch.setattr(toy, 'forward', lambda images, keep: reconstruction)
    assert toy.loss(images(), KEEP) == 0
    reconstruction[0, place] += 2
    loss = toy.loss(images(), KEEP)
    torch.testing.assert_close(loss, torch.tensor(4 / 32 if counts else 0.0))


def test_norm_pix_judges_neither_colour_nor_contrast(monkeypatch):
    model, target = MaskedAutoencoder(AutoencoderConfig('vit_toy_p8', 64, 1, norm_pix=True)), {}
    monkeypatch.setattr(model, 'forward', lambda images, keep: torch.zeros(1, 36, 192))
    # Of a patch of unbiased variance 1, the mean square is (n - 1) / n.
    for image in (images(), 5 + 0.5 * images()):
        target[len(target)] = model.errors(image, KEEP)
        torch.testing.assert_close(target[len(target) - 1], torch.full((1, 36), 191 / 192))
    flat = model.errors(torch.ones(1, 3, 48, 48), KEEP)
    assert torch.equal(flat, torch.zeros(1, 36))


def test_visible_patches_are_parts_of_permutations():
    keep = visible_patches(64, 36, 0.75, torch.Generator().manual_seed(0))
    assert keep.shape == (64, 9)
    assert all(len(set(row.tolist())) == 9 for row in keep)
    assert len({tuple(row.tolist()) for row in keep}) == 64
    assert set(keep.flatten().tolist()) == set(range(36))
    again = visible_patches(64, 36, 0.75, torch.Generator().manual_seed(0))
    assert torch.equal(keep, again)


@pytest.mark.parametrize('hidden, visible', [(0.97, 1), (1.0, 1), (0.5, 18), (0.0, 35)])
def test_one_patch_is_visible_and_one_hidden(hidden, visible):
    assert visible_patches(1, 36, hidden, torch.Generator()).shape == (1, visible)


def test_most_batches_hide_the_usual_share():
    generator = torch.Generator().manual_seed(0)
    shares = [hidden_share(generator) for _ in range(2000)]
    others = [share for share in shares if share != 0.75]
    assert len(others) / len(shares) == pytest.approx(0.25, abs=0.03)
    assert 0.5 <= min(others) < 0.52
    assert 0.95 < max(others) <= 0.97


def gmac(function):
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize('size, encoder, decoder', [
    ('toy', 354_336, 68_864), ('micro', 1_214_720, 254_976),
    ('tiny_p8', 5_376_000, 446_400), ('tiny_p16', 5_486_592, 520_704)])
def test_parameter_counts(size, encoder, decoder):
    with torch.device('meta'):
        model = MaskedAutoencoder(SIZES[size])
    counts = [sum(p.numel() for p in part.parameters()) for part in (model.encoder, model.decoder)]
    assert counts == [encoder, decoder]


@pytest.mark.parametrize('size, side, training, encoder', [
    ('toy', 48, 0.006, 0.0137), ('micro', 96, 0.09, 0.21), ('tiny_p8', 128, 0.51, 1.68),
    ('tiny_p16', 224, 0.40, 1.25), ('tiny_p8', 224, 1.88, 7.04)])
def test_multiplications(size, side, training, encoder):
    with torch.device('meta'):
        model, image = MaskedAutoencoder(SIZES[size]), torch.empty(1, 3, side, side)
        count = (side // model.encoder.patch) ** 2
        keep = torch.empty(1, count // 4, dtype=torch.int64)
    embedding = model.encoder.embedding.weight.numel() / 1e9
    # All patches are embedded, as one convolution; the figure counts visible ones.
    assert gmac(lambda: model(image, keep)) - (count - count // 4) * embedding == pytest.approx(
        training, rel=0.02)
    assert gmac(lambda: model.encoder(image)) == pytest.approx(encoder, rel=0.02)


def test_it_learns(toy):
    torch.manual_seed(0)
    model = MaskedAutoencoder(SIZES['toy'])
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(8, 3, 1, 1, generator=generator).expand(-1, -1, 48, 48)  # flat colours
    losses = []
    for _ in range(60):
        loss = model.loss(batch, visible_patches(8, 36, 0.75, generator))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@pytest.mark.parametrize('fields, words', [
    ({'backbone': 'resnet18'}, "'resnet18' is not one of vit_toy_p8"), ({'width': 66}, 'width'),
    ({'width': 64, 'heads': 3}, 'width'), ({'depth': 0}, 'depth: 0 is not positive')])
def test_parts_that_do_not_fit_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        AutoencoderConfig(**fields)
