# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Channels that are left out, against what is known of small cases."""

from itertools import combinations

import pytest
import torch

from mcn_ros.pruning.least_squares import factorise, fit, Moments, select


def samples(count=4000, channels=7, targets=3, seed=0):
    """Return correlated inputs (P, N), and targets (P, M) of all of them and noise."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, channels, generator=generator, dtype=torch.float64)
    inputs = inputs @ torch.randn(channels, channels, generator=generator, dtype=torch.float64) + 2
    wanted = inputs @ torch.randn(channels, targets, generator=generator, dtype=torch.float64) - 1
    noise = torch.randn(count, targets, generator=generator, dtype=torch.float64)
    return inputs, wanted + 0.1 * noise


def moments_of(inputs, targets):
    moments = Moments()
    for rows in torch.arange(len(inputs)).chunk(5):
        moments.add(inputs[rows].float(), targets[rows].float())
    return moments


def error_of(inputs, targets, kept):
    weights, bias = fit(moments_of(inputs, targets), kept)
    return (inputs[:, kept] @ weights.T + bias - targets).square().sum(dim=1).mean().item()


def test_moments_are_those_of_all_samples_at_once():
    inputs, targets = samples()
    moments = moments_of(inputs, targets)
    joint = torch.cov(torch.cat([inputs, targets], dim=1).T, correction=0)
    torch.testing.assert_close(moments.cross, joint[7:, :7], rtol=1e-4, atol=1e-4)
    off = ~torch.eye(7, dtype=torch.bool)
    torch.testing.assert_close(moments.covariance[off], joint[:7, :7][off], rtol=1e-4, atol=1e-4)


def test_a_fit_is_that_of_least_squares():
    inputs, targets = samples()
    kept = torch.tensor([0, 2, 3, 6])
    table = torch.cat([inputs[:, kept], torch.ones(len(inputs), 1, dtype=torch.float64)], dim=1)
    best = (table @ torch.linalg.lstsq(table, targets).solution - targets).square().sum(dim=1)
    assert error_of(inputs, targets, kept) == pytest.approx(best.mean().item(), rel=1e-2)


def test_what_is_said_twice_or_is_not_asked_for_goes_first():
    inputs, _ = samples()
    inputs[:, 4] = 3 * inputs[:, 1]  # either of them
    targets = inputs[:, [0, 1, 2]] * 5
    moments = moments_of(inputs, targets)
    kept = select(moments.covariance, moments.cross, 3).tolist()
    assert kept in ([0, 1, 2], [0, 2, 4])


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('keep', [2, 4, 6])
def test_a_choice_is_among_the_best(keep, seed):
    inputs, targets = samples(seed=seed)
    moments = moments_of(inputs, targets)
    kept = select(moments.covariance, moments.cross, keep)
    assert len(kept) == keep and kept.tolist() == sorted(set(kept.tolist()))
    errors = sorted(error_of(inputs, targets, torch.tensor(each))
                    for each in combinations(range(7), keep))
    # Taken away one by one, they need not be the best, but are far from those of chance.
    assert error_of(inputs, targets, kept) <= errors[len(errors) // 3]


def test_a_layer_becomes_two_that_keep_what_varies_most():
    inputs, _ = samples(channels=6)
    covariance = torch.cov(inputs.T, correction=0)
    weights = torch.randn(8, 6, dtype=torch.float64, generator=torch.manual_seed(1))
    first, second = factorise(weights, covariance, 3)
    assert first.shape == (3, 6) and second.shape == (8, 3)
    lost = (weights - second @ first) @ covariance @ (weights - second @ first).T
    values = torch.linalg.eigvalsh(weights @ covariance @ weights.T)
    assert lost.trace().item() == pytest.approx(values[:-3].sum().item(), rel=1e-6)
    first, second = factorise(weights, covariance, 6)
    torch.testing.assert_close(second @ first, weights)
