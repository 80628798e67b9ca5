"""What holds for every network, whatever its kind."""

import inspect

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.networks import (
    ClassEmbedding,
    Concatenation,
    ConditionalBatchNorm,
    ConvDecoder,
    ConvEncoder,
    DCGANDiscriminator,
    DCGANGenerator,
    Decoder,
    DenseDecoder,
    DenseDiscriminator,
    DenseEncoder,
    DenseGenerator,
    Discriminator,
    Encoder,
    Generator,
    InnerProduct,
    Projection,
    R3GANDiscriminator,
    R3GANGenerator,
    ResidualDecoder,
    ResidualDenseDiscriminator,
    ResidualDenseGenerator,
    ResidualEncoder,
    ResNetDiscriminator,
    ResNetGenerator,
)

KINDS = (Generator, Discriminator, Encoder, Decoder)
NETWORKS = (
    (DenseGenerator, {"latent_dim": 7, "widths": (11, 13)}),
    (DenseGenerator, {"latent_dim": 7, "widths": (11,), "batch_norm": False, "bounded": False}),
    (DenseGenerator, {"latent_dim": 7, "widths": (11, 13), "conditioning": ConditionalBatchNorm(3)}),
    (ResidualDenseGenerator, {"latent_dim": 7, "width": 13, "blocks": 2, "bounded": True}),
    (ResidualDenseGenerator, {"latent_dim": 7, "width": 13, "conditioning": Concatenation(3)}),
    (DCGANGenerator, {"latent_dim": 7, "width": 6}),
    (DCGANGenerator, {"latent_dim": 7, "width": 6, "conditioning": ConditionalBatchNorm(3)}),
    (ResNetGenerator, {"latent_dim": 7, "width": 6}),
    (ResNetGenerator, {"latent_dim": 7, "width": 5, "growth": 2, "conditioning": ConditionalBatchNorm(3)}),
    (R3GANGenerator, {"latent_dim": 7, "width": 6}),
    (R3GANGenerator, {"latent_dim": 7, "width": 8, "blocks": 1, "growth": 1, "conditioning": Concatenation(3)}),
    (R3GANGenerator, {"latent_dim": 7, "width": 8, "blocks": 1, "growth": 1, "conditioning": ClassEmbedding(3)}),
    (DenseDiscriminator, {"widths": (13, 11), "slope": 0.1}),
    (DenseDiscriminator, {"widths": (13, 11), "spectral_norm": True, "conditioning": Projection(3)}),
    (ResidualDenseDiscriminator, {"width": 13, "blocks": 2, "slope": 0.1}),
    (ResidualDenseDiscriminator, {"width": 13, "conditioning": Concatenation(3)}),
    (DCGANDiscriminator, {"width": 6}),
    (DCGANDiscriminator, {"width": 6, "batch_norm": False}),
    (DCGANDiscriminator, {"width": 6, "batch_norm": False, "spectral_norm": True, "minibatch_std": True}),
    (ResNetDiscriminator, {"width": 6, "minibatch_std": True}),
    (ResNetDiscriminator, {"width": 5, "growth": 2, "spectral_norm": False, "conditioning": Projection(3)}),
    (R3GANDiscriminator, {"width": 6, "conditioning": Concatenation(3)}),
    (R3GANDiscriminator, {"width": 8, "blocks": 1, "growth": 1, "conditioning": Projection(3)}),
    (R3GANDiscriminator, {"width": 8, "blocks": 1, "growth": 1, "conditioning": InnerProduct(3)}),
    (DenseEncoder, {"features": 5, "widths": (13, 11)}),
    (DenseEncoder, {"features": 5, "widths": (), "activate_features": True}),
    (DenseEncoder, {"features": 5, "widths": (13,), "conditioning": Concatenation(3)}),
    (ConvEncoder, {"features": 5, "width": 16}),
    (ConvEncoder, {"features": 5, "width": 16, "conditioning": Concatenation(3)}),
    (ResidualEncoder, {"features": 5, "width": 16}),
    (ResidualEncoder, {"features": 5, "width": 16, "downsamplings": 1, "conditioning": Concatenation(3)}),
    (DenseDecoder, {"latent_dim": 3, "widths": (11, 13)}),
    (DenseDecoder, {"latent_dim": 3, "widths": ()}),
    (DenseDecoder, {"latent_dim": 3, "widths": (11,), "outputs": 4, "conditioning": Concatenation(3)}),
    (ConvDecoder, {"latent_dim": 3, "width": 16}),
    (ConvDecoder, {"latent_dim": 3, "width": 16, "outputs": 4, "conditioning": Concatenation(3)}),
    (ResidualDecoder, {"latent_dim": 3, "width": 16}),
    (ResidualDecoder, {"latent_dim": 3, "width": 16, "downsamplings": 1, "outputs": 4}),
)
SHAPES = (
    (1, 8, 8),  # the smallest
    (3, 32, 32),  # halved to the end
    (5, 17, 30),  # odd and even, many channels
    (1, 9, 200),  # far from square
    (2, 256, 8),  # the other way, and large
)
IDS = [f"{cls.__name__}-{index}" for index, (cls, _) in enumerate(NETWORKS)]
every_network = pytest.mark.parametrize(("cls", "arguments"), NETWORKS, ids=IDS)
every_class = pytest.mark.parametrize(
    ("cls", "arguments"), dict(NETWORKS).items(), ids=lambda each: getattr(each, "__name__", "")
)
every_discriminator = pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        pytest.param(*network, id=name)
        for network, name in zip(NETWORKS, IDS, strict=True)
        if issubclass(network[0], Discriminator)
    ],
)


