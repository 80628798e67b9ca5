"""Reflected borders that are joined of slices, against those of torch."""

import pytest
import torch
from torch.nn import functional

from lightning_gen.networks import reflection
from lightning_gen.networks.layers import LAYERS
from lightning_gen.networks.reflection import mirrored, reflecting, reflection_padded
from lightning_gen.networks.resampling import BlurredHalving

SIDES = {1: (7,), 2: (6, 5), 3: (4, 5, 3)}
AMOUNTS = {1: (3,), 2: (1, 4), 3: (2, 1, 2)}


def drawn(dimensions, channels=2):
    size = (2, channels, *SIDES[dimensions])
    return torch.randn(size, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()


@pytest.fixture
def _as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(reflection, "of_torch", lambda x: False)


@pytest.mark.parametrize("dimensions", SIDES)
def test_they_are_those_of_torch_with_the_gradient(dimensions):
    x, amounts = drawn(dimensions), AMOUNTS[dimensions]
    expected = functional.pad(x, [each for amount in reversed(amounts) for each in (amount, amount)], mode="reflect")
    found = mirrored(x, amounts)
    assert torch.equal(found, expected)
    assert torch.equal(reflection_padded(x, amounts), expected)
    towards = torch.randn_like(expected)
    slopes = [torch.autograd.grad((each * towards).sum(), x)[0] for each in (found, expected)]
    torch.testing.assert_close(*slopes)
    assert torch.autograd.gradgradcheck(lambda x: mirrored(x, amounts).pow(3), (x,))


@pytest.mark.parametrize("dimensions", SIDES)
def test_a_convolution_is_that_of_torch_to_the_bit(dimensions):
    ours = reflecting(dimensions, 2, 3, 3).double()
    theirs = LAYERS[dimensions].conv(2, 3, 3, padding=1, padding_mode="reflect").double()
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(drawn(dimensions)), theirs(drawn(dimensions)))


@pytest.mark.usefixtures("_as_on_a_gpu")
@pytest.mark.parametrize("dimensions", SIDES)
def test_a_convolution_of_slices_is_the_same(dimensions, monkeypatch):
    ours, x = reflecting(dimensions, 2, 3, 3).double(), drawn(dimensions)
    theirs = LAYERS[dimensions].conv(2, 3, 3, padding=1, padding_mode="reflect").double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))
    halving = BlurredHalving(LAYERS[dimensions])
    even = torch.randn(2, 3, *[6] * dimensions)
    found = halving(even)
    monkeypatch.undo()
    torch.testing.assert_close(found, halving(even))


@pytest.mark.parametrize(("device", "wanted", "expected"), [("meta", True, 1), ("meta", False, 0), ("cpu", True, 0)])
def test_slices_are_used_where_determinism_needs_them_and_nowhere_else(monkeypatch, device, wanted, expected):
    """No GPU is needed: a device without memory stands for one."""
    calls, joined = [], mirrored
    monkeypatch.setattr(reflection, "mirrored", lambda x, amounts: calls.append(amounts) or joined(x, amounts))
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: wanted)
    layer = reflecting(2, 3, 4, 3).to(device)
    assert layer(torch.zeros(2, 3, 8, 8, device=device)).shape == (2, 4, 8, 8)
    assert len(calls) == expected
