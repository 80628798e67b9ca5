"""The resampling that can be differentiated twice, against that of torch and against pixels that are known."""

import pytest
import torch

from lightning_gen.augmentations import ADA, geometry
from lightning_gen.augmentations.geometry import Affine, blit, gathered, resampled, warp

EPSILON = {torch.float32: 2e-4, torch.float64: 1e-11}


def drawn(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def moved(count, dtype=torch.float64, device="cpu"):
    """Maps that scale, turn, stretch and shift by fractions of pixels, far out of the image too."""
    scale, before, stretch, after = (1 + 0.4 * drawn(4, count, dtype=dtype)).to(device)
    return warp(scale.abs() + 0.3, before, stretch.abs() + 0.3, after, 5 * drawn(count, 2, dtype=dtype).to(device))


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("size", [(8, 8), (7, 12), (1, 5), (32, 32), (2, 1)])
def test_it_is_the_resampling_of_torch_and_has_its_gradient(size, dtype):
    x = drawn(16, 3, *size, dtype=dtype).requires_grad_()
    towards = drawn(16, 3, *size, dtype=dtype)
    source = moved(16, dtype)
    found, expected = gathered(x, source), resampled(x, source)
    torch.testing.assert_close(found, expected, rtol=0, atol=EPSILON[dtype])
    slopes = [torch.autograd.grad((each * towards).sum(), x)[0] for each in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=0, atol=4 * EPSILON[dtype])


def test_whole_pixels_are_kept_to_the_bit():
    x = drawn(1, 2, 6, 6)
    source = blit(-torch.ones(1).double(), torch.ones(1).double(), torch.tensor([[1.0, 0.0]]).double())
    turned = x.flip(3).rot90(-1, (2, 3))
    expected = torch.cat([turned[..., 1:2], turned[..., :-1]], 3)  # its second column is reflected at the first
    torch.testing.assert_close(gathered(x, source), expected, rtol=0, atol=1e-12)


def test_its_second_derivative_is_that_of_finite_differences():
    x, source = drawn(2, 2, 5, 4).requires_grad_(), moved(2)
    assert torch.autograd.gradcheck(lambda x: gathered(x, source), (x,))
    assert torch.autograd.gradgradcheck(lambda x: gathered(x, source).pow(3), (x,))


def test_r1_through_it_is_that_of_the_adjoint():
    """Of a discriminator w · T x it is |Tᵀ w|² / 2, and its gradient with respect to w is T Tᵀ w."""
    x, w, source = drawn(1, 1, 6, 5).requires_grad_(), drawn(30).requires_grad_(), moved(1)
    matrix = torch.autograd.functional.jacobian(lambda x: gathered(x, source).flatten(), x).reshape(30, 30)
    (gradient,) = torch.autograd.grad((gathered(x, source).flatten() * w).sum(), x, create_graph=True)
    penalty = gradient.square().sum() / 2
    torch.testing.assert_close(penalty, (matrix.T @ w).square().sum() / 2)
    torch.testing.assert_close(torch.autograd.grad(penalty, w)[0], matrix @ matrix.T @ w)


@pytest.mark.parametrize(("device", "wanted", "expected"), [("meta", True, 1), ("meta", False, 0), ("cpu", True, 0)])
def test_it_is_used_where_determinism_needs_it_and_nowhere_else(monkeypatch, device, wanted, expected):
    """No GPU is needed: a device without memory stands for one. On a CPU the bits stay those of `grid_sample`."""
    calls = []
    monkeypatch.setattr(geometry, "gathered", lambda x, source: calls.append(source) or x)
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: wanted)
    still = Affine(torch.eye(2, device=device).expand(4, 2, 2), torch.zeros(4, 2, device=device))
    resampled(torch.zeros(4, 3, 8, 8, device=device), still)
    assert len(calls) == expected


def test_ada_with_it_gives_the_images_that_it_gives_without(monkeypatch):
    x = drawn(32, 3, 16, 16, dtype=torch.float32)
    ada = ADA(None, 0.8)
    expected = ada(x, torch.Generator().manual_seed(3))
    monkeypatch.setattr("lightning_gen.augmentations.adaptive.resampled", gathered)
    torch.testing.assert_close(ada(x, torch.Generator().manual_seed(3)), expected, rtol=0, atol=1e-4)
    assert not torch.equal(expected, x)
