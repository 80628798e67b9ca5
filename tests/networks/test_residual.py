import pytest
import torch
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, ResidualDecoder, ResidualEncoder
from lightning_gen.networks.attention import SelfAttention
from lightning_gen.networks.layers import LAYERS

SHAPES = ((1, 8, 8), (3, 9, 9), (1, 28, 28), (5, 17, 30), (3, 32, 32), (1, 9, 40))


@pytest.mark.parametrize("downsamplings", [1, 2, 3, 4])
def test_maps_have_the_image_s_size_halved_and_rounded_up(downsamplings):
    for shape in SHAPES:
        encoder = ResidualEncoder(shape, 5, width=4, downsamplings=downsamplings)
        decoder = ResidualDecoder(shape, 5, width=4, downsamplings=downsamplings)
        size = tuple(-(-side // 2**downsamplings) for side in shape[1:])
        features = encoder(torch.randn(2, *shape))
        assert features.shape == (2, 5, *size)
        assert encoder.map_size == decoder.map_size == size
        assert decoder(features).shape == (2, *shape)


def test_vectors_are_not_maps():
    encoder, decoder = ResidualEncoder((1, 16, 16), 5, width=4), ResidualDecoder((1, 16, 16), 5, width=4)
    assert encoder.map_size == decoder.map_size == ()
    assert decoder(encoder(torch.randn(2, 1, 16, 16))).shape == (2, 1, 16, 16)


@pytest.mark.parametrize("downsamplings", [None, 2])
def test_a_conditional_pair_reads_the_classes(downsamplings):
    encoder = ResidualEncoder((1, 12, 12), 5, width=4, downsamplings=downsamplings, conditioning=Concatenation(3))
    decoder = ResidualDecoder(
        (1, 12, 12), 5, width=4, downsamplings=downsamplings, outputs=2, conditioning=Concatenation(3)
    )
    x, labels = torch.randn(4, 1, 12, 12), torch.tensor([0, 1, 2, 0])
    code = encoder(x, labels)
    assert decoder(code, labels).shape == (4, 2, 12, 12)
    assert not torch.equal(decoder(code, labels), decoder(code, labels.flip(0)))


@pytest.mark.parametrize("downsamplings", [None, 1])
def test_a_code_does_not_depend_on_the_batch(downsamplings):
    encoder = ResidualEncoder((3, 17, 20), 6, width=12, downsamplings=downsamplings).double()
    decoder = ResidualDecoder((3, 17, 20), 6, width=12, downsamplings=downsamplings).double()
    x = torch.randn(5, 3, 17, 20).double()
    code = encoder(x)
    torch.testing.assert_close(code[2:3], encoder(x[2:3]))
    torch.testing.assert_close(decoder(code)[2:3], decoder(code[2:3]))


def test_blocks_start_as_the_identity():
    encoder = ResidualEncoder((1, 16, 16), 4, width=8, blocks=2)
    blocks = [part for part in encoder.layers if type(part).__name__ == "ResidualBlock"]
    assert len(blocks) == 4
    x = torch.randn(2, 8, 8, 8)
    torch.testing.assert_close(blocks[0](x) - x, blocks[0].branch[-1].bias.view(1, -1, 1, 1).expand_as(x))


@pytest.mark.parametrize("downsamplings", [None, 2])
def test_an_autoencoder_can_learn_images_by_heart(downsamplings):
    torch.manual_seed(0)
    x = torch.rand(4, 1, 9, 12) * 2 - 1
    encoder = ResidualEncoder((1, 9, 12), 8, width=8, downsamplings=downsamplings)
    decoder = ResidualDecoder((1, 9, 12), 8, width=8, downsamplings=downsamplings)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-2)
    for _ in range(100):
        loss = (decoder(encoder(x)) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.01 * x.var()


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"blocks": 0}, "blocks 0"),
        ({"downsamplings": 0}, "downsamplings 0"),
        ({"downsamplings": -1}, "downsamplings -1"),
    ],
)
def test_sizes_that_cannot_work_are_refused(options, argument):
    for cls in (ResidualEncoder, ResidualDecoder):
        with pytest.raises(InputError, match=f"{cls.__name__} cannot be built with {argument}: give whole numbers"):
            cls((1, 16, 16), 4, **options)


@pytest.mark.parametrize("cls", [ResidualEncoder, ResidualDecoder])
def test_points_and_tiny_images_are_refused(cls):
    with pytest.raises(InputError, match="use the Dense networks"):
        cls((2,), 4)
    with pytest.raises(InputError, match="at least 8 x 8"):
        cls((1, 4, 32), 4, downsamplings=1)


@pytest.mark.parametrize("cls", [ResidualEncoder, ResidualDecoder])
def test_downsamplings_may_still_be_given_and_read_by_their_name_of_version_0_1(cls):
    with pytest.warns(DeprecationWarning, match="'halvings' is 'downsamplings' now"):
        network = cls((1, 16, 16), 4, width=4, halvings=2)
    with pytest.warns(DeprecationWarning, match="halvings is downsamplings now"):
        assert network.halvings == network.downsamplings == 2
    assert network.map_size == (4, 4)


# attention -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [(5,), (4, 3), (2, 3, 2)])
def test_attention_is_that_of_torch_with_one_head(sides):
    ours, theirs = SelfAttention(6, LAYERS[len(sides)]), nn.MultiheadAttention(6, 1, batch_first=True)
    nn.init.normal_(ours.last.weight)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.queries_keys_values.weight.flatten(1))
        theirs.in_proj_bias.copy_(ours.queries_keys_values.bias)
        theirs.out_proj.weight.copy_(ours.last.weight.flatten(1))
        theirs.out_proj.bias.copy_(ours.last.bias)
    x = torch.randn(2, 6, *sides)
    sequence = ours.norm(x).flatten(2).mT
    expected = x + theirs(sequence, sequence, sequence)[0].mT.reshape(x.shape)
    torch.testing.assert_close(ours(x), expected)


@pytest.mark.parametrize("downsamplings", [None, 2])
def test_attention_follows_the_blocks_of_the_smallest_map_and_starts_as_the_identity(downsamplings):
    options = {"width": 8, "blocks": 2, "downsamplings": downsamplings, "attention": True}
    for network, before in (
        (ResidualEncoder((1, 16, 16), 4, **options), "ResidualBlock"),
        (ResidualDecoder((1, 16, 16), 4, **options), "ResidualBlock"),
    ):
        (place,) = (i for i, part in enumerate(network.layers) if isinstance(part, SelfAttention))
        assert type(network.layers[place - 1]).__name__ == before
        x = torch.randn(2, network.layers[place].norm.num_channels, 4, 4)
        shift = network.layers[place].last.bias.view(1, -1, 1, 1)
        torch.testing.assert_close(network.layers[place](x) - x, shift.expand_as(x))
        widest = max(part.num_channels for part in network.modules() if isinstance(part, nn.GroupNorm))
        assert network.layers[place].norm.num_channels == widest


def test_with_attention_other_sizes_are_accepted_as_well():
    encoder = ResidualEncoder((1, 16, 16), 4, width=8, downsamplings=2, attention=True)
    decoder = ResidualDecoder((1, 16, 16), 4, width=8, downsamplings=2, attention=True)
    code = encoder(torch.randn(1, 1, 24, 20))
    assert code.shape == (1, 4, 6, 5)
    assert decoder(code).shape == (1, 1, 24, 20)
