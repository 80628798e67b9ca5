import pytest
import torch
from torch import nn

from lightning_gen import InputError
from lightning_gen.networks.pyramid import Striding, pyramid


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


# strides and taps -----------------------------------------------------------------------------------------------------

STRIDINGS = [(2, 2), (2, 3), (2, 6), (3, 3), (4, 2), (4, 6), (8, 2), (8, 3)]


def strided(shape, stride, taps, width=1):
    return pyramid(nn.Identity(), shape, width, striding=Striding(stride, taps))


@pytest.mark.parametrize(("stride", "taps"), STRIDINGS)
@pytest.mark.parametrize("sides", [(64,), (101,), (4096,), (33, 47), (65, 64), (32, 37, 41)])
def test_every_length_comes_back_at_every_stride(sides, stride, taps):
    levels = strided((2, *sides), stride, taps)
    x = torch.empty(1, 2, *sides, device="meta")
    for i in levels.levels:
        assert [-(-side // stride) for side in levels.sizes[i]] == [*levels.sizes[i + 1]] or len(sides) == 3
        x = levels.down(i).to("meta")(x)
        assert x.shape[2:] == levels.sizes[i + 1]
    for i in reversed(levels.levels):
        x = levels.up(i).to("meta")(x)
        assert x.shape[2:] == levels.sizes[i]


@pytest.mark.parametrize(("stride", "taps"), STRIDINGS)
@pytest.mark.parametrize("length", [64, 65, 67, 70])
def test_every_output_sees_as_many_places_at_every_stride(stride, taps, length):
    levels = strided((1, length), stride, taps)
    up = levels.up(0, bias=False)
    nn.init.ones_(up.weight)
    places = up(torch.ones(1, levels.channels[1], *levels.sizes[1]))[0, 0]
    border = (taps - 1) * stride  # beyond it no kernel hangs over an end
    inside = places[border:-border] if 2 * border < length else places[:0]
    assert torch.equal(inside, torch.full_like(inside, float(taps * levels.channels[1])))


def test_a_long_signal_has_few_levels():
    assert strided((1, 4096), 4, 2).sizes == ((4096,), (1024,), (256,), (64,), (16,), (4,))
    assert strided((1, 16384), 4, 6).down(0).kernel_size == (24,), "WaveGAN's kernels of 25 but one"


def test_the_sides_of_a_thin_volume_are_divided_while_they_can_be():
    levels = strided((1, 12, 64, 64), 2, 2)
    assert levels.sizes == ((12, 64, 64), (6, 32, 32), (6, 16, 16), (6, 8, 8), (6, 4, 4))
    assert levels.down(1).kernel_size == (3, 4, 4)
    assert levels.down(1).stride == (1, 2, 2)
    assert strided((1, 16, 16, 16), 2, 2).sizes == pyramid(nn.Identity(), (1, 16, 16, 16), 1).sizes


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((1, 2), "must be whole numbers of at least 2, not 1 and 2"),
        ((2, 1.5), "must be whole numbers"),
        ((3, 2), "has no middle"),
    ],
)
def test_strides_and_taps_out_of_range_are_refused(options, reason):
    with pytest.raises(InputError, match=reason):
        Striding(*options)


def test_a_signal_that_is_too_short_for_its_stride_is_refused():
    with pytest.raises(InputError, match="needs signals of at least 32 and got 31"):
        strided((1, 31), 8, 2)
