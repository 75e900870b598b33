from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.losses import NormalizedCrossCorrelation


def test_both_forms_are_those_of_the_authors_later_code(oracle: Callable) -> None:
    recorded = oracle("004_ncc_dirnet_torchir")
    fixed, warped = (torch.from_numpy(recorded[name]) for name in ("fixed", "warped"))
    warped.requires_grad_()
    voxels = fixed[0].numel()
    each = [-NormalizedCrossCorrelation()(w[None], f[None]).item() for w, f in zip(warped, fixed, strict=True)]
    np.testing.assert_allclose(each, recorded["ncc_per_sample"] * voxels / (voxels - 1), atol=1e-5)
    whole = NormalizedCrossCorrelation(batch=True)(warped, fixed) * (4 * voxels - 1) / (4 * voxels)
    assert whole.item() == pytest.approx(float(recorded["ncc_loss_batchglobal"]), abs=1e-5)
    (slope,) = torch.autograd.grad(whole, warped)
    np.testing.assert_allclose(slope, recorded["grad_warped"], atol=1e-5 * abs(recorded["grad_warped"]).max())


def test_loss_is_that_of_the_volume_tweening_network(oracle: Callable) -> None:
    """Which adds 10^-6 to either variance, counts from 0, and sums over the batch."""
    recorded = oracle("000_vtn_ops")
    fixed, warped = (torch.from_numpy(recorded[name]).movedim(-1, 1) for name in ("img1", "img2"))
    losses = []
    for f, w in zip(fixed, warped, strict=True):
        variances = [each.var(correction=0) for each in (f, w)]
        added = [variance + 1e-6 for variance in variances]
        share = ((variances[0] * variances[1] + 1e-10) / (added[0] * added[1])).sqrt()
        losses.append(1 + share * NormalizedCrossCorrelation()(w[None], f[None]))
    assert sum(losses).item() == pytest.approx(float(recorded["similarity_loss_sum"]), abs=1e-5)
    assert 2 + 2 * NormalizedCrossCorrelation()(warped, fixed).item() == pytest.approx(sum(losses).item(), abs=3e-4)


def test_per_sample_is_the_mean_of_numpys() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 1, 6, 7)
    theirs = [np.corrcoef(w.flatten(), f.flatten())[0, 1] for w, f in zip(*images, strict=True)]
    assert NormalizedCrossCorrelation()(*images).item() == pytest.approx(-np.mean(theirs), abs=1e-6)


def test_forms_differ_where_images_differ_in_contrast() -> None:
    torch.manual_seed(0)
    fixed = torch.rand(2, 1, 8, 8)
    warped = fixed * torch.tensor([1.0, 5.0]).view(2, 1, 1, 1)
    assert NormalizedCrossCorrelation()(warped, fixed).item() == pytest.approx(-1, abs=1e-5)
    assert NormalizedCrossCorrelation(batch=True)(warped, fixed).item() > -0.9


def test_constant_images_count_nothing_and_leave_the_gradient_finite() -> None:
    warped = torch.full((1, 1, 5, 5), 0.3, requires_grad=True)
    loss = NormalizedCrossCorrelation()(warped, torch.rand(1, 1, 5, 5))
    (slope,) = torch.autograd.grad(loss, warped)
    assert loss.item() == pytest.approx(0, abs=1e-4)
    assert torch.isfinite(slope).all()


def test_different_shapes_raise() -> None:
    with pytest.raises(ValueError, match=r"'warped' of shape \("):
        NormalizedCrossCorrelation()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
