"""Scores of abnormality: closed forms of linear and Gaussian models, and what must not change them."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch.distributions import MultivariateNormal

from lightning_gen import AutoencoderModule
from lightning_gen.applications import Detector, Trained
from lightning_gen.applications.anomaly_scores import SCORES, chosen_score
from lightning_gen.applications.detector import check_count, check_rate, measured, top_error
from lightning_gen.applications.inputs import Inputs
from lightning_gen.augmentations import Binarization
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.data.base import ArrayDataset
from lightning_gen.errors import InputError
from lightning_gen.media.png_size import png_bits
from lightning_gen.networks import DenseDecoder, DenseEncoder
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood
from lightning_gen.regularizers import KLDivergence
from lightning_gen.samplers import GaussianMixtureSampler

SHAPE = (1, 4, 4)
RATE = 0.1


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def trained(module):
    return Trained(module, "model.ckpt", {}, torch.device("cpu"))


def inputs(module, x):
    return Inputs([f"{row}" for row in range(len(x))], ArrayDataset(x), None, None, trained(module))


def linear(x, width, likelihood=None):
    """An autoencoder that is PCA of points ``(n, dimensions)``, and scikit-learn's."""
    dimensions, pca = x.shape[1], PCA(width).fit(x.numpy())
    module = AutoencoderModule(
        DenseEncoder((dimensions,), width, widths=()),
        DenseDecoder((dimensions,), width, widths=()),
        IdentityBottleneck(width),
        {"reconstruction": GaussianLikelihood()},
    )
    (encode,), (decode,) = ([m for m in net.modules() if isinstance(m, torch.nn.Linear)] for net in halves(module))
    components, mean = torch.from_numpy(pca.components_).float(), torch.from_numpy(pca.mean_).float()
    with torch.no_grad():
        encode.weight.copy_(components)
        encode.bias.copy_(-components @ mean)
        decode.weight.copy_(components.T)
        decode.bias.copy_(mean)
    return module, pca


def halves(module):
    return module.encoder, module.decoder


def variational(transform=None, zero=False):
    module = AutoencoderModule(
        DenseEncoder(SHAPE, 4, widths=(8,)),
        DenseDecoder(SHAPE, 2, widths=(8,)),
        GaussianBottleneck(2),
        {"reconstruction": BernoulliLikelihood(), "kl": KLDivergence()},
        input_transform=transform,
    )
    if zero:
        with torch.no_grad():
            for weights in module.parameters():
                weights.zero_()
    return module


def points(n=400, seed=0):
    return torch.randn(n, 5, generator=source(seed)) @ torch.randn(5, 5, generator=source(9)) + 3


def pictures(n=30, seed=0):
    return torch.randint(0, 256, (n, *SHAPE), dtype=torch.uint8, generator=source(seed))


def test_the_reconstruction_score_of_a_linear_autoencoder_is_that_of_pca():
    x = points()
    module, pca = linear(x, 2)
    rebuilt = pca.inverse_transform(pca.transform(x.numpy()))
    found = measured(SCORES["reconstruction"], None, inputs(module, x))
    assert found[:, 0].numpy() == pytest.approx(((rebuilt - x.numpy()) ** 2).mean(1), rel=1e-3, abs=1e-5)


def test_the_code_score_of_gaussian_data_is_the_negative_log_density():
    x = points()
    module, pca = linear(x, 3)
    density = module.fit_sampler(GaussianMixtureSampler(components=1), [x])
    z = torch.from_numpy(pca.transform(x.numpy())).double()
    exact = MultivariateNormal(z.mean(0), z.T.cov(correction=0)).log_prob(z)
    found = measured(SCORES["code"], density, inputs(module, x))
    assert found[:, 0].numpy() == pytest.approx(-exact.numpy(), rel=1e-3, abs=1e-3)


def test_the_bits_of_a_model_that_says_nothing_are_one_for_each_pixel():
    """All weights zero: no divergence, and each grey or black pixel costs log 2."""
    x = pictures()
    found = measured(SCORES["bits"], None, inputs(variational(zero=True), x))
    assert found[:, 0].numpy() == pytest.approx((16 - png_bits(x)).numpy(), abs=1e-4)


def test_pictures_are_compared_as_pixels_from_0_to_1():
    module = variational(zero=True)  # reconstructs grey
    white = torch.full((3, *SHAPE), 255, dtype=torch.uint8)
    assert measured(SCORES["reconstruction"], None, inputs(module, white)).flatten().tolist() == [0.25] * 3


def fitted(module, score, x):
    return module.fit_sampler(GaussianMixtureSampler(components=2), [x]) if SCORES[score].uses_density else None


