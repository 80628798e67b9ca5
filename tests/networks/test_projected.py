"""The discriminator of Projected GANs: what is trained, what is not, and what its logits depend on."""

import copy

import pytest
import torch
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import ProjectedDiscriminator, Projection
from lightning_gen.networks.projected import DEVIATIONS, Mixing
from lightning_gen.pretrained import Lite0

pytest.importorskip("timm")
SHAPE = (3, 64, 64)


def test_the_mixtures_are_two_convolutions_of_the_levels_by_hand():
    mixing = Mixing((2, 3), DEVIATIONS[:2], 4)
    fine, coarse = torch.randn(2, 2, 8, 8), torch.randn(2, 3, 4, 4)
    channels, scales = mixing.channels0, mixing.scales0
    mixed = torch.einsum("oc,nchw->nohw", mixing.channels1[:, :, 0, 0], coarse / DEVIATIONS[1])
    larger = nn.functional.interpolate(mixed, scale_factor=2, mode="bilinear")
    expected = torch.einsum("oc,nchw->nohw", channels[:, :, 0, 0], fine / DEVIATIONS[0])
    expected = expected + nn.functional.conv2d(larger, scales, padding=1)
    torch.testing.assert_close(mixing((fine, coarse)), [expected, mixed])


def test_features_of_photographs_have_about_unit_variance():
    data = pytest.importorskip("skimage.data")
    images = [torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None] for name in ("cat", "coffee", "astronaut")]
    resized = torch.cat([nn.functional.interpolate(x / 127.5 - 1, (64, 64), mode="area") for x in images])
    for features, deviation in zip(Lite0().maps(resized), DEVIATIONS, strict=True):
        assert 0.5 < float(features.std()) / deviation < 2


def test_what_is_frozen_stays_and_what_is_trained_learns():
    torch.manual_seed(0)
    discriminator = ProjectedDiscriminator(SHAPE, width=4)
    before = copy.deepcopy(dict(discriminator.named_buffers()))
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=0.01)
    lite0 = discriminator.network(torch.zeros(1))
    frozen = copy.deepcopy(lite0.state_dict())
    for _ in range(10):
        optimizer.zero_grad()
        discriminator(torch.randn(4, *SHAPE)).logits.square().mean().backward()
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in discriminator.parameters())
        optimizer.step()
    for name, value in lite0.state_dict().items():
        assert torch.equal(value, frozen[name]), name
    for name, value in discriminator.mixing.named_buffers():
        assert torch.equal(value, before[f"mixing.{name}"]), name


def test_checkpoints_hold_the_mixtures_and_not_the_network():
    discriminator, other = ProjectedDiscriminator(SHAPE, width=4), ProjectedDiscriminator(SHAPE, width=4)
    state = discriminator.state_dict()
    assert sum(value.numel() for value in state.values()) < 200_000
    assert not any(name.startswith("network") for name in state)
    other.load_state_dict(state)
    x = torch.randn(2, *SHAPE)
    assert torch.equal(discriminator.eval()(x).logits, other.eval()(x).logits)


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 48, 64), (3, 33, 33)])
def test_logits_are_next_to_each_other_for_one_image_and_gradients_reach_it(shape):
    discriminator = ProjectedDiscriminator(shape, width=4, batch_norm=False).eval()
    x = torch.randn(2, *shape, requires_grad=True)
    logits = discriminator(x).logits
    (gradient,) = torch.autograd.grad(logits[: len(logits) // 2].sum(), x)
    assert gradient[0].abs().max() > 0
    assert not gradient[1].any()


def test_with_classes_a_logit_adds_the_inner_product_with_the_class():
    discriminator = ProjectedDiscriminator(SHAPE, width=4, conditioning=Projection(3)).eval()
    x = torch.randn(1, *SHAPE).expand(2, *SHAPE)
    first, second = discriminator(x, torch.tensor([0, 2])).logits.chunk(2)
    assert not torch.allclose(first, second)
    for head in discriminator.heads:
        torch.nn.utils.parametrize.remove_parametrizations(head.head.embedding, "weight")
        head.head.embedding.weight.data.zero_()
    first, second = discriminator(x, torch.tensor([0, 2])).logits.chunk(2)
    assert torch.equal(first, second)
    with pytest.raises(InputError, match="come without labels"):
        discriminator(x)


def test_half_of_the_logits_are_that_of_the_image_alone_and_the_others_depend_on_the_batch():
    discriminator = ProjectedDiscriminator(SHAPE, width=4, pixel_width=4)
    x = torch.randn(3, *SHAPE, requires_grad=True)
    of_features, of_image = discriminator(x).logits.view(3, 2, -1).unbind(1)
    torch.testing.assert_close(of_image, discriminator.eval().image(x).logits[:, None].expand_as(of_image))
    assert of_features.shape[1] == 3 * 4 * 4 + 2 * 2
    (alone,) = torch.autograd.grad(of_image[0].sum(), x, retain_graph=True)
    (together,) = torch.autograd.grad(of_features[0].sum(), x)
    assert alone[0].abs().max() > 0
    assert not alone[1:].any()
    assert together[1:].abs().max() > 0


def test_size_is_that_at_which_the_network_reads():
    discriminator = ProjectedDiscriminator(SHAPE, width=4, size=96)
    assert discriminator.mixtures(torch.randn(2, *SHAPE))[0].shape[2:] == (24, 24)


@pytest.mark.parametrize("shape", [(4, 64, 64), (64,), (3, 16, 16)])
def test_what_the_network_cannot_read_is_refused_when_it_is_built(shape):
    with pytest.raises(InputError, match="ProjectedDiscriminator"):
        ProjectedDiscriminator(shape)
