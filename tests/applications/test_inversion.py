"""Latents of given samples: against closed forms, and by what a search may not depend on."""

import pytest
import torch
from torch import nn

from lightning_gen import GANModule, InputError
from lightning_gen.applications import Inversion, Search
from lightning_gen.networks import Concatenation, DenseDiscriminator, Projection
from lightning_gen.objectives import NonSaturating
from lightning_gen.priors import Hypersphere, Normal, Uniform

SHAPE, WIDTH = (12,), 3


class Linear(nn.Module):
    """x = W z, with an orthogonal class vector added where there are classes."""

    def __init__(self, num_classes=None, bend=False):
        super().__init__()
        self.latent_dim, self.num_classes, self.bend = WIDTH, num_classes, bend
        generator = torch.Generator().manual_seed(1)
        weight = torch.linalg.qr(torch.randn(SHAPE[0], SHAPE[0], generator=generator))[0]
        self.register_buffer("weight", weight[:, :WIDTH] * torch.tensor([1.0, 2.0, 3.0]))
        self.register_buffer("classes", 4 * weight[:, WIDTH:].T.contiguous())
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z, labels=None):
        x = self.scale * z @ self.weight.T
        x = x.sin() if self.bend else x
        return x if labels is None else x + self.classes[labels]


def module(prior=None, num_classes=None, bend=False, discriminator=None, **options):
    conditioning = None if num_classes is None else Projection(num_classes)
    judge = discriminator or DenseDiscriminator(SHAPE, (16,), conditioning=conditioning)
    return GANModule(Linear(num_classes, bend), judge, NonSaturating(), prior=prior, **options)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("noise", [0.0, 0.1, 1.0])
def test_the_latents_of_a_linear_generator_are_those_of_ridge_regression(noise):
    gan = module()
    x = torch.randn(5, *SHAPE, generator=source())
    found = Inversion(gan, Search(features=0, noise=noise, restarts=1))(x)
    inversion = Inversion(gan, Search(features=0, noise=noise))
    draws = gan(inversion._latents).double()
    variance = draws.var(0, correction=0).mean()
    weight = gan.sampler.network.weight.double()
    ridge = weight.T @ weight + noise**2 * variance * torch.eye(WIDTH)
    expected = torch.linalg.solve(ridge, weight.T @ x.double().T).T
    torch.testing.assert_close(found.latents.double(), expected, rtol=0, atol=2e-3)
    torch.testing.assert_close(inversion.mean.double(), draws.mean(0), rtol=0, atol=1e-5)


def test_own_samples_are_found_and_others_are_not():
    gan = module(bend=True)
    inversion = Inversion(gan, Search(noise=0))
    own = gan.sample(6, generator=source(5))
    other = 3 * torch.randn(6, *SHAPE, generator=source(6))
    errors = [(inversion(x).samples - x).square().mean() for x in (own, other)]
    assert errors[0] < 1e-4 * own.var()
    assert errors[1] > 0.5 * other.var()


@pytest.mark.parametrize("classes", [None, 4])
def test_the_loss_that_is_told_is_that_of_the_sample_that_is_kept(classes):
    gan = module(num_classes=classes, bend=True)
    inversion = Inversion(gan, Search(steps=30, learning_rate=2.0))  # so large that the last step is not the best
    x, labels = torch.randn(7, *SHAPE, generator=source()), None if classes is None else torch.arange(7) % classes
    found = inversion(x, labels)
    with torch.no_grad():
        told = inversion.loss(found.latents, found.labels, x, gan.features(x, found.labels))
        samples = gan(found.latents, found.labels)
    torch.testing.assert_close(found.losses, told, rtol=1e-5, atol=1e-6)
    assert torch.equal(found.samples, samples)
    start = Inversion(gan, Search(steps=0))(x, labels)
    assert (found.losses <= start.losses + 1e-6).all()
    assert (found.losses < start.losses).any()


