from math import log

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from lightning_gen import AutoencoderModule
from lightning_gen.augmentations import Binarization, Dequantization
from lightning_gen.bottlenecks import GaussianBottleneck, HierarchicalBottleneck
from lightning_gen.data import Digits, Ring, Tensors
from lightning_gen.errors import InputError
from lightning_gen.evaluation import likelihoods as measured
from lightning_gen.evaluation.likelihoods import likelihoods
from lightning_gen.networks import Concatenation, DenseDecoder, DenseEncoder
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood, ImportanceWeightedBound
from lightning_gen.records import Code, Level
from lightning_gen.regularizers import KLDivergence

NAMES = ["elbo_nats", "bits_per_dim", "nll_nats", "active_units"]


@pytest.fixture(scope="module")
def digits():
    data = Digits(size=8)
    data.setup()
    return data


def figures(report):
    return {measurement.name: measurement.value for measurement in report.measurements}


def meanings(report):
    return {measurement.name: measurement.meaning for measurement in report.measurements}


def images(data):
    return data.scaled(data.test_set[:]).x


@pytest.fixture
def decoded(monkeypatch):
    """Count the codes that decoders decode, and the samples that encoders encode, pass by pass."""
    counts = {DenseDecoder: [], DenseEncoder: []}

    def counting(kind, original):
        def counted(self, x):
            counts[kind].append(len(x))
            return original(self, x)

        return counted

    monkeypatch.setattr(DenseDecoder, "decode", counting(DenseDecoder, DenseDecoder.decode))
    monkeypatch.setattr(DenseEncoder, "encode", counting(DenseEncoder, DenseEncoder.encode))
    return counts


def uninformative(module):
    """Make a module's posterior its prior and its output constant, so that log p(x) = log p(x|z) for any z."""
    for part in (module.encoder, module.decoder):
        last = [m for m in part.modules() if isinstance(m, nn.Linear)][-1]
        nn.init.zeros_(last.weight), nn.init.zeros_(last.bias)
    return module


def test_a_model_that_knows_nothing_is_at_log_2_a_pixel(autoencoder, digits):
    module = uninformative(autoencoder(variational=True, input_transform=Binarization()))
    report = likelihoods(module, digits, seed=0, draws=7)
    found = figures(report)
    assert list(found) == NAMES
    assert found["elbo_nats"] == pytest.approx(-64 * log(2), rel=1e-6)
    assert found["nll_nats"] == pytest.approx(64 * log(2), rel=1e-6)
    assert found["bits_per_dim"] == pytest.approx(1.0, rel=1e-6)
    assert found["active_units"] == 0
    assert not report.omitted
    assert "of 3 " in meanings(report)["active_units"]


def test_the_elbo_is_that_of_the_whole_test_split(autoencoder, digits):
    """The expected value: cross-entropy of the pixels and closed form of the divergence, averaged over many codes."""
    module = autoencoder(variational=True)
    x, draws = images(digits), torch.Generator().manual_seed(1)
    with torch.no_grad():
        mean, log_variance = module.encoder(x).chunk(2, 1)
        rate = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        distortion = torch.zeros(len(x))
        for _ in range(200):
            z = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=draws)
            p = module.decoder(z).sigmoid()
            distortion -= ((x + 1) / 2 * p.log() + (1 - x) / 2 * (1 - p).log()).sum((1, 2, 3)) / 200
    report = likelihoods(module, digits, seed=0, draws=1)
    assert figures(report)["elbo_nats"] == pytest.approx(-(rate + distortion).mean().item(), abs=0.03)
    assert report.card["elbo"]["samples"] == "180 of test"


