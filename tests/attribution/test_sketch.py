"""What jumps of the gradient cost, told from sums of cells at neighboring nodes."""

import numpy as np
import pytest
import torch

from eegexplain.attribution import _sketch


def test_sums_by_signs_hold_the_size_of_a_map():
    generator = torch.Generator().manual_seed(3)
    for shape in ((5, 130), (1, 700), (3, 7), (40, 64)):
        gradients = torch.randn(200, 2, *shape, generator=generator)
        change = torch.randn(200, *shape, generator=generator)
        signed = _sketch.signed(change)
        assert torch.equal(signed.abs(), change.abs()) and torch.equal(signed[0] * change[0] > 0,
                                                                       signed[1] * change[1] > 0)
        found, maps = _sketch.sketch(gradients, signed), gradients * change[:, None]
        assert found.shape == (200, 2, _sketch.N_SUMS)
        ratio = (found**2).sum(2) / (maps**2).sum((2, 3))
        assert abs(ratio.mean() - 1) < 0.05 and (ratio.std() < 0.3 or shape[1] < _sketch.N_SUMS)


def test_sums_add_up_channels_and_neighboring_samples():
    signed = torch.arange(1.0, 2 * 70 + 1).reshape(1, 2, 70)
    found = _sketch.sketch(torch.ones(1, 1, 2, 70), signed)[0, 0]
    np.testing.assert_allclose(found[:24], signed[0].sum(0)[:69].reshape(23, 3).sum(1).tolist() + [70 + 140])
    assert not found[24:].any()


@pytest.mark.parametrize("n_jumps", [1, 3])
def test_the_expected_error_is_that_of_jumps_anywhere(n_jumps):
    """Mean squared error of a midpoint rule over planted jumps."""
    rng = np.random.default_rng(0)
    n_trials, nodes = 4000, (np.arange(8) + 0.5) / 8
    corner = rng.permuted(np.tile(np.linspace(1 / 16, 15 / 16, n_trials), (n_jumps, 1)), axis=1).T
    jump = rng.normal(size=(n_trials, n_jumps, _sketch.N_SUMS))
    sketches = np.einsum("njp,njb->npb", corner[:, :, None] < nodes, jump)[:, :, None]
    error = sketches[:, :, 0].mean(1) - np.einsum("nj,njb->nb", 1 - corner, jump)
    expected = _sketch.variances(sketches, np.tile(nodes, (n_trials, 1)))
    assert expected.shape == (n_trials, 7, 1)
    np.testing.assert_allclose((error**2).sum(1).mean(), expected.sum(1).mean(), rtol=0.03)


def test_the_margin_falls_with_the_number_of_gaps_that_share_an_error():
    even = np.where(np.arange(64) < np.array([1, 4, 16, 64])[:, None], 3.0, 0.0)[:, :, None]
    np.testing.assert_allclose(_sketch.margin(even)[:, 0], [1.5, 1.5, 1.25, 1.125])
    uneven = np.concatenate([np.full(16, 3.0), np.full(9, 2.0)])[None, :, None]
    np.testing.assert_allclose(_sketch.margin(uneven), [[1 + np.sqrt(180) / 66]])
    assert _sketch.margin(np.zeros((2, 5, 3))).tolist() == [[1.5] * 3] * 2


def test_the_missing_share_by_hand():
    """Jumps: what they are expected to cost. Smooth: a share of the move, by how much moves fall."""
    moved, before = np.array([4.0, 4.0, 0.3, 0.0]), np.array([5.0, np.inf, 3.0, 0.0])
    jumps, jumps_before = np.array([2.5, 2.5, 5.0, 0.0]), np.array([6.0, 6.0, 10.0, 0.0])
    found = _sketch.missing_share(moved, before, jumps, jumps_before)
    smooth = max(0.3 / 3.0, 5.0 / 0.3 * 0.1**2)
    np.testing.assert_allclose(found[:3], [2.5 / 4, 0.6, smooth])
    assert found[3] == 1.0 and np.isfinite(found).all()
    first = _sketch.missing_share(np.array([0.3]), np.array([np.inf]), np.array([5.0]), np.array([10.0]))
    np.testing.assert_allclose(first, 0.6 * 0.1**2)