def test_no_sample_depends_on_the_others_or_on_the_number_of_searches_at_a_time(monkeypatch):
    judge = DenseDiscriminator(SHAPE, (16,), minibatch_std=True)
    gan = module(bend=True, discriminator=judge)
    x = torch.randn(6, *SHAPE, generator=source())
    whole = Inversion(gan, Search(steps=40))(x)
    alone = Inversion(gan, Search(steps=40))(x[4:5])
    torch.testing.assert_close(alone.latents, whole.latents[4:5], rtol=0, atol=1e-4)
    monkeypatch.setattr("lightning_gen.applications.inversion.LATENTS", 8)
    parts = Inversion(gan, Search(steps=40))(x)
    torch.testing.assert_close(parts.latents, whole.latents, rtol=0, atol=1e-4)
    assert gan.training, "the mode is restored"


@pytest.mark.parametrize(
    ("prior", "inside"),
    [
        (Uniform(), lambda z: (z.abs() <= 1).all()),
        (Hypersphere(), lambda z: torch.allclose(z.norm(dim=1), torch.tensor(WIDTH**0.5), atol=1e-5)),
    ],
)
def test_latents_stay_where_the_prior_has_a_density(prior, inside):
    far = 20 * torch.randn(5, *SHAPE, generator=source())
    found = Inversion(module(prior), Search(steps=60))(far)
    assert inside(found.latents)
    normal = Inversion(module(Normal()), Search(steps=60))(far)
    assert not inside(normal.latents)


def test_classes_are_told_or_searched():
    gan = module(num_classes=9)
    labels = torch.tensor([8, 0, 3, 3])
    own = gan.sample(4, labels, source(3))
    searched = Inversion(gan)(own)
    assert torch.equal(searched.labels, labels)
    torch.testing.assert_close(searched.samples, own, rtol=0, atol=0.1)
    told = Inversion(gan, Search(steps=5))(own, (labels + 1) % 9)
    assert torch.equal(told.labels, (labels + 1) % 9)


def test_the_seed_decides_the_starts():
    gan, x = module(), torch.randn(3, *SHAPE, generator=source())
    one, same, other = (Inversion(gan, Search(steps=0, seed=seed))(x).latents for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    drawn = gan.latents(64, torch.Generator().manual_seed(1))
    starts = Inversion(gan, Search(seed=1))._latents
    assert torch.cdist(drawn, starts).min() > 1e-6, "samples of the same seed are no starts"


def test_more_restarts_are_never_worse():
    gan, x = module(bend=True), torch.randn(8, *SHAPE, generator=source())
    few, many = (Inversion(gan, Search(steps=50, restarts=count))(x).losses for count in (1, 8))
    assert (many <= few + 1e-5).all()
    assert (many < few - 1e-3).any()


def test_features_that_belong_to_several_samples_are_left_out():
    packed = module(discriminator=DenseDiscriminator(SHAPE, (16,), packing=2))
    x = torch.randn(4, *SHAPE)
    assert packed.features(x) is None
    assert Inversion(packed, Search(steps=3))(x).losses.isfinite().all()
    spread = module(discriminator=DenseDiscriminator(SHAPE, (16,), minibatch_std=True)).eval()
    torch.testing.assert_close(spread.features(x)[:1], spread.features(x[:1]))
    conditional = module(num_classes=3, discriminator=DenseDiscriminator(SHAPE, (16,), conditioning=Concatenation(3)))
    one, other = (conditional.features(x, torch.full((4,), label)) for label in (0, 2))
    assert not torch.equal(one, other)


def test_a_diverged_generator_is_said():
    gan = module(ema=None)
    with torch.no_grad():
        gan.generator.network.scale.fill_(torch.nan)
    with pytest.raises(InputError, match="not finite: the training diverged"):
        Inversion(gan, Search(steps=1))(torch.zeros(2, *SHAPE))


@pytest.mark.parametrize(
    "numbers", [{"steps": -1}, {"restarts": 0}, {"restarts": 33}, {"learning_rate": 0}, {"noise": -1}, {"seed": -1}]
)
def test_numbers_out_of_range_are_refused(numbers):
    (name,) = numbers
    with pytest.raises(InputError, match=name):
        Search(**numbers)
