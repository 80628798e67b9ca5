"""The table of layers: networks for signals and volumes, which for images are what they were."""

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from lightning_gen import GANModule
from lightning_gen.callbacks.execution import ChannelsLast
from lightning_gen.errors import InputError
from lightning_gen.media import Points
from lightning_gen.networks import (
    Concatenation,
    ConditionalBatchNorm,
    ConvDecoder,
    ConvEncoder,
    DCGANDiscriminator,
    DCGANGenerator,
    Discriminator,
    Encoder,
    Generator,
    PatchDiscriminator,
    Projection,
    R3GANDiscriminator,
    R3GANGenerator,
    ResidualDecoder,
    ResidualEncoder,
    ResNetDiscriminator,
    ResNetGenerator,
)
from lightning_gen.networks.layers import (
    BATCH_NORMS,
    CONVOLUTIONS,
    LAYERS,
    MEMORY_FORMATS,
    layers_for,
    set_memory_format,
)
from lightning_gen.networks.r3gan import Doubling, Halving
from lightning_gen.objectives import NonSaturating

NETWORKS = (
    (ConvEncoder, {"features": 5, "width": 4}),
    (ConvEncoder, {"features": 5, "width": 4, "conditioning": Concatenation(3)}),
    (ConvDecoder, {"latent_dim": 5, "width": 4}),
    (ConvDecoder, {"latent_dim": 5, "width": 4, "outputs": 7}),
    (ResidualEncoder, {"features": 5, "width": 4}),
    (ResidualEncoder, {"features": 5, "width": 4, "downsamplings": 2, "conditioning": Concatenation(3)}),
    (ResidualDecoder, {"latent_dim": 5, "width": 4}),
    (ResidualDecoder, {"latent_dim": 5, "width": 4, "downsamplings": 2, "conditioning": Concatenation(3)}),
    (DCGANGenerator, {"latent_dim": 5, "width": 4}),
    (DCGANGenerator, {"latent_dim": 5, "width": 4, "conditioning": ConditionalBatchNorm(3)}),
    (ResNetGenerator, {"latent_dim": 5, "width": 4}),
    (ResNetGenerator, {"latent_dim": 5, "width": 4, "conditioning": ConditionalBatchNorm(3)}),
    (R3GANGenerator, {"latent_dim": 5, "width": 4, "blocks": 1}),
    (DCGANDiscriminator, {"width": 4}),
    (DCGANDiscriminator, {"width": 4, "batch_norm": False, "spectral_norm": True, "conditioning": Projection(3)}),
    (DCGANDiscriminator, {"width": 4, "packing": 2, "minibatch_std": True, "conditioning": Concatenation(3)}),
    (ResNetDiscriminator, {"width": 4}),
    (R3GANDiscriminator, {"width": 4, "blocks": 1, "conditioning": Projection(3)}),
    (PatchDiscriminator, {"width": 4, "depth": 1}),
    (PatchDiscriminator, {"width": 4, "depth": 1, "spectral_norm": True, "conditioning": Concatenation(3)}),
)
NAMES = [f"{kind.__name__}-{index}" for index, (kind, _) in enumerate(NETWORKS)]
SHAPES = {1: (2, 37), 2: (3, 9, 16), 3: (1, 8, 10, 12)}
RECORDED = Path(__file__).with_name("initial_weights.json")
every_network = pytest.mark.parametrize(("kind", "arguments"), NETWORKS, ids=NAMES)


def built(kind, shape, arguments):
    torch.manual_seed(0)
    return kind(shape, **arguments)


def called(network, count=4):
    """Inputs of a network, classes where it is conditional, and the output."""
    if isinstance(network, Generator):
        shape = (network.latent_dim,)
    elif isinstance(network, (Discriminator, Encoder)):
        shape = network.shape
    else:
        shape = (network.latent_dim, *network.map_size)
    x = torch.randn(count, *shape, requires_grad=True)
    output = network(x, torch.arange(count) % 3) if network.num_classes else network(x)
    return x, getattr(output, "logits", output)


