import pytest
import torch
from torch.distributions import Normal

from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.objectives import GaussianLikelihood, PixelScaleGaussianLikelihood, SharedScaleGaussianLikelihood
from lightning_gen.objectives.learned_scale import LOG_SCALE_FLOOR
from lightning_gen.records import Code, Reconstruction


def data(n=50):
    torch.manual_seed(0)
    return torch.rand(n, 3, 4, 5, dtype=torch.double) * 2 - 1


def ascend(likelihood, x, output, parameters):
    code = torch.zeros(len(x), 1)
    optimizer = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure():
        optimizer.zero_grad()
        loss = likelihood(Reconstruction(x, Code(code, code), output))
        loss.backward()
        return loss

    optimizer.step(closure)


@pytest.mark.parametrize("scale", [0.01, 0.3, 1.0, 5.0])
def test_it_begins_as_the_gaussian_of_its_scale(scale):
    x, likelihood = data(), SharedScaleGaussianLikelihood(scale).double()
    torch.testing.assert_close(likelihood.learned_scale.item(), scale)
    expected = GaussianLikelihood(scale).log_prob(torch.zeros_like(x), x)
    torch.testing.assert_close(likelihood.log_prob(torch.zeros_like(x), x), expected)


def test_the_best_shared_scale_is_the_root_mean_squared_error():
    x, likelihood = data(), SharedScaleGaussianLikelihood().double()
    output = torch.full_like(x, 0.25)
    ascend(likelihood, x, output, likelihood.parameters())
    torch.testing.assert_close(likelihood.learned_scale.detach(), (x - 0.25).square().mean().sqrt())


def test_the_best_scale_of_a_pixel_is_its_own_root_mean_squared_error():
    x, likelihood = data(), PixelScaleGaussianLikelihood()
    output = torch.zeros(1, 6, 4, 5, dtype=torch.double, requires_grad=True)
    code = torch.zeros(len(x), 1)
    optimizer = torch.optim.LBFGS([output], max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure():
        optimizer.zero_grad()
        loss = likelihood(Reconstruction(x, Code(code, code), output.expand(len(x), -1, -1, -1)))
        loss.backward()
        return loss

    optimizer.step(closure)
    drawn = likelihood.sample(output.detach().expand(20_000, -1, -1, -1), torch.Generator().manual_seed(0))
    torch.testing.assert_close(likelihood.mean(output.detach())[0], x.mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(drawn.std(0), x.std(0, correction=0), rtol=0.03, atol=0)


def test_pixel_scales_are_the_log_density():
    x, mean, log_scale = data(), torch.randn(50, 3, 4, 5).double(), torch.randn(50, 3, 4, 5).double()
    bounded = LOG_SCALE_FLOOR + torch.nn.functional.softplus(log_scale - LOG_SCALE_FLOOR)
    ours = PixelScaleGaussianLikelihood().log_probs(torch.cat([mean, log_scale], 1), x)
    torch.testing.assert_close(ours, Normal(mean, bounded.exp()).log_prob(x))


@pytest.mark.parametrize("cls", [SharedScaleGaussianLikelihood, PixelScaleGaussianLikelihood])
def test_a_pixel_that_is_always_black_has_no_density_without_bound(cls):
    likelihood, x = cls(), -torch.ones(4, 1, 2, 2)
    output = -torch.ones(4, likelihood.outputs(1), 2, 2)
    output[:, 1:] = -1e3
    for parameter in likelihood.parameters():
        torch.nn.init.constant_(parameter, -1e3)
    most = Normal(0.0, torch.tensor(LOG_SCALE_FLOOR).exp()).log_prob(torch.tensor(0.0))
    torch.testing.assert_close(likelihood.log_probs(output, x), most.expand(4, 1, 2, 2))


def test_the_scale_is_not_left_out_of_the_optimizer(autoencoder, trainer):
    """A scale that no optimizer was given stays where it is (the `logvar` of latent-diffusion)."""
    likelihood = SharedScaleGaussianLikelihood()
    module = autoencoder(objective={"reconstruction": likelihood})
    trainer(max_steps=5).fit(module, Digits(size=8, batch_size=32))
    assert likelihood.learned_scale < 0.999
    assert "objective.reconstruction.log_scale" in module.state_dict()


@pytest.mark.parametrize("scale", [0.0, -1.0, 0.001])
def test_a_scale_below_the_bound_is_refused(scale):
    with pytest.raises(InputError, match=r"cannot start with scale .*: give a standard deviation above 0\.0025"):
        SharedScaleGaussianLikelihood(scale)
