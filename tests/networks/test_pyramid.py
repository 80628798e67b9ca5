import pytest
import torch
from torch import nn

from lightning_gen.networks.pyramid import pyramid


def build(height, width_of_image, width=2):
    return pyramid(nn.Identity(), (3, height, width_of_image), width)


@pytest.mark.parametrize("height", [8, *range(9, 73, 7), *range(16, 73, 8)])
def test_convolutions_lead_down_and_up_through_the_same_sizes(height):
    levels = build(height, 265 - height)
    x = torch.empty(1, 3, height, 265 - height, device="meta")
    trail = [x.shape[1:]]
    for i in levels.levels:
        x = levels.down(i).to("meta")(x)
        trail.append(x.shape[1:])
    assert x.shape[1:] == levels.top
    assert 4 <= min(levels.top[1:]) <= 6
    for i in reversed(levels.levels):
        assert x.shape[1:] == trail[i + 1]
        x = levels.up(i).to("meta")(x)
    assert x.shape[1:] == (3, height, 265 - height)


def test_published_pyramids():
    assert build(64, 64, 64).sizes == ((64, 64), (32, 32), (16, 16), (8, 8), (4, 4))
    assert build(64, 64, 64).channels == (3, 64, 128, 256, 512)
    assert build(28, 28).sizes == ((28, 28), (14, 14), (7, 7), (4, 4))


def test_channels_stop_doubling_at_eight_times_the_width():
    assert build(256, 256, 10).channels == (3, 10, 20, 40, 80, 80, 80)


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (9, 14), (13, 200)])
def test_no_checkerboard(size):
    """Away from the border every output of a transposed convolution sees as many taps as its neighbours."""
    levels = build(*size)
    up = levels.up(0, bias=False)
    nn.init.ones_(up.weight)
    inside = up(torch.ones(1, levels.channels[1], *levels.sizes[1]))[..., 2:-2, 2:-2]
    assert torch.equal(inside, torch.full_like(inside, 4.0 * levels.channels[1]))


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (9, 14)])
def test_every_pixel_is_seen_on_the_way_down(size):
    levels = build(*size)
    down = levels.down(0)
    nn.init.ones_(down.weight)
    x = torch.zeros(1, 3, *size, requires_grad=True)
    down(x).sum().backward()
    assert (x.grad > 0).all()