def shapes_in_and_out(network):
    """The contract of each kind, written down a second time."""
    if isinstance(network, Generator):
        return (network.latent_dim,), network.shape
    if isinstance(network, Decoder):
        return (network.latent_dim, *network.map_size), (network.outputs or network.shape[0], *network.shape[1:])
    return network.shape, (network.features, *network.map_size) if isinstance(network, Encoder) else ()


def tensor(output):
    """What a network gives, of a discriminator its logits."""
    return getattr(output, "logits", output)


def labels_for(network, n):
    """Classes of n samples for a conditional network, nothing for the others."""
    return [torch.arange(n) % network.num_classes] if network.num_classes is not None else []


def leave_zero(network):
    """Move all that starts at 0 away from it: a branch whose last weight is 0 passes no gradient to the others."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return network


@every_network
def test_any_image_goes_in_or_comes_out(cls, arguments):
    for shape in SHAPES:
        network = cls(shape, **arguments)
        before, after = shapes_in_and_out(network)
        assert tensor(network(torch.randn(2, *before), *labels_for(network, 2))).shape == (2, *after), shape


@every_network
def test_every_parameter_learns(cls, arguments):
    torch.manual_seed(0)
    network = leave_zero(cls((3, 9, 14), **arguments))
    before, _ = shapes_in_and_out(network)
    output = tensor(network(torch.randn(8, *before), *labels_for(network, 8)))
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 1e-6, name


@every_class
def test_constructor_arguments_are_attributes(cls, arguments):
    network = cls((3, 16, 16), **arguments)
    values = {"shape": (3, 16, 16), **arguments}
    for name, parameter in inspect.signature(cls).parameters.items():
        assert getattr(network, name) == values.get(name, parameter.default), name


@every_class
def test_same_seed_same_network(cls, arguments):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(cls((1, 12, 12), **arguments).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@every_network
def test_channels_last_changes_nothing_but_speed(cls, arguments):
    torch.manual_seed(0)
    network = cls((3, 14, 20), **arguments).double().eval()
    before, _ = shapes_in_and_out(network)
    x, labels = torch.randn(2, *before).double(), labels_for(network, 2)
    expected = tensor(network(x, *labels))
    fast = network.to(memory_format=torch.channels_last)
    x = x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
    torch.testing.assert_close(tensor(fast(x, *labels)), expected)


@every_discriminator
def test_a_logit_is_that_of_one_sample_unless_it_says_so(cls, arguments):
    discriminator = cls((3, 14, 9), **arguments).double()
    x, labels = torch.randn(6, 3, 14, 9).double(), labels_for(discriminator, 6)
    discriminator(x, *labels)
    discriminator.requires_grad_(False)
    for part in discriminator.modules():
        part.training = isinstance(part, torch.nn.modules.batchnorm._BatchNorm)
    logits = discriminator(x, *labels).logits
    alone = torch.cat([discriminator(x[part], *[y[part] for y in labels]).logits for part in (slice(3), slice(3, 6))])
    assert torch.allclose(logits, alone, rtol=1e-9) is not discriminator.mixes_samples


@every_discriminator
def test_a_gradient_penalty_learns(cls, arguments):
    """Its derivative along the gradient with respect to all weights, against a difference quotient."""
    discriminator = leave_zero(cls((2, 8, 9), **arguments)).double().eval()
    x, labels = torch.randn(3, 2, 8, 9).double().requires_grad_(), labels_for(discriminator, 3)
    weights = list(discriminator.parameters())

    def penalty():
        logits = discriminator(x, *labels).logits
        return torch.autograd.grad(logits.sum(), x, create_graph=True)[0].square().sum()

    slopes = torch.autograd.grad(penalty(), weights, materialize_grads=True)
    norm = sum(slope.square().sum() for slope in slopes).sqrt()
    values = []
    for step in (1e-6, -2e-6):
        for weight, slope in zip(weights, slopes, strict=True):
            weight.data.add_(slope / norm, alpha=step)
        values.append(penalty().item())
    assert (values[0] - values[1]) / 2e-6 == pytest.approx(norm.item(), rel=1e-3)


@every_class
def test_a_batch_of_another_shape_is_refused_by_name(cls, arguments):
    network = cls((3, 16, 16), **arguments)
    before, _ = shapes_in_and_out(network)
    with pytest.raises(
        InputError, match=f"{cls.__name__} was built for a batch of shape .* and got .2, {before[0] + 1}"
    ):
        network(torch.randn(2, before[0] + 1, *before[1:]), *labels_for(network, 2))


POINT_NETWORKS = (
    DenseGenerator,
    DenseDiscriminator,
    DenseEncoder,
    DenseDecoder,
    ResidualDenseGenerator,
    ResidualDenseDiscriminator,
)
IMAGE_NETWORKS = (
    DCGANGenerator,
    DCGANDiscriminator,
    ResNetGenerator,
    ResNetDiscriminator,
    R3GANGenerator,
    R3GANDiscriminator,
)


@pytest.mark.parametrize("cls", POINT_NETWORKS)
def test_dense_networks_take_points(cls):
    extra = {DenseEncoder: {"features": 4}, DenseDecoder: {"latent_dim": 4}}.get(cls, {})
    network = cls((2,), **extra)
    before, after = shapes_in_and_out(network)
    assert tensor(network(torch.randn(3, *before))).shape == (3, *after)


@pytest.mark.parametrize("cls", KINDS)
def test_kinds_are_only_contracts(cls):
    assert inspect.isabstract(cls)


@pytest.mark.parametrize("cls", IMAGE_NETWORKS)
def test_shapes_that_cannot_work_are_refused(cls):
    for shape, sentence in (
        ((1, 4, 32), "needs images of at least 8 x 8 and got 4 x 32: set --data.size"),
        ((3, 32, 7), "needs images of at least 8 x 8 and got 32 x 7"),
        ((2,), "needs images .* got samples of shape .2,.: use the Dense"),
        ((0, 8, 8), "cannot be built with shape 0, 8, 8"),
    ):
        with pytest.raises(InputError, match=f"{cls.__name__} {sentence}"):
            cls(shape)


@pytest.mark.parametrize(
    ("build", "argument"),
    [
        (lambda: DCGANGenerator((1, 8, 8), latent_dim=0), "latent_dim 0"),
        (lambda: DCGANGenerator((1, 8, 8), width=0), "width 0"),
        (lambda: DCGANDiscriminator((1, 8, 8), width=-3), "width -3"),
        (lambda: DenseGenerator((2,), widths=(64, 0)), "widths 64, 0"),
        (lambda: DenseDiscriminator((2,), widths=(1.5,)), "widths 1.5"),
        (lambda: ResidualDenseGenerator((2,), width=0), "width 0"),
        (lambda: ResidualDenseDiscriminator((2,), blocks=0), "blocks 0"),
        (lambda: ResNetGenerator((1, 8, 8), growth=0), "growth 0"),
        (lambda: R3GANGenerator((1, 8, 8), blocks=0), "blocks 0"),
        (lambda: R3GANDiscriminator((1, 8, 8), expansion=0), "expansion 0"),
        (lambda: R3GANDiscriminator((1, 8, 8), group_width=-1), "group_width -1"),
        (lambda: DenseDiscriminator((2,), packing=0), "packing 0"),
        (lambda: ConvEncoder((1, 8, 8), features=0), "features 0"),
        (lambda: ConvDecoder((1, 8, 8), latent_dim=0), "latent_dim 0"),
    ],
)
def test_sizes_that_cannot_work_are_refused(build, argument):
    with pytest.raises(InputError, match=f"cannot be built with {argument}: give whole numbers of at least 1"):
        build()


def test_a_decoder_of_the_users_that_gives_another_shape_is_told_so():
    class Short(DenseDecoder):
        def decode(self, code):
            return super().decode(code)[:, :, 1:]

    with pytest.raises(InputError, match=r"Short decodes to outputs of shape \(1, 7, 8\) and samples need \(1, 8, 8\)"):
        Short((1, 8, 8), 3)(torch.randn(2, 3))
