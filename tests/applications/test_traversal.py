"""Paths through latents: their ends, their shape, and where their samples are seen."""

import math

import pytest
import torch

from lightning_gen.applications.axes import Axis
from lightning_gen.applications.traversal import (
    Traversal,
    frames,
    linear,
    path_between,
    paths_along,
    paths_by_class,
    samples_of,
    sheet,
    spherical,
)
from lightning_gen.bottlenecks import FiniteScalarQuantizer, VectorQuantizer
from lightning_gen.networks import Concatenation, DenseDecoder, DenseDiscriminator, DenseEncoder, DenseGenerator

PATHS = (linear, spherical)


def test_an_arc_between_orthogonal_ends_turns_by_equal_angles():
    path = spherical(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), 5)
    angles = torch.arange(5) * math.pi / 8
    torch.testing.assert_close(path, 2 * torch.stack([angles.cos(), angles.sin()], 1))


def test_an_arc_stays_on_the_sphere_of_its_ends():
    ends = torch.nn.functional.normalize(torch.randn(2, 64), dim=1) * 8
    torch.testing.assert_close(spherical(*ends, 9).norm(dim=1), torch.full((9,), 8.0))
    assert linear(*ends, 9)[4].norm() < 7


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("first", "last"),
    [
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0, 2.0], [2.0, 4.0]),
        ([1.0, 2.0], [-1.0, -2.0]),
        ([1.0, 2.0], [-1.0, -2.0000002]),
        ([0.0, 0.0], [1.0, 2.0]),
        ([1e-30, 0.0], [0.0, 1e-30]),
        ([0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_a_path_is_finite_and_has_its_ends_whatever_they_are(path, first, last):
    first, last = torch.tensor(first), torch.tensor(last)
    found = path(first, last, 7)
    assert found.isfinite().all()
    assert found.abs().max() <= 1.001 * max(first.abs().max(), last.abs().max())
    assert torch.equal(found[0], first)
    assert torch.equal(found[-1], last)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_the_same_backwards(path):
    ends = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(path(*ends, 6).flip(0), path(*ends.flip(0), 6))


@pytest.mark.parametrize("variational", [False, True])
def test_ends_are_the_reconstructions_of_their_pictures(autoencoder, variational):
    module = autoencoder(variational=variational).eval()
    x = torch.rand(3, 1, 8, 8) * 2 - 1
    path = path_between(module, module.encode(x).detach(), "abc", 5, along_sphere=False)
    samples = samples_of(module, path).unflatten(0, (2, 5))
    expected = module.reconstruct(x).detach()
    torch.testing.assert_close(samples[:, 0], expected[:2])
    torch.testing.assert_close(samples[:, -1], expected[1:])
    assert path.names == ("a to b", "b to c")


def grid():
    return FiniteScalarQuantizer((5, 3))


def codebook():
    bottleneck = VectorQuantizer(latent_dim=4, codes=16)
    torch.nn.init.normal_(bottleneck.each_codebook()[0].vectors)
    return bottleneck


@pytest.mark.parametrize("make", [grid, codebook])
def test_codes_between_ends_are_of_the_codebook(autoencoder, make):
    bottleneck = make()
    module = autoencoder(
        encoder=DenseEncoder((1, 8, 8), bottleneck.features, widths=(8,)),
        decoder=DenseDecoder((1, 8, 8), bottleneck.latent_dim, widths=(8,)),
        bottleneck=bottleneck,
    ).eval()
    x = torch.randn(2, 1, 8, 8) * 30
    path = path_between(module, module.encode(x).detach(), "ab", 9, along_sphere=False)
    codes = path.latents[0]
    assert torch.equal(bottleneck.quantize(codes), codes)
    samples = samples_of(module, path)
    torch.testing.assert_close(samples[[0, -1]], module.reconstruct(x).detach())


def test_the_middle_of_a_row_is_the_reconstruction_of_the_start(autoencoder):
    module = autoencoder(variational=True).eval()
    x = torch.rand(1, 1, 8, 8)
    start = module.encode(x).detach()[0]
    axes = [Axis(str(index), torch.eye(3)[index], -0.3 * index, 2.0, "") for index in range(3)]
    path = paths_along(module, start, axes, 7)
    samples = samples_of(module, path).unflatten(0, (3, 7))
    torch.testing.assert_close(samples[:, 3], module.reconstruct(x).detach().expand(3, 1, 8, 8))
    expected = start.clone()
    expected[2] -= 0.6
    torch.testing.assert_close(path.latents[2, 0], expected)
    torch.testing.assert_close(path.latents[0, -1, 0], start[0] + 2)
    assert torch.equal(path.latents[:, :, 0][1:], start[0].expand(2, 7)), "other dimensions stay as they are"


def test_a_closed_path_shows_each_latent_once_and_goes_back(gan):
    module = gan()
    ends = torch.randn(3, 4)
    path = path_between(module, ends, "abc", 4, along_sphere=True, loop=True)
    assert path.names == ("a to b", "b to c", "c to a")
    shown = torch.cat(path.frames)
    latents = path.latents.flatten(0, 1)[shown]
    assert len(latents) == 9
    assert len(latents.unique(dim=0)) == 9
    assert torch.equal(latents[[0, 3, 6]], ends)
    open_path = path_between(module, ends, "abc", 4, along_sphere=True)
    shown = open_path.latents.flatten(0, 1)[torch.cat(open_path.frames)]
    assert len(shown) == 7
    assert torch.equal(shown[[0, 3, 6]], ends)


def test_rows_that_go_back_end_where_they_began(gan):
    path = paths_along(gan(), torch.zeros(4), [Axis("a", torch.eye(4)[0], -1, 1, "")], 5, loop=True)
    assert path.latents[0, :, 0].tolist() == [-1, -0.5, 0, 0.5, 1, 0.5, 0, -0.5, -1]
    assert [places.tolist() for places in path.frames] == [[index] for index in range(8)]


def test_every_frame_of_rows_has_a_sample_of_each():
    frames = Traversal(("a", "b", "c"), torch.zeros(3, 5, 2)).frames
    assert [each.tolist() for each in frames] == [[step, 5 + step, 10 + step] for step in range(5)]


def test_samples_do_not_depend_on_how_many_are_decoded_at_a_time(gan, monkeypatch):
    module = gan(batch_norm=True)
    path = path_between(module, torch.randn(3, 4), "abc", 6, along_sphere=True)
    whole = samples_of(module, path)
    monkeypatch.setattr("lightning_gen.applications.inputs.LARGEST_BATCH", 5)
    torch.testing.assert_close(samples_of(module, path), whole)
    assert module.training, "the mode of the module is as it was"


def test_the_same_latents_are_drawn_with_each_class(gan):
    generator = DenseGenerator((1, 8, 8), 4, (16,), conditioning=Concatenation(3))
    discriminator = DenseDiscriminator((1, 8, 8), (8,), conditioning=Concatenation(3))
    module = gan(generator=generator, discriminator=discriminator).eval()
    latents = torch.randn(2, 4)
    path = paths_by_class(latents, [2, 0], ["c", "a"])
    samples = samples_of(module, path)
    expected = torch.cat([module(latents, torch.full((2,), label)) for label in (2, 0)]).detach()
    torch.testing.assert_close(samples, expected)


def test_a_sheet_has_each_sample_in_its_place(gan):
    module = gan()
    path = path_between(module, torch.randn(2, 4), "ab", 4, along_sphere=True)
    samples = samples_of(module, path)
    image = sheet(module.medium, path, samples)
    for index, sample in enumerate(samples):
        cell = image[0, 2:66:8, 2 + 66 * index : 66 + 66 * index : 8]  # enlarged 8 times, with lines of 2 pixels
        assert torch.equal(cell, module.medium.to_stored(sample)[0])
    shown = list(frames(module.medium, path, samples))
    assert [
        torch.equal(each[:, ::8, ::8], module.medium.to_stored(x)) for each, x in zip(shown, samples, strict=True)
    ] == [True] * 4
