"""Disentanglement metrics of encoders with known values, on small sprites."""

import math

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.augmentations import Augmentation
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.data import Sprites
from lightning_gen.evaluation import disentangled
from lightning_gen.evaluation.disentangled import disentanglement
from lightning_gen.metrics import FactorCodes, factor_vae_score, mutual_information_gap
from lightning_gen.networks import Concatenation, DenseDecoder, DenseEncoder, Encoder

SHAPE = (1, 16, 16)
FIGURES = ["mig", "factor_vae_score", "dci_disentanglement", "dci_completeness", "dci_informativeness"]


@pytest.fixture
def data():
    return Sprites(size=16, scales=3, orientations=3, positions=4)


class Measuring(Encoder):
    """Encodes position and amount of the ink of an image: x, y and scale, and no other factor."""

    def __init__(self, width=3):
        super().__init__(SHAPE, width)

    def encode(self, x):
        ink = (x + 1) / 2
        axis = torch.linspace(-1, 1, 16)
        area = ink.sum((1, 2, 3))
        places = [(ink.sum((1, dim)) * axis).sum(1) / area for dim in (2, 3)]
        code = torch.stack([*places, area.sqrt()], 1)
        return torch.cat([code, code.new_zeros(len(x), self.features - 3)], 1)


def measuring(autoencoder, width=3, **options):
    parts = {
        "encoder": Measuring(width),
        "decoder": DenseDecoder(SHAPE, width),
        "bottleneck": IdentityBottleneck(width),
    }
    return autoencoder(SHAPE, **parts, **options).eval()


def figures(report):
    return {measurement.name: measurement.value for measurement in report.measurements}


def test_an_encoder_that_measures_three_factors_is_disentangled_in_these(autoencoder, data):
    report = disentanglement(measuring(autoencoder), data, 0)
    found = figures(report)
    assert list(found) == FIGURES
    assert found["mig"] == pytest.approx(3 / 5, abs=0.07)  # shape and orientation are not encoded
    assert found["dci_informativeness"] > (3 + 1 / 3 + 1 / 3) / 5 - 0.05
    assert found["factor_vae_score"] > 3 / 5
    # importance of a latent: 1 for its own factor and a third for each of the two that no latent tells
    shares = torch.tensor([1, 1 / 3, 1 / 3]) / (1 + 2 / 3)
    expected = 1 - float(torch.special.entr(shares).sum()) / math.log(5)
    assert found["dci_disentanglement"] == pytest.approx(expected, abs=0.1)
    assert found["dci_completeness"] == pytest.approx(3 / 5, abs=0.1)


def test_metrics_are_of_the_codes_of_all_images(autoencoder, data):
    module = autoencoder(SHAPE, variational=True).eval()
    found = figures(disentanglement(module, data, 5))
    codes = module.encode(data.scaled((data.draw(data.factors), None)).x).detach()
    every = FactorCodes(codes, data.factors)
    assert found["factor_vae_score"] == pytest.approx(factor_vae_score(every, 5).score)
    rows = torch.randperm(len(every), generator=torch.Generator().manual_seed(5))[: 2 * len(every) // 3]
    assert found["mig"] == pytest.approx(mutual_information_gap(every[rows]).score)


def test_the_seed_repeats_all_figures_and_nothing_is_changed(autoencoder, data):
    module = autoencoder(SHAPE, variational=True).eval()
    before, weights = torch.get_rng_state(), {name: value.clone() for name, value in module.state_dict().items()}
    first, again, other = (disentanglement(module, data, seed) for seed in (0, 0, 1))
    assert first == again
    assert figures(first) != figures(other)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())


def test_the_card_says_how_many_samples_and_which_estimators(autoencoder, data):
    card = disentanglement(measuring(autoencoder), data, 3).card
    assert card["disentanglement"]["factors"] == {"shape": 3, "scale": 3, "orientation": 3, "x": 4, "y": 4}
    assert "432, every combination" in card["disentanglement"]["pictures"]
    assert "20 bins" in card["disentanglement"]["mig"]
    assert "288 images" in card["disentanglement"]["mig"]
    assert "10000 training and 5000 evaluation votes of 64" in card["disentanglement"]["factor_vae_score"]
    assert "3 latents vote" in card["disentanglement"]["factor_vae_score"]
    assert card["disentanglement"]["seed"] == 3
    assert (card["dci"]["fitted_on"], card["dci"]["tested_on"]) == ("288 images", "144 other images")
    assert "RandomForestClassifier of scikit-learn" in card["dci"]["estimator"]
    assert "gradient boosting" in card["dci"]["differs_from"]


def test_images_are_fitted_and_tested_on_as_many_as_is_usual_where_there_are_enough(autoencoder, data, monkeypatch):
    monkeypatch.setattr(disentangled, "FITTED", 100)
    monkeypatch.setattr(disentangled, "TESTED", 50)
    card = disentanglement(measuring(autoencoder), data, 0).card
    assert (card["dci"]["fitted_on"], card["dci"]["tested_on"]) == ("100 images", "50 other images")
    sprites = Sprites()
    assert len(sprites.factors) >= 10_000 + 5_000  # the numbers of disentanglement_lib, without repetition


def test_wide_codes_are_measured_without_classifiers_and_that_is_said(autoencoder, data):
    report = disentanglement(measuring(autoencoder, width=65), data, 0)
    assert list(figures(report)) == FIGURES[:2]
    assert report.omitted == {"dci": "the code holds 65 numbers, and at most 64 are classified"}
    assert "3 latents vote" in report.card["disentanglement"]["factor_vae_score"]


def test_a_conditional_model_is_told_the_shapes(autoencoder, data):
    given = []

    class Listening(DenseEncoder):
        def forward(self, x, labels=None):
            given.append(labels)
            return super().forward(x, labels)

    encoder = Listening(SHAPE, 3, widths=(), conditioning=Concatenation(3))
    decoder = DenseDecoder(SHAPE, 3, conditioning=Concatenation(3))
    disentanglement(autoencoder(SHAPE, encoder=encoder, decoder=decoder).eval(), data, 0)
    assert torch.equal(torch.cat(given), data.factors[:, 0])


class Black(Augmentation):
    """Blacks images out."""

    def forward(self, x, generator):
        return torch.full_like(x, -1)


def test_codes_are_of_what_the_model_observes(autoencoder, data):
    module = autoencoder(SHAPE, input_transform=Black()).eval()
    assert figures(disentanglement(module, data, 0))["factor_vae_score"] == 0


def test_a_diverged_model_is_refused(autoencoder, data):
    module = autoencoder(SHAPE).eval()
    with torch.no_grad():
        next(module.encoder.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="earlier checkpoint"):
        disentanglement(module, data, 0)