def test_guard_as_many_codes_as_asked_for_whatever_the_chunks(autoencoder, digits, decoded, monkeypatch):
    """Neither 100 for 1 nor 200 for 250, and every sample is encoded once."""
    module = autoencoder(variational=True, input_transform=Binarization())
    for draws, outputs in ((1, 64 * 10), (250, 64 * 100), (7, 64 * 500), (3, 1), (250, 2**21)):
        monkeypatch.setattr(measured, "OUTPUTS", outputs)
        decoded[DenseDecoder].clear(), decoded[DenseEncoder].clear()
        report = measured.estimate(module, digits, 0, draws, 30)
        assert sum(decoded[DenseDecoder]) == 30 * draws
        assert sum(decoded[DenseEncoder]) == 30
        assert max(decoded[DenseDecoder]) <= max(1, outputs // 64)
        assert report.card["nll"] == {"codes": f"{draws} for each sample", "samples": "30 of test", "seed": 0}


def test_guard_all_of_the_test_split_is_looked_at(autoencoder, digits, decoded):
    likelihoods(autoencoder(variational=True), digits, seed=0, draws=2)
    assert sum(decoded[DenseDecoder]) == 180 * (measured.ELBO_DRAWS + 2)
    assert sum(decoded[DenseEncoder]) == 1 + 3 * 180  # whether there are levels; bound, estimate and units


@pytest.mark.parametrize("at_once", [1, 4, 6])
def test_the_estimate_is_log_mean_exp_however_the_codes_are_cut(autoencoder, digits, monkeypatch, at_once):
    """Codes that are fixed by their number, mean + k / 6 with k = 0...5, each sample's weights computed separately."""

    class Numbered(GaussianBottleneck):
        drawn = 0

        def forward(self, features, generator=None):
            code = super().forward(features, None)
            (level,) = code.levels
            count = len(features) // 180
            z = level.posterior.mean + (self.drawn + torch.arange(len(features)) % count)[:, None] / 6
            self.drawn += count
            return Code(z, code.mean, (Level(z, level.posterior, level.prior),))

    monkeypatch.setattr(measured, "ELBO_DRAWS", 1)
    monkeypatch.setattr(measured, "OUTPUTS", 64 * 180 * at_once)
    module = autoencoder(variational=True, bottleneck=Numbered(3))
    found = figures(measured.estimate(module, digits, 0, 6, 180))["nll_nats"]
    x, weights = images(digits), []
    with torch.no_grad():
        mean, log_variance = module.encoder(x).chunk(2, 1)
        for k in range(6):
            z = mean + k / 6
            ratio = Normal(0.0, 1.0).log_prob(z) - Normal(mean, (log_variance / 2).exp()).log_prob(z)
            weights.append(module.likelihood.log_prob(module.decoder(z), x) + ratio.sum(1))
    assert found == pytest.approx(-torch.stack(weights).double().exp().mean(0).log().mean().item(), rel=1e-6)


def test_more_codes_come_closer_from_above(autoencoder, digits):
    module = autoencoder(variational=True, input_transform=Binarization())
    one, many = (figures(likelihoods(module, digits, 0, draws))["nll_nats"] for draws in (1, 500))
    assert many < one
    assert many < -figures(likelihoods(module, digits, 0, 1))["elbo_nats"]


def test_the_same_seed_gives_the_same_figures(autoencoder, digits):
    module = autoencoder(variational=True, input_transform=Binarization())
    same, again, other = (figures(likelihoods(module, digits, seed, 3, 50)) for seed in (1, 1, 2))
    assert same == again
    assert all(same[name] != other[name] for name in ("elbo_nats", "nll_nats"))


@pytest.mark.parametrize(
    ("draws", "samples", "expected"), [(None, None, (555, 180)), (None, 20, (5000, 20)), (9, 999, (9, 180))]
)
def test_the_card_says_how_many_codes_and_samples(autoencoder, digits, monkeypatch, draws, samples, expected):
    monkeypatch.setattr(measured, "surprises", lambda module, batch, generator, draws: torch.zeros(len(batch.x)))
    report = likelihoods(autoencoder(variational=True), digits, 0, draws, samples)
    codes, count = expected
    assert report.card["nll"] == {"codes": f"{codes} for each sample", "samples": f"{count} of test", "seed": 0}
    assert f"by {codes:,} weighted codes" in meanings(report)["nll_nats"]


def test_large_samples_take_fewer_codes(autoencoder, digits, decoded, monkeypatch):
    monkeypatch.setattr(measured, "NLL_OUTPUTS", 3 * 180 * 8 * 8 + 99)
    report = likelihoods(autoencoder(variational=True), digits, 0)
    assert report.card["nll"]["codes"] == "3 for each sample"
    assert sum(decoded[DenseDecoder]) == 180 * (measured.ELBO_DRAWS + 3)


def test_large_test_splits_are_drawn_from_and_take_fewer_codes(autoencoder, tmp_path, decoded, monkeypatch):
    torch.save(torch.randint(0, 256, (2400, 1, 8, 8), dtype=torch.uint8), tmp_path / "x.pt")
    data = Tensors(str(tmp_path / "x.pt"), test_fraction=0.5)
    data.setup()
    monkeypatch.setattr(measured, "NLL_CODES", 4000)
    report = likelihoods(autoencoder(variational=True), data, 0)
    assert report.card["nll"] == {"codes": "4 for each sample", "samples": "1000 of test", "seed": 0}
    assert sum(decoded[DenseDecoder]) == 1200 * measured.ELBO_DRAWS + 4000


def test_active_units_are_those_whose_mean_varies(autoencoder, digits):
    """Variances of the posterior means: 1, 0.0121 and 0.0081, and the threshold is 0.01."""
    x = images(digits).flatten(1)
    centred = x - x.mean(0)
    axis = torch.linalg.svd(centred, full_matrices=False).Vh[0]
    spread = (centred @ axis).var(correction=0).sqrt()
    module = autoencoder(variational=True, encoder=DenseEncoder((1, 8, 8), 6, widths=()))
    layer = next(m for m in module.encoder.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        layer.weight.zero_(), layer.weight[:3].copy_(torch.tensor([1.0, 0.11, 0.09])[:, None] * axis / spread)
    assert figures(likelihoods(module, digits, 0, 1))["active_units"] == 2


# likelihoods and data


def test_grey_pixels_under_bernoulli_are_no_likelihood_and_black_and_white_ones_are(autoencoder, digits, tmp_path):
    note = "cross-entropy of grey pixels"
    for objective in (BernoulliLikelihood(), ImportanceWeightedBound(BernoulliLikelihood())):
        grey = meanings(likelihoods(autoencoder(variational=True, objective={"x": objective}), digits, 0, 1))
        assert [name for name in grey if note in grey[name]] == ["elbo_nats"], "once is enough"
    drawn = meanings(likelihoods(autoencoder(variational=True, input_transform=Binarization()), digits, 0, 1))
    torch.save(torch.randint(0, 2, (50, 1, 8, 8), dtype=torch.uint8) * 255, tmp_path / "x.pt")
    data = Tensors(str(tmp_path / "x.pt"))
    data.setup()
    stored = meanings(likelihoods(autoencoder(variational=True), data, 0, 1))
    assert not any(note in meaning for each in (drawn, stored) for meaning in each.values())


def test_a_density_of_pixels_is_dequantised_once_for_its_bits(autoencoder, digits):
    """The output is 0 for every x: -log p of the dequantised pixels in closed form."""
    terms = {"reconstruction": GaussianLikelihood(0.7), "kl": KLDivergence()}
    plain = uninformative(autoencoder(variational=True, objective=terms))
    observing = uninformative(autoencoder(variational=True, objective=terms, input_transform=Dequantization()))
    x = ((images(digits) + 1) * 127.5).double()
    u = torch.rand(50, *x.shape, generator=torch.Generator().manual_seed(9), dtype=torch.double)
    y = (x + u) / 128 - 1
    nats = (y.square().sum((2, 3, 4)) / (2 * 0.7**2)).mean() + 64 * (log(0.7) + 0.5 * log(2 * torch.pi))
    for module in (plain, observing):
        report = likelihoods(module, digits, 0, 1)
        assert figures(report)["bits_per_dim"] == pytest.approx(nats.item() / (64 * log(2)) + 7, abs=2e-3)
        assert "dequantised" in meanings(report)["bits_per_dim"]
    assert figures(likelihoods(observing, digits, 0, 1))["elbo_nats"] == pytest.approx(-nats.item(), abs=0.1)


def test_a_density_of_pixels_that_are_no_8_bit_numbers_has_no_bits(autoencoder, tmp_path):
    torch.save(torch.rand(100, 1, 8, 8), tmp_path / "x.pt")
    data = Tensors(str(tmp_path / "x.pt"))
    data.setup()
    module = autoencoder(variational=True, objective={"reconstruction": GaussianLikelihood(), "kl": KLDivergence()})
    report = likelihoods(module, data, 0, 1)
    assert list(figures(report)) == ["elbo_nats", "nll_nats", "active_units"]
    assert "only for pixels that are 8-bit numbers" in report.omitted["bits_per_dim"]


def test_points_have_bits_too(autoencoder):
    data = Ring(count=500)
    data.setup()
    module = autoencoder((2,), variational=True, objective={"reconstruction": GaussianLikelihood()})
    found = figures(likelihoods(module, data, 0, 2))
    assert found["bits_per_dim"] == pytest.approx(-found["elbo_nats"] / (2 * log(2)))


# modules


def test_codes_without_a_distribution_have_no_likelihood(autoencoder, digits):
    report = likelihoods(autoencoder(), digits, 0)
    assert report.measurements == ()
    assert report.omitted == {
        "elbo_nats": "IdentityBottleneck gives codes without a distribution, so there is no likelihood"
    }


def test_a_hierarchy_counts_the_units_of_all_levels(digits):
    bottleneck = HierarchicalBottleneck((3, 2), 8)
    module = AutoencoderModule(
        DenseEncoder((1, 8, 8), 8, (16,)),
        DenseDecoder((1, 8, 8), 5, (16,)),
        bottleneck,
        {"reconstruction": BernoulliLikelihood(), "kl": KLDivergence()},
        input_transform=Binarization(),
    )
    report = likelihoods(module, digits, 0, 200)
    found = figures(report)
    assert -found["elbo_nats"] > found["nll_nats"] > 0
    assert "of 5 " in meanings(report)["active_units"]


def test_a_conditional_model_is_told_the_classes(autoencoder, digits):
    """A decoder that reads nothing but the class: figures differ between right and wrong labels."""
    conditioning = Concatenation(10)
    module = autoencoder(
        variational=True,
        encoder=DenseEncoder((1, 8, 8), 6, (16,), conditioning=conditioning),
        decoder=DenseDecoder((1, 8, 8), 3, (), conditioning=Concatenation(10)),
    )
    layer = next(m for m in module.decoder.modules() if isinstance(m, nn.Linear))
    x, labels = digits.scaled(digits.test_set[:])
    with torch.no_grad():
        layer.weight.zero_(), layer.bias.zero_()
        for label in range(10):
            mean = (x[labels == label].mean(0).flatten() + 1) / 2
            layer.weight[:, 3 + label] = mean.clamp(0.05, 0.95).logit()
    found = figures(likelihoods(module, digits, 0, 1))["elbo_nats"]
    with torch.no_grad():
        layer.weight[:, 3:] = layer.weight[:, 3:].roll(1, 1)
    assert figures(likelihoods(module, digits, 0, 1))["elbo_nats"] < found - 5


def test_a_divergence_without_closed_form_is_that_of_the_codes(autoencoder, digits):
    """The same Gaussians under another name, for which torch has no closed form."""

    class Renamed(torch.distributions.Distribution):
        arg_constraints = {}

        def __init__(self, inner):
            self.inner = inner
            super().__init__(inner.batch_shape, validate_args=False)

        def log_prob(self, z):
            return self.inner.log_prob(z)

        @property
        def mean(self):
            return self.inner.mean

    class Unknown(GaussianBottleneck):
        def forward(self, features, generator=None):
            code = super().forward(features, generator)
            (level,) = code.levels
            return Code(code.sample, code.mean, (Level(level.sample, Renamed(level.posterior), level.prior),))

    known = autoencoder(variational=True)
    unknown = autoencoder(variational=True, bottleneck=Unknown(3), encoder=known.encoder, decoder=known.decoder)
    exact, sampled = (figures(likelihoods(module, digits, 0, 5)) for module in (known, unknown))
    assert sampled["elbo_nats"] == pytest.approx(exact["elbo_nats"], abs=0.2)
    assert sampled["nll_nats"] == exact["nll_nats"]


@pytest.mark.parametrize(("draws", "samples"), [(0, None), (None, 0), (-1, 5)])
def test_no_draws_and_no_samples_are_refused(autoencoder, digits, draws, samples):
    with pytest.raises(InputError, match="at least 1 draw and 1 sample"):
        likelihoods(autoencoder(variational=True), digits, 0, draws, samples)


def test_figures_need_no_gradient_and_leave_the_module_as_it_was(autoencoder, digits):
    module = autoencoder(variational=True, input_transform=Binarization())
    before, state = {k: v.clone() for k, v in module.state_dict().items()}, torch.get_rng_state()
    likelihoods(module, digits, 0, 2)
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)
