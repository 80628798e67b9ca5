"""Discriminators of sound against the networks of their papers, and what a logit of theirs hears."""

import copy
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.functional import leaky_relu, pad

from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, PeriodDiscriminator, SpectrogramDiscriminator

BUILDERS = [partial(PeriodDiscriminator, period=3), partial(SpectrogramDiscriminator, window=16)]


def weights_of(discriminator):
    """The normalized weights and the biases of all convolutions, in order."""
    return [(layer.weight, layer.bias) for layer in (*discriminator.hidden, discriminator.logits)]


@pytest.mark.parametrize("length", [60, 61, 64])
def test_period_is_the_papers_network(length):
    """Section 2.3 and the authors' code: reflected up to a multiple, a multiple itself is left alone."""
    torch.manual_seed(0)
    discriminator = PeriodDiscriminator((1, length), 5, width=2)
    x = torch.randn(3, 1, length)
    h = pad(x, (0, -length % 5), "reflect").view(3, 1, -1, 5)
    assert h.shape[2] == -(-length // 5)
    *hidden, last = weights_of(discriminator)
    maps = []
    for (weight, bias), stride in zip(hidden, (3, 3, 3, 3, 1), strict=True):
        h = leaky_relu(nn.functional.conv2d(h, weight, bias, (stride, 1), (2, 0)), 0.1)
        maps.append(h)
    output = discriminator(x)
    torch.testing.assert_close(output.logits, nn.functional.conv2d(h, *last, 1, (1, 0)).flatten())
    for ours, theirs in zip(output.hidden, maps, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_period_has_the_papers_widths():
    """The authors' network: kernels of 5 to 32, 128, 512, 1024 and 1024 channels, one of 3 to the logit."""
    weights = [tuple(weight.shape) for weight, _ in weights_of(PeriodDiscriminator((1, 64), 2))]
    channels = [1, 32, 128, 512, 1024, 1024]
    assert weights == [*((after, before, 5, 1) for before, after in pairwise(channels)), (1, 1024, 3, 1)]


def test_a_logit_hears_one_phase_over_647_periods():
    torch.manual_seed(0)
    rows, period = 1400, 3
    discriminator = PeriodDiscriminator((1, rows * period), period, width=1).double()
    x = torch.randn(2, 1, rows * period, dtype=torch.float64).requires_grad_()
    logits = discriminator(x).logits.view(2, -1, period)
    (gradient,) = torch.autograd.grad(logits[0, logits.shape[1] // 2, 1], x)
    heard = gradient[0, 0].view(rows, period).ne(0)
    assert not heard[:, [0, 2]].any()
    first, last = heard[:, 1].nonzero()[[0, -1], 0].tolist()
    assert last - first + 1 == 647
    assert not gradient[1].any(), "the first half of the logits belongs to the first signal"


@pytest.mark.parametrize("window", [16, 17])
def test_a_spectrogram_is_the_transform_of_each_window(window):
    """Each column is the discrete Fourier transform of samples times the window, summed by hand."""
    discriminator = SpectrogramDiscriminator((2, 50), window, width=2).double()
    x, hop = torch.randn(3, 2, 50, dtype=torch.float64), window // 4
    plane = discriminator.plane(x)
    assert plane.shape == (3, 4, 1 + (50 + 2 * (window // 2) - window) // hop, window // 2 + 1)
    time = torch.arange(window, dtype=torch.float64)
    hann = 0.5 - 0.5 * (2 * torch.pi * time / window).cos()
    wide = pad(x, (window // 2, window // 2))
    for frame, frequency in [(0, 0), (3, 2), (plane.shape[2] - 1, window // 2)]:
        part = wide[..., frame * hop : frame * hop + window] * hann / hann.square().sum().sqrt()
        angle = 2 * torch.pi * frequency * time / window
        expected = torch.stack([(part * angle.cos()).sum(2), -(part * angle.sin()).sum(2)], 2).flatten(1)
        torch.testing.assert_close(plane[:, :, frame, frequency], expected)


def test_a_spectrogram_logit_hears_the_papers_patch():
    """In time 1 + 2 · (1 + 1 + 1 + 2 + 4 + 1) = 21 frames, which begin a hop apart: 20 hops and a window."""
    torch.manual_seed(0)
    window, length = 32, 2000
    discriminator = SpectrogramDiscriminator((1, length), window, width=2).double()
    x = torch.randn(2, 1, length, dtype=torch.float64).requires_grad_()
    output = discriminator(x)
    assert [tuple(each.shape[2:]) for each in output.hidden] == [(251, 17), (251, 9), (251, 5), (251, 3), (251, 3)]
    logits = output.logits.view(2, 251, 3)
    (gradient,) = torch.autograd.grad(logits[0, 125, 1], x)
    first, last = gradient[0, 0].nonzero()[[0, -1], 0].tolist()
    assert last - first + 1 == 20 * window // 4 + window - 1, "a Hann window begins with 0"
    assert not gradient[1].any()


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("length", [64, 67])
def test_all_weights_learn_from_any_length_and_copies_agree(build, length):
    discriminator = build((2, 64), width=4, conditioning=Concatenation(3))
    x, labels = torch.randn(4, 2, length), torch.tensor([0, 1, 2, 0])
    logits = discriminator(x, labels).logits
    assert len(logits) % 4 == 0
    assert torch.equal(copy.deepcopy(discriminator)(x, labels).logits, logits)
    (logits * torch.randn_like(logits)).sum().backward()
    assert all(p.grad.abs().max() > 0 for p in discriminator.parameters())
    assert not discriminator.mixes_samples


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="use PatchDiscriminator"):
        PeriodDiscriminator((1, 8, 8), 2)
    with pytest.raises(InputError, match="of 8 samples into periods of 11: give a shorter period"):
        PeriodDiscriminator((1, 8), 11)
    with pytest.raises(InputError, match="of at least 3"):
        PeriodDiscriminator((1, 9), 3, 2)(torch.randn(1, 1, 2))
    with pytest.raises(InputError, match="set window to 4"):
        SpectrogramDiscriminator((1, 8), 2)
