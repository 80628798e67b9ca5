"""What a discriminator is shown: marginals, dependence, where gradients go, and a divergence that is known."""

import pytest
import torch

from lightning_gen.adversaries import (
    GenerationMatching,
    IndependenceMatching,
    PriorMatching,
    ReconstructionMatching,
)
from lightning_gen.adversaries.matching import positions, shuffled
from lightning_gen.errors import InputError
from lightning_gen.objectives import DensityRatio
from lightning_gen.records import Code, Reconstruction

MATCHINGS = (PriorMatching(), IndependenceMatching(), ReconstructionMatching(), GenerationMatching())
every_matching = pytest.mark.parametrize("matching", MATCHINGS, ids=lambda each: type(each).__name__)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def a_pass(n=6, latent_dim=3, size=(), labels=None):
    """A pass whose decoder doubles the mean of the code."""
    z = torch.randn(n, latent_dim, *size, generator=rng()).requires_grad_()
    source = rng(1)
    return Reconstruction(
        torch.rand(n, 1, 2, 2),
        Code(z, z),
        decode(z),
        labels=labels,
        draw_prior=lambda count: torch.randn(count, latent_dim, *size, generator=source),
    )


def decode(code, labels=None):
    return 2 * code.flatten(1).mean(1).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)


@every_matching
@pytest.mark.parametrize("size", [(), (2, 3)], ids=["vectors", "maps"])
def test_both_sides_have_the_shape_that_the_discriminator_is_built_for(matching, size):
    labels = torch.arange(6)
    sides = matching(a_pass(size=size, labels=labels), decode, rng())
    shape = matching.discriminator_shape((1, 2, 2), 3)
    assert sides.real.shape[1:] == sides.fake.shape[1:] == shape
    assert len(sides.fake) % len(sides.real) == 0
    assert len(sides.real_labels) == len(sides.real)
    assert len(sides.fake_labels) == len(sides.fake)


@every_matching
def test_gradients_reach_the_autoencoder_through_the_fake_side_alone(matching):
    record = a_pass()
    sides = matching(record, decode, rng())
    assert not sides.real.requires_grad
    (gradient,) = torch.autograd.grad(sides.fake.square().sum(), record.code.sample)
    assert gradient.abs().min() > 0
    assert not sides.detached().fake.requires_grad


def test_the_places_of_a_map_are_codes_with_the_classes_of_their_samples():
    code = torch.arange(24.0).view(2, 3, 2, 2)
    expected = [[code[n, d, h, w] for d in range(3)] for n in range(2) for h in range(2) for w in range(2)]
    assert torch.equal(positions(code), torch.tensor(expected))
    sides = PriorMatching()(a_pass(2, size=(2, 2), labels=torch.tensor([4, 7])), decode, rng())
    assert sides.fake_labels.tolist() == [4, 4, 4, 4, 7, 7, 7, 7]


def test_shuffling_keeps_the_marginals_to_the_bit_and_breaks_dependence():
    z = torch.randn(4096, 1, generator=rng()).repeat(1, 3)
    mixed = shuffled(z, rng(1))
    assert torch.equal(mixed.sort(dim=0).values, z.sort(dim=0).values)
    assert torch.corrcoef(z.T).min() > 0.999
    assert (torch.corrcoef(mixed.T) - torch.eye(3)).abs().max() < 4 / 4096**0.5


def test_shuffled_codes_follow_the_seed_and_hide_no_gradient():
    code = a_pass(64).code.sample
    record = Reconstruction(torch.rand(64, 1, 2, 2), Code(code, code), decode(code))
    first, again, other = (IndependenceMatching()(record, decode, rng(seed)).real for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("correlation", [0.0, 0.5, -0.9])
def test_the_total_correlation_of_gaussian_codes_is_that_of_the_closed_form(correlation):
    """The optimal discriminator's logit is log Π q(z_d) - log q(z); of two Gaussians TC = -½ log(1 - ρ²)."""
    covariance = torch.tensor([[1.0, correlation], [correlation, 1.0]], dtype=torch.float64)
    joint = torch.distributions.MultivariateNormal(torch.zeros(2, dtype=torch.float64), covariance)
    torch.manual_seed(0)
    z = joint.sample((200_000,))
    product = torch.distributions.Normal(0.0, 1.0)
    logits = product.log_prob(z).sum(1) - joint.log_prob(z)
    expected = -0.5 * torch.log1p(torch.tensor(-(correlation**2), dtype=torch.float64))
    deviation = logits.std() / len(z) ** 0.5
    assert DensityRatio().generator(None, logits) == pytest.approx(expected.item(), abs=4 * deviation.item() + 1e-12)


def test_a_discriminator_of_that_objective_finds_the_closed_form_by_itself():
    """A logit that is quadratic in z can be optimal for Gaussians: training it gives their total correlation."""
    torch.manual_seed(0)
    rho = 0.8
    z = torch.randn(20_000, 2)
    z = torch.stack([z[:, 0], rho * z[:, 0] + (1 - rho**2) ** 0.5 * z[:, 1]], dim=1)
    record = Reconstruction(z, Code(z, z), z)
    sides = IndependenceMatching()(record, decode, rng(1))
    weights = torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def logits(x):
        return torch.stack([torch.ones(len(x)), x[:, 0] ** 2, x[:, 1] ** 2, x[:, 0] * x[:, 1]], dim=1) @ weights

    def closure():
        optimizer.zero_grad()
        loss = DensityRatio().discriminator(logits(sides.real), logits(sides.fake))
        loss.backward()
        return loss

    optimizer.step(closure)
    found = DensityRatio().generator(None, logits(sides.fake)).item()
    assert found == pytest.approx(-0.5 * torch.log(torch.tensor(1 - rho**2)).item(), rel=0.05)


def test_draws_without_a_prior_are_refused():
    record = a_pass()
    bare = Reconstruction(record.x, record.code, record.output)
    for matching in (PriorMatching(), GenerationMatching()):
        with pytest.raises(InputError, match="GaussianBottleneck"):
            matching(bare, decode, rng())
