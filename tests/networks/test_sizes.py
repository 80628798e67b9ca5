"""Which sizes a network takes: fully convolutional ones take others than those that they were built for."""

import pytest
import torch

from lightning_gen import AutoencoderModule
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck, VectorQuantizer
from lightning_gen.errors import InputError
from lightning_gen.networks import (
    Concatenation,
    ConvDecoder,
    ConvEncoder,
    DCGANDiscriminator,
    DenseDecoder,
    DenseEncoder,
    PatchDiscriminator,
    ResidualDecoder,
    ResidualEncoder,
)
from lightning_gen.objectives import GaussianLikelihood


def autoencoder(shape, downsamplings=2, bottleneck=None, conditioning=None, features=4):
    torch.manual_seed(0)
    options = {"width": 8, "downsamplings": downsamplings, "conditioning": conditioning}
    return AutoencoderModule(
        ResidualEncoder(shape, features, **options),
        ResidualDecoder(shape, 4, **options),
        bottleneck or IdentityBottleneck(4),
        {"likelihood": GaussianLikelihood()},
    ).eval()


def like(one, other):
    """The other with the weights of one."""
    other.load_state_dict(one.state_dict())
    return other


@pytest.mark.parametrize(
    ("shape", "other"),
    [
        ((3, 32, 32), (3, 64, 48)),
        ((3, 32, 32), (3, 4, 8)),
        ((1, 10, 12), (1, 14, 20)),  # of the first side one level is odd
        ((1, 9, 11), (1, 21, 15)),
        ((2, 64), (2, 4000)),
        ((1, 8, 8, 8), (1, 12, 8, 16)),
    ],
)
@torch.no_grad()
def test_a_fully_convolutional_autoencoder_takes_other_sizes_as_one_that_was_built_for_them(shape, other):
    built = autoencoder(shape)
    x = torch.randn(2, *other)
    assert built.reconstruct(x).shape == x.shape
    assert built.encoder.multiple_of == built.decoder.multiple_of == 4
    if min(other[1:]) >= 8:
        assert torch.equal(built.reconstruct(x), like(built, autoencoder(other)).reconstruct(x))


@pytest.mark.parametrize(
    ("bottleneck", "features"), [(GaussianBottleneck(4), 8), (VectorQuantizer(4, 16), 4)], ids=("gaussian", "vq")
)
@torch.no_grad()
def test_bottlenecks_take_maps_of_any_size(bottleneck, features):
    built, x = autoencoder((1, 16, 16), bottleneck=bottleneck, features=features), torch.randn(2, 1, 24, 40)
    assert built.reconstruct(x).shape == x.shape
    assert built.encode(x).shape == (2, 4, 6, 10)


@torch.no_grad()
def test_classes_stand_at_every_place_of_other_sizes():
    built, x = autoencoder((1, 16, 16), conditioning=Concatenation(3)), torch.randn(2, 1, 24, 40)
    other = like(built, autoencoder((1, 24, 40), conditioning=Concatenation(3)))
    labels = torch.tensor([0, 2])
    assert torch.equal(built.reconstruct(x, labels), other.reconstruct(x, labels))


@pytest.mark.parametrize(
    ("shape", "other", "sentence"),
    [
        ((3, 32, 32), (3, 64, 46), r"built .*n, 3, 32, 32.* and got .*2, 3, 64, 46.* sides that are multiples of 4"),
        ((3, 9, 10), (3, 12, 10), "sides that differ from those by multiples of 4"),
        ((3, 32, 32), (1, 64, 48), "built for a batch of shape"),
        ((3, 32, 32), (3, 64), "built for a batch of shape"),
        ((3, 32, 32), (3, 0, 32), "built for a batch of shape"),
    ],
)
def test_sizes_between_are_refused_by_what_goes(shape, other, sentence):
    with pytest.raises(InputError, match=f"ResidualEncoder was .*{sentence}"):
        autoencoder(shape).reconstruct(torch.randn(2, *other))


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (DenseEncoder((1, 16, 16), 4), DenseDecoder((1, 16, 16), 4)),
        (ConvEncoder((1, 16, 16), 4), ConvDecoder((1, 16, 16), 4)),
        (ResidualEncoder((1, 16, 16), 4), ResidualDecoder((1, 16, 16), 4)),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_network_with_codes_that_are_vectors_takes_its_own_size_alone(encoder, decoder):
    module = AutoencoderModule(encoder, decoder, IdentityBottleneck(4), {"likelihood": GaussianLikelihood()})
    assert (encoder.multiple_of, decoder.multiple_of) == (None, None)
    with pytest.raises(InputError, match=f"{type(encoder).__name__} was built .* or give it what it was built for"):
        module.reconstruct(torch.randn(2, 1, 32, 32))
    with pytest.raises(InputError, match=f"{type(decoder).__name__} was built .* or give it what it was built for"):
        module.decode(torch.randn(2, 5))


def test_a_decoder_of_the_users_that_gives_another_shape_is_told_so():
    class Short(ResidualDecoder):
        def decode(self, code):
            return super().decode(code)[..., 1:]

    with pytest.raises(InputError, match=r"to outputs of shape \(1, 24, 39\) and samples need \(1, 24, 40\)"):
        Short((1, 16, 16), 4, width=4, downsamplings=2)(torch.randn(2, 4, 6, 10))


@pytest.mark.parametrize(
    ("shape", "other"), [((3, 16, 16), (3, 25, 40)), ((2, 64), (2, 12)), ((1, 12, 12, 12), (1, 16, 13, 12))]
)
@torch.no_grad()
def test_patches_are_judged_in_samples_of_any_size(shape, other):
    torch.manual_seed(0)
    built = PatchDiscriminator(shape, width=4, depth=2).eval()
    x = torch.randn(2, *other)
    expected = like(built, PatchDiscriminator(other, width=4, depth=2)).eval()(x)
    assert torch.equal(built(x).logits, expected.logits)
    assert (built.multiple_of, built.least_side) == (1, 12)
    with pytest.raises(InputError, match="or give it sides of at least 12"):
        built(x[..., :11])


def test_a_discriminator_of_whole_pictures_takes_its_own_size_alone():
    built = DCGANDiscriminator((1, 16, 16), width=4)
    assert built.multiple_of is None
    with pytest.raises(InputError, match="or give it what it was built for"):
        built(torch.randn(2, 1, 32, 32))