@pytest.mark.parametrize("transform", [None, Binarization()])
@pytest.mark.parametrize("score", [name for name, score in SCORES.items() if not score.searches])
def test_no_order_and_no_batch_changes_a_score(score, transform, monkeypatch):
    module, x = variational(transform), pictures(23)
    detector = Detector.calibrated(
        SCORES[score], fitted(module, score, pictures(40, 2)), inputs(module, pictures(40, 1)), RATE
    )
    all_at_once, order = detector.scores(inputs(module, x)), torch.randperm(23, generator=source())
    monkeypatch.setattr("lightning_gen.applications.inputs.LARGEST_BATCH", 4)
    assert torch.allclose(detector.scores(inputs(module, x[order])), all_at_once[order], rtol=1e-4, atol=1e-5)
    assert torch.allclose(detector.scores(inputs(module, x[3:4])), all_at_once[3:4], rtol=1e-4, atol=1e-5)
    assert torch.equal(detector.scores(inputs(module, x[:8])), detector.scores(inputs(module, x[:8])))
    assert all(part.training for part in module.modules()), "the mode is restored"


def test_the_parts_of_the_combined_score_count_the_same_over_held_out_samples():
    x = points()
    module, _ = linear(x, 2)
    density, held_out, new = fitted(module, "combined", x), inputs(module, points(90, 1)), inputs(module, points(50, 2))
    found = Detector.calibrated(SCORES["combined"], density, held_out, RATE).scores(new)
    expected = torch.zeros(50, dtype=torch.float64)
    for name in ("reconstruction", "code"):
        scale = np.std(measured(SCORES[name], density, held_out).numpy(), ddof=1)
        expected += measured(SCORES[name], density, new)[:, 0] / scale
    assert found.numpy() == pytest.approx(expected.numpy())


def test_abnormal_samples_are_found_by_what_the_code_leaves_out_or_by_the_code():
    """Beside the plane of the data only the reconstruction, far out in it only the code tells them."""
    x = points(2000)
    module, _ = linear(x, 2)
    density, held_out = fitted(module, "code", x), inputs(module, points(400, 1))
    full, within = PCA(5).fit(x.numpy()), x.mean(0)
    beside = within + 6 * torch.from_numpy(full.components_[2]).float() * full.explained_variance_[2] ** 0.5
    far = within + 6 * torch.from_numpy(full.components_[0]).float() * full.explained_variance_[0] ** 0.5
    odd, p = inputs(module, torch.stack([beside, far])), {}
    for name in ("reconstruction", "code", "combined"):
        detector = Detector.calibrated(SCORES[name], density, held_out, RATE)
        p[name] = detector.p_values(detector.scores(odd))
    assert p["reconstruction"][0] < 0.05 < p["reconstruction"][1]
    assert p["code"][1] < 0.05 < p["code"][0]
    assert (p["combined"] < 0.05).all()


def test_held_out_samples_that_are_scored_are_not_compared_with_themselves():
    module, x = variational(), pictures(40)
    detector = Detector.calibrated(SCORES["reconstruction"], None, inputs(module, x), RATE, inputs(module, x[5:15]))
    assert (len(detector.held_out), detector.dropped) == (30, 10)
    others = measured(SCORES["reconstruction"], None, inputs(module, torch.cat([x[:5], x[15:]])))[:, 0]
    assert torch.allclose(detector.held_out, others)
    with pytest.raises(InputError, match=r"0 held-out samples \(40 more are among those to be scored"):
        Detector.calibrated(SCORES["reconstruction"], None, inputs(module, x), RATE, inputs(module, x))


def test_the_top_of_the_scale_is_above_nearly_all_errors_of_normal_pictures():
    module = variational(zero=True)
    x = torch.full((1000, *SHAPE), 255, dtype=torch.uint8)  # each error is a quarter
    x[:, :, 0, 0] = 128
    assert top_error(inputs(module, x)) == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize(("count", "rate", "least"), [(9, 0.05, 19), (98, 0.01, 99), (0, 0.5, 1)])
def test_too_few_held_out_samples_get_a_sentence(count, rate, least):
    with pytest.raises(InputError, match=rf"{count} held-out samples cannot tell .* {rate}: give at least {least} "):
        check_count(count, rate)
    check_count(least, rate)


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan")])
def test_a_rate_is_between_0_and_1(rate):
    with pytest.raises(InputError, match="share of the normal samples above 0 and below 1"):
        check_rate(rate)


def test_scores_have_their_models():
    with pytest.raises(InputError, match="no score 'reconstuction'; did you mean 'reconstruction'"):
        chosen_score("reconstuction")
    x = points()
    with pytest.raises(InputError, match="the model was trained on points of shape"):
        SCORES["bits"].check(trained(linear(x, 2)[0]))
    plain = AutoencoderModule(
        DenseEncoder(SHAPE, 4, widths=(8,)),
        DenseDecoder(SHAPE, 4, widths=(8,)),
        IdentityBottleneck(4),
        {"reconstruction": BernoulliLikelihood()},
    )
    with pytest.raises(InputError, match="codes of IdentityBottleneck have no distribution"):
        SCORES["bits"].check(trained(plain))


def test_a_score_that_is_not_finite_names_its_sample():
    module = linear(points(), 2)[0]
    x = points(4)
    x[2] = 1e30
    with pytest.raises(InputError, match="the score of 2 is not finite"):
        measured(SCORES["reconstruction"], None, inputs(module, x * 1e9))
