import pytest
import torch

from lightning_gen.augmentations import Binarization, Dequantization
from lightning_gen.data import Digits
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood

OBSERVATIONS = (Binarization, Dequantization)
every_observation = pytest.mark.parametrize("cls", OBSERVATIONS)
VALUES = torch.arange(256)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def pixels(n=1):
    """All 8-bit values, as the module hands them on: uint8 on the way to [-1, 1]."""
    return (VALUES.float().div(127.5) - 1).view(1, 1, 16, 16).expand(n, -1, -1, -1)


@every_observation
def test_shapes_stay_and_the_originals_too(cls):
    x = pixels(3)
    original = x.clone()
    seen = cls()(x, source())
    assert seen.shape == x.shape
    assert torch.equal(x, original)
    assert seen.abs().max() <= 1


@every_observation
def test_only_the_generator_given_is_drawn_from(cls):
    observation, state = cls(), torch.get_rng_state()
    assert torch.equal(observation(pixels(), source(1)), observation(pixels(), source(1)))
    assert not torch.equal(observation(pixels(), source(1)), observation(pixels(), source(2)))
    assert torch.equal(torch.get_rng_state(), state)


@every_observation
def test_an_autoencoder_is_a_model_of_what_is_observed(cls, autoencoder, trainer):
    likelihood = BernoulliLikelihood() if cls is Binarization else GaussianLikelihood()
    module = autoencoder(objective={"reconstruction": likelihood}, input_transform=cls())
    runner = trainer(max_steps=2)
    runner.fit(module, Digits(size=8, batch_size=32))
    found = [runner.validate(module, Digits(size=8), verbose=False)[0]["val/loss"] for _ in range(2)]
    assert found[0] == found[1]


def test_binarized_pixels_are_black_or_white_and_grey_on_average():
    n = 20_000
    seen = Binarization()(pixels(n), source())
    assert set(seen.unique().tolist()) == {-1.0, 1.0}
    deviation = (1 - pixels()[0].square()).sqrt()
    assert ((seen.mean(0) - pixels()[0]).abs() <= 5 * deviation / n**0.5).all()


def test_black_and_white_stay():
    x = torch.tensor([-1.0, 1.0]).repeat(50_000)
    assert torch.equal(Binarization()(x, source()), x)


def test_flooring_gives_the_8_bit_values_back():
    n = 5_000  # 1.3 million pixels: without the fine grid of u some 4 of them would be rounded up into the next step
    seen = Dequantization()(pixels(n), source())
    assert torch.equal(((seen + 1) * 128).floor().long(), VALUES.view(1, 1, 16, 16).expand(n, -1, -1, -1))
    assert seen.min() >= -1
    assert seen.max() < 1


def test_the_noise_fills_the_step():
    n = 20_000
    u = (Dequantization()(pixels(n), source()) + 1) * 128 - VALUES.view(1, 1, 16, 16)
    assert u.mean().item() == pytest.approx(0.5, abs=0.001)
    assert u.std().item() == pytest.approx(12**-0.5, abs=0.001)
    assert (u.flatten(1).mean(0) - 0.5).abs().max() < 5 * 12**-0.5 / n**0.5
    assert u.min() < 1e-4
    assert u.max() > 1 - 1e-4


def test_a_density_of_dequantised_pixels_bounds_the_bits_of_the_8_bit_ones():
    """The density that is p(v) · 128 on the step of v gives exactly the code length of v."""
    torch.manual_seed(0)
    log_p = torch.randn(256).double().log_softmax(0)
    seen = Dequantization()(pixels(), source()).double()
    value = ((seen + 1) * 128).floor().long()
    nats = -(log_p[value] + torch.tensor(128.0).log()).sum()
    expected = -log_p.sum() / 256 / torch.tensor(2.0).log()
    torch.testing.assert_close(
        GaussianLikelihood().bits_per_dim(nats, (1, 16, 16), 2 / 256), expected, check_dtype=False
    )