@pytest.mark.parametrize("dimensions", LAYERS)
@every_network
def test_samples_of_any_dimensions_go_in_or_come_out(kind, arguments, dimensions):
    shape = SHAPES[dimensions]
    network = built(kind, shape, arguments)
    x, output = called(network)
    if isinstance(network, PatchDiscriminator):
        assert output.shape == (4 * torch.tensor([side // 2 - 2 for side in shape[1:]]).prod(),)
    elif isinstance(network, Discriminator):
        assert output.shape == (4 // network.packing,)
    elif isinstance(network, Encoder):
        assert output.shape == (4, 5, *network.map_size)
    else:
        assert output.shape == (4, getattr(network, "outputs", None) or shape[0], *shape[1:])
    gradients = torch.autograd.grad(output.square().sum(), [x, *network.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)


def sums(network):
    """What tells another draw of initial weights, and no other last bits: names, and sums and those of magnitudes."""
    return {name: [float(x.double().sum()), float(x.double().abs().sum())] for name, x in network.state_dict().items()}


@every_network
def test_networks_of_images_start_as_they_did_in_version_0_1(kind, arguments):
    recorded = json.loads(RECORDED.read_text())[NAMES[NETWORKS.index((kind, arguments))]]
    found = sums(built(kind, SHAPES[2], arguments))
    assert list(found) == list(recorded)
    for name, (total, size) in recorded.items():
        assert found[name] == pytest.approx([total, size], abs=1e-4 * size, rel=0), name


# a signal is an image of one line -----------------------------------------------------------------------------------


def lifted(part):
    """The same layers for samples that have one more side in front, of length 1."""
    for name, child in list(part.named_children()):
        setattr(part, name, lifted(child))
    if isinstance(part, nn.Conv1d):
        size = ((1, part.kernel_size[0]), (1, part.stride[0]), (0, part.padding[0]))
        new = nn.Conv2d(part.in_channels, part.out_channels, *size, bias=part.bias is not None)
    elif isinstance(part, nn.ConvTranspose1d):
        size = ((1, part.kernel_size[0]), (1, part.stride[0]), (0, part.padding[0]), (0, part.output_padding[0]))
        new = nn.ConvTranspose2d(part.in_channels, part.out_channels, *size, bias=part.bias is not None)
    elif isinstance(part, nn.BatchNorm1d):
        new = nn.BatchNorm2d(part.num_features)
    elif isinstance(part, nn.AvgPool1d):
        return nn.AvgPool2d((1, *part.kernel_size), ceil_mode=True)
    elif isinstance(part, nn.Upsample):
        return nn.Upsample((1, *part.size))
    elif isinstance(part, nn.Unflatten):
        channels, *sides = part.unflattened_size
        return nn.Unflatten(1, (channels, 1, *sides))
    else:
        return part
    new.load_state_dict(
        {k: v.unsqueeze(2) if k == "weight" and v.dim() > 1 else v for k, v in part.state_dict().items()}
    )
    return new.double()


LIFTED = [
    (kind, {**arguments, "spectral_norm": False} if issubclass(kind, Discriminator) else arguments)
    for kind, arguments in NETWORKS
    if not kind.__name__.startswith("R3GAN") and arguments.get("conditioning") is None
]


@pytest.mark.parametrize(("kind", "arguments"), LIFTED, ids=lambda each: getattr(each, "__name__", ""))
@pytest.mark.parametrize("length", [16, 37])
def test_a_signal_is_an_image_of_one_line(kind, arguments, length):
    network = built(kind, (2, length), arguments).double()
    x = called(network.float())[0].detach().double()
    network.double()
    expected = network.layers(x)
    found = lifted(copy.deepcopy(network.layers))(x if x.dim() == 2 else x.unsqueeze(2))
    torch.testing.assert_close(found.squeeze(2) if found.dim() > expected.dim() else found, expected)


@pytest.mark.parametrize("length", [16, 17])
def test_signals_are_filtered_as_images_that_do_not_change_from_line_to_line(length):
    x = torch.randn(2, 3, length, dtype=torch.float64)
    lines = x[:, :, None].expand(-1, -1, 16, -1)
    halved = Halving((16, length)).double()(lines)[:, :, 2:-2]
    torch.testing.assert_close(halved, Halving((length,)).double()(x)[:, :, None].expand_as(halved))
    half = x[..., : -(-length // 2)]
    lines = half[:, :, None].expand(-1, -1, 8, -1)
    doubled = Doubling((16, length)).double()(lines)[:, :, 2:-2]
    torch.testing.assert_close(doubled, Doubling((length,)).double()(half)[:, :, None].expand_as(doubled))


@pytest.mark.parametrize("size", [(7,), (8, 9, 10)])
def test_doubling_is_halving_transposed(size):
    x, y = torch.randn(1, 2, *size).double(), torch.randn(1, 2, *(-(-side // 2) for side in size)).double()
    there, back = (Halving(size).double()(x) * y).sum(), (x * Doubling(size).double()(y)).sum()
    assert float(back) == pytest.approx(2 ** len(size) * float(there))


# the table -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", LAYERS)
def test_layers_are_those_of_their_dimensions(dimensions):
    layers = LAYERS[dimensions]
    x = torch.randn(2, 4, *[6] * dimensions)
    for layer in (
        layers.conv(4, 3, 3, padding=1),
        layers.conv_transpose(4, 3, 2, 2),
        layers.batch_norm(4),
        layers.instance_norm(4),
        layers.average_pool(2),
        layers.max_pool(2),
        nn.Upsample(scale_factor=2, mode=layers.interpolation),
    ):
        assert layer(x).dim() == x.dim()
    conv, back = layers.conv(4, 3, 3, bias=False), layers.conv_transpose(4, 3, 3, bias=False)
    torch.testing.assert_close(layers.convolve(x, conv.weight), conv(x))
    torch.testing.assert_close(layers.convolve_transposed(x, back.weight), back(x))
    assert isinstance(conv, CONVOLUTIONS)
    assert isinstance(back, CONVOLUTIONS)
    assert isinstance(layers.batch_norm(4), BATCH_NORMS)


@pytest.mark.parametrize("shape", [(5,), (1, 8, 8, 8, 8)])
def test_other_dimensions_are_refused(shape):
    with pytest.raises(InputError, match=r"Linear needs images .* got samples of shape .*: use the Dense networks"):
        layers_for(nn.Linear(1, 1), shape)


def test_signals_and_volumes_that_are_too_small_are_called_by_their_names():
    with pytest.raises(InputError, match="needs signals of at least 8 and got 7"):
        ConvEncoder((1, 7), 3)
    with pytest.raises(InputError, match="needs volumes of at least 8 x 8 x 8 and got 7 x 7 x 5"):
        DCGANDiscriminator((1, 7, 7, 5))
    with pytest.raises(InputError, match="depth 2 needs signals of at least 12 and got 11"):
        PatchDiscriminator((1, 11), depth=2)


@pytest.mark.parametrize("shape", [(2, 16), (1, 8, 8), (1, 8, 8, 8)])
def test_samples_of_any_dimensions_are_trained_on(trainer, tmp_path, shape):
    torch.manual_seed(0)
    generator, discriminator = DCGANGenerator(shape, 4, width=4), DCGANDiscriminator(shape, width=4)
    module = GANModule(generator, discriminator, NonSaturating())
    module.medium = Points()
    fitted = trainer(max_steps=4, callbacks=[ChannelsLast(True)])
    fitted.fit(module, DataLoader(torch.rand(16, *shape) * 2 - 1, batch_size=8))
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    weights = [each for each in module.parameters() if each.dim() in MEMORY_FORMATS]
    assert bool(weights) is (len(shape) > 2)
    assert all(each.is_contiguous(memory_format=MEMORY_FORMATS[each.dim()]) for each in weights)
    loaded = GANModule.load_from_checkpoint(tmp_path / "a.ckpt")
    drawn = [each.sample(3, generator=torch.Generator().manual_seed(0)) for each in (module, loaded)]
    assert drawn[0].shape == (3, *shape)
    assert torch.equal(*drawn)


@pytest.mark.parametrize("shape", [(1, 16), (1, 8, 8), (1, 8, 8, 8)])
def test_the_layout_of_weights_changes_and_their_values_stay(shape):
    network = built(DCGANDiscriminator, shape, {"width": 4})
    before = {name: (x, x.clone()) for name, x in network.named_parameters()}
    for channels_last in (True, False):
        set_memory_format(network, channels_last)
        for name, x in network.named_parameters():
            assert x is before[name][0]
            assert torch.equal(x, before[name][1])
            if x.dim() in MEMORY_FORMATS and x.shape[1] > 1:
                assert x.is_contiguous() is not channels_last


if __name__ == "__main__":  # run by the version whose weights are to be recorded
    recorded = {name: sums(built(kind, SHAPES[2], each)) for name, (kind, each) in zip(NAMES, NETWORKS, strict=True)}
    RECORDED.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in recorded.items()) + "\n}\n")
