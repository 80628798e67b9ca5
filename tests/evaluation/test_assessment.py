"""`assess` against models whose metrics are known beforehand."""

import math
import sys

import pytest
import torch
from torch import nn

from lightning_gen import InputError
from lightning_gen.augmentations import Binarization
from lightning_gen.bottlenecks import FiniteScalarQuantizer, IdentityBottleneck, VectorQuantizer
from lightning_gen.data import Digits, Grid, ImageFolder, Ring, Sprites, StackedDigits, Tensors
from lightning_gen.data.cache import default_cache_dir
from lightning_gen.data.reading import BATCH, batches, labelled, rounded
from lightning_gen.evaluation import assess, codes
from lightning_gen.evaluation.samples import Source, drawn, observed, seeded
from lightning_gen.media import Images
from lightning_gen.metrics import ConvClassifier, Measurement, Report, fit_pca, probe_accuracy, sliced_wasserstein
from lightning_gen.networks import (
    Concatenation,
    DenseDecoder,
    DenseDiscriminator,
    DenseEncoder,
    Generator,
)
from lightning_gen.objectives import GaussianLikelihood
from lightning_gen.records import Batch
from lightning_gen.samplers import GaussianMixtureSampler, RectifiedFlowSampler


class FromMixture(Generator):
    """Draws from a mixture itself: the first latent chooses one of `modes` centres, the others are the noise."""

    def __init__(self, centres, scale, modes=None):
        super().__init__((len(centres[0]),), 1 + len(centres[0]))
        self.centres, self.scale, self.modes = torch.tensor(centres), scale, modes or len(centres)
        self.weight = nn.Parameter(torch.zeros(1))

    def draw(self, latent, labels):
        uniform = torch.special.ndtr(latent[:, 0].double())
        chosen = (uniform * self.modes).long().clamp(max=self.modes - 1)
        return self.centres[chosen] + self.scale * latent[:, 1:]


class Shown(Generator):
    """Draws one image for every latent, or one that is not a number."""

    def __init__(self, value, shape=(1, 8, 8)):
        super().__init__(shape, 2)
        self.value = nn.Parameter(torch.full((1, *shape), value))

    def draw(self, latent, labels):
        return self.value.expand(len(latent), -1, -1, -1)


class Repeating(Generator):
    """Draws given images at random; if conditional, images of the class."""

    def __init__(self, x, labels, num_classes=None):
        super().__init__(tuple(x.shape[1:]), 1)
        self.x, self.labels, self.known = x, labels, num_classes
        self.weight = nn.Parameter(torch.zeros(1))

    @property
    def num_classes(self):
        return self.known

    def draw(self, latent, labels):
        uniform = torch.special.ndtr(latent[:, 0].double()).clamp(max=1 - 1e-9)
        if labels is None:
            return self.x[(uniform * len(self.x)).long()]
        rows = [(self.labels == label).nonzero().flatten() for label in range(self.known)]
        return torch.stack([self.x[rows[k][int(u * len(rows[k]))]] for u, k in zip(uniform, labels, strict=True)])


FEATURES = [
    f"{name}{reference}"
    for name, kind in (("frechet_distance", "floor"), ("precision", "ceiling"), ("recall", "ceiling"))
    for reference in ("", f"_{kind}")
]
READ_OFF = ["knn_accuracy", "probe_accuracy"]
MODES = ["modes", "modes_ceiling", "modes_real", "kl", "kl_floor", "kl_real", "classifier_accuracy"]


def metrics(report):
    return {measurement.name: measurement.value for measurement in report.measurements}


def linear(autoencoder, shape, components):
    return autoencoder(
        shape,
        encoder=DenseEncoder(shape, components, widths=()),
        decoder=DenseDecoder(shape, components, widths=()),
        bottleneck=IdentityBottleneck(components),
        objective={"reconstruction": GaussianLikelihood()},
    )


def split_of(data, split):
    """All samples of a split and their classes."""
    parts = list(labelled(data, split))
    return torch.cat([x for x, _ in parts]), torch.cat([labels for _, labels in parts])


# autoencoders


def test_an_autoencoder_that_is_pca_scores_as_pca(autoencoder):
    data, module = Digits(size=8), linear(autoencoder, (1, 8, 8), 6)
    data.setup()
    pca = fit_pca(batches(data, data.train_set), 6, 64 * len(data.train_set)).pca
    axes, mean = torch.tensor(pca.components_).float(), torch.tensor(pca.mean_).float()
    encoder, decoder = (
        next(m for m in part.modules() if isinstance(m, nn.Linear)) for part in (module.encoder, module.decoder)
    )
    with torch.no_grad():
        encoder.weight.copy_(axes), encoder.bias.copy_(-axes @ mean)
        decoder.weight.copy_(axes.T), decoder.bias.copy_(mean)
    report = assess(module, data)
    found = metrics(report)
    compared = ["mse", "psnr_db", *READ_OFF]
    assert found.keys() == {*compared, *(f"pca_{name}" for name in compared), *(f"raw_{name}" for name in READ_OFF)}
    assert found["mse"] == pytest.approx(found["pca_mse"], rel=1e-4)
    assert found["psnr_db"] == pytest.approx(found["pca_psnr_db"], rel=1e-4)
    assert found["knn_accuracy"] == pytest.approx(found["pca_knn_accuracy"], abs=0.006)
    assert found["probe_accuracy"] == pytest.approx(found["pca_probe_accuracy"], abs=0.006)
    assert "no ssim: images of 8 x 8 pixels are smaller than its 11 x 11 window" in report.to_text()
    assert "no elbo_nats: IdentityBottleneck" in report.to_text()


def test_all_is_compared_in_one_table(autoencoder):
    text = assess(linear(autoencoder, (1, 16, 16), 6), Digits(size=16)).to_text()
    table, legend, *_ = text.split("\n\n")
    names = ["mse", "psnr_db", "ssim", *READ_OFF]
    assert [line.split("  ")[0] for line in table.splitlines()[2:]] == [
        "PCA, 6 numbers",
        "raw pixels, 256 numbers",
        "this model, 6 numbers",
    ]
    assert [line.split()[0] for line in legend.splitlines() if not line.startswith(" ")] == names
    assert max(map(len, text.splitlines())) <= 120


def test_the_accuracy_of_raw_pixels_is_that_of_brute_force(autoencoder):
    data = Digits(size=8)
    found = metrics(assess(autoencoder(), data))
    (x, y), (tested, wanted) = (split_of(data, split) for split in (data.train_set, data.test_set))
    votes = y[torch.cdist(tested.flatten(1).double(), x.flatten(1).double()).topk(5, largest=False).indices]
    right = (votes.mode(dim=1).values == wanted).double().mean()
    assert found["raw_knn_accuracy"] == pytest.approx(right.item(), abs=0.006)


def test_each_row_takes_as_many_training_samples_as_its_width_allows_and_says_so(autoencoder, monkeypatch):
    used = []

    def counting(train, test):
        used.append(train.x.shape)
        return probe_accuracy(train, test)

    monkeypatch.setattr(codes, "probe_accuracy", counting)
    monkeypatch.setattr(codes, "VALUES", 64 * 50)
    card = assess(autoencoder(), Digits(size=8), extractor=False).card
    samples = {"this model": 64 * 50 // 3, "raw pixels": 50, "PCA": 64 * 50 // 3}
    assert card["knn_accuracy"]["training_samples"] == card["probe_accuracy"]["training_samples"] == samples
    assert used == [(1066, 3), (50, 64), (1066, 3)]
    assert card["probe_accuracy"]["iterations"].keys() == samples.keys()
    monkeypatch.undo()
    card = assess(autoencoder(), Digits(size=8), extractor=False).card
    assert set(card["probe_accuracy"]["training_samples"].values()) == {1437}


def test_too_few_training_samples_have_no_neighbours(autoencoder, monkeypatch):
    monkeypatch.setattr(codes, "VALUES", 4)
    report = assess(autoencoder(), Digits(size=8))
    assert "no knn_accuracy: there are 1 training samples" in report.to_text()
    assert "knn_accuracy" not in report.card


def test_a_conditional_autoencoder_gets_the_classes(autoencoder):
    conditionings = [Concatenation(10) for _ in range(2)]
    module = autoencoder(
        encoder=DenseEncoder((1, 8, 8), 3, widths=(16,), conditioning=conditionings[0]),
        decoder=DenseDecoder((1, 8, 8), 3, widths=(16,), conditioning=conditionings[1]),
    )
    data = Digits(size=8)
    report = assess(module, data)
    x, labels = split_of(data, data.test_set)
    expected = ((module.reconstruct(x, labels) - x) / 2).square().mean()
    assert metrics(report)["mse"] == pytest.approx(expected.item(), rel=1e-5)
    assert "conditioned on the class" in report.card["conditional"]
    with pytest.raises(InputError, match="have no labels"):
        assess(module, unlabelled(data))


def unlabelled(data):
    data.num_classes = None
    return data


def test_without_classes_there_is_no_accuracy(autoencoder):
    report = assess(autoencoder(), unlabelled(Digits(size=8)))
    assert list(metrics(report)) == ["mse", "psnr_db", "pca_mse", "pca_psnr_db"]
    assert "no knn_accuracy: Digits has no classes" in report.to_text()
    assert "raw pixels" not in report.to_text().split("\n\n")[0]


def test_observed_samples_are_compared(autoencoder):
    data = Digits(size=8)
    plain, report = (assess(autoencoder(input_transform=each), data) for each in (None, Binarization()))
    assert metrics(report)["pca_mse"] > 2 * metrics(plain)["pca_mse"]  # noise is not compressed
    assert metrics(report)["raw_knn_accuracy"] < metrics(plain)["raw_knn_accuracy"]
    assert "Binarization" in report.card["observation"]
    again, other = (metrics(assess(autoencoder(input_transform=Binarization()), data, seed=seed)) for seed in (0, 1))
    assert again["pca_mse"] == metrics(report)["pca_mse"] != other["pca_mse"]


def test_pca_of_observed_samples_is_fitted_on_observed_ones(autoencoder):
    data, module = Digits(size=8), autoencoder(input_transform=Binarization())
    found = metrics(assess(module, data))
    train, test = (
        torch.cat([batch.x for batch in observed(module, labelled(data, split, 1024 if at else 512), seeded(0))])
        for at, split in ((1, data.train_set), (0, data.test_set))
    )
    assert set(test.unique().tolist()) == {-1, 1}
    pca = fit_pca([train], 3, train.numel())
    expected = ((pca.reconstruct(test).clamp(-1, 1) - test) / 2).square().mean()
    assert found["pca_mse"] == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("bottleneck", [VectorQuantizer(4, 16), FiniteScalarQuantizer((4, 4))], ids=("vq", "fsq"))
def test_use_of_a_codebook_is_that_of_the_whole_split(autoencoder, bottleneck, monkeypatch):
    module = autoencoder(
        encoder=DenseEncoder((1, 8, 8), bottleneck.features, widths=(16,)),
        decoder=DenseDecoder((1, 8, 8), bottleneck.latent_dim, widths=(16,)),
        bottleneck=bottleneck,
    )
    data = Digits(size=8)
    report = assess(module, data)
    found = metrics(report)
    x, _ = split_of(data, data.test_set)
    indices = module.eval().bottleneck(module.encoder(x), None).quantizations[0].indices
    counts = torch.bincount(indices.flatten(), minlength=16).double()
    entropy = torch.distributions.Categorical(counts / counts.sum()).entropy()
    assert found["codebook_used_percent"] == pytest.approx(100 * float((counts > 0).double().mean()))
    assert found["perplexity"] == pytest.approx(entropy.exp().item())
    assert report.card["codebook"]["sizes"] == "16"
    monkeypatch.setattr(codes, "labelled", lambda data, split, size=7: labelled(data, split, size))
    assert metrics(assess(module, data)) == pytest.approx(found)


def test_sprites_also_have_factors(autoencoder, monkeypatch):
    def measured(module, data, seed):
        return Report((Measurement("mig", data.factors.shape[1], "gap"),))

    monkeypatch.setattr(sys.modules[assess.__module__], "disentanglement", measured)
    monkeypatch.setattr(codes, "VALUES", 256 * 100)
    assert metrics(assess(autoencoder((1, 16, 16)), Sprites(size=16)))["mig"] == 5
    assert "mig" not in metrics(assess(autoencoder(), Digits(size=8)))


def test_metrics_are_of_the_test_split_and_pca_is_fitted_on_the_training_split(autoencoder):
    data, module = Digits(size=8), autoencoder()
    report = assess(module, data)
    x = torch.cat(list(batches(data, data.test_set)))
    expected = ((module.reconstruct(x) - x) / 2).square().mean()
    assert metrics(report)["mse"] == pytest.approx(expected.item(), rel=1e-5)
    assert report.card["pca"]["dimensions"] == 3
    assert report.card["pca"]["fitted_on"] == "1437 training samples"
    assert report.card["split"] == {"evaluated": "test", "train": 1437, "val": 180, "test": 180}


def test_points_have_no_psnr(autoencoder):
    data = Grid(count=1000)
    report = assess(linear(autoencoder, (2,), 1), data)
    assert list(metrics(report))[:2] == ["mse", "pca_mse"]
    assert not {"psnr_db", "ssim"} & metrics(report).keys()
    assert "raw coordinates, 2 numbers" in report.to_text()
    assert "no ssim" not in report.to_text()


def test_a_code_as_wide_as_the_data_is_compared_with_nothing_and_says_why(autoencoder):
    report = assess(linear(autoencoder, (2,), 2), Ring(count=1000))
    assert not [name for name in metrics(report) if name.startswith("pca_")]
    assert {"mse", "knn_accuracy", "raw_knn_accuracy"} <= metrics(report).keys()
    assert "no PCA: the code holds 2 numbers, and PCA needs fewer than the 2 dimensions" in report.to_text()


def test_samples_of_a_fitted_sampler_are_measured_and_named(autoencoder):
    """Codes of the prior are far from those of an encoder that puts all digits far from 0; a mixture's are not."""
    data, module = Digits(size=8), autoencoder(variational=True)
    last = [part for part in module.encoder.modules() if isinstance(part, nn.Linear)][-1]
    with torch.no_grad():
        last.bias[:3] = 8.0  # the means of three numbers; their deviations are about 1
    sampler = module.fit_sampler(GaussianMixtureSampler(2), data)
    prior, mixture = (assess(module, data, draws=1, extractor=False, sampler=each) for each in (None, sampler))
    x, generator = split_of(data, data.test_set)[0], torch.Generator().manual_seed(0)
    rows = torch.randperm(180, generator=torch.Generator().manual_seed(0))
    expected = sliced_wasserstein(module.eval().sample(180, None, generator, sampler), x[rows], 512)
    assert metrics(mixture)["sliced_wasserstein"] == pytest.approx(float(expected), rel=1e-6)
    assert metrics(prior)["sliced_wasserstein"] != pytest.approx(float(expected), rel=1e-3)
    assert "GaussianMixtureSampler(components=2), fitted" in mixture.card["samples"]
    assert "prior of GaussianBottleneck" in prior.card["samples"]
    note = "no figures of gmm samples: the checkpoint holds this sampler, --sampler gmm measures its samples"
    assert note in prior.to_text()
    assert "figures of gmm samples" not in mixture.omitted
    last.bias.data += 1
    assert note not in assess(module, data, draws=1, extractor=False).to_text(), "it is of other codes"


def test_a_code_without_a_prior_draws_by_a_sampler_and_says_so(autoencoder):
    data, module = Digits(size=8), autoencoder()
    report = assess(module, data)
    assert "no figures of samples: the code of IdentityBottleneck has no prior" in report.to_text()
    assert "--sampler gmm is fitted to the codes" in report.omitted["figures of samples"]
    assert "samples" not in report.card
    found = metrics(assess(module, data, sampler=module.fit_sampler(GaussianMixtureSampler(2), data)))
    assert {"sliced_wasserstein", *FEATURES} <= found.keys()


def test_samples_of_a_sampler_that_learned_classes_are_measured_by_class(autoencoder):
    data, module = Digits(size=8), autoencoder()
    sampler = module.fit_sampler(RectifiedFlowSampler(width=8, updates=2, steps=1), data)
    report = assess(module, data, sampler=sampler)
    assert "label_accuracy" in metrics(report)
    assert report.card["classes"] == "as often as in the training split"


def test_a_variational_autoencoder_also_draws(autoencoder):
    report = assess(autoencoder(variational=True), Digits(size=8), draws=2)
    found = metrics(report)
    assert {"mse", "pca_mse", "elbo_nats", "nll_nats", "sliced_wasserstein", "frechet_distance"} <= found.keys()
    assert -found["nll_nats"] >= found["elbo_nats"] - 1
    table = report.to_text().split("\n\n")[0]
    assert all(word in table for word in ("elbo", "bits", "nll", "active", "knn"))
    assert "wasserstein" not in table


# mixtures


@pytest.mark.parametrize("data", [Ring(count=20_000), Grid(count=20_000)], ids=("ring", "grid"))
def test_a_perfect_sampler_reaches_ceilings_and_floors(gan, data):
    module = gan(generator=FromMixture(data.centres, data.scale), discriminator=DenseDiscriminator((2,), (8,)))
    found = metrics(assess(module, data, samples=50_000))
    assert found["modes"] == found["modes_ceiling"] == len(data.centres)
    assert found["high_quality_percent_ceiling"] == pytest.approx(98.889, abs=1e-3)
    assert found["high_quality_percent"] == pytest.approx(98.889, abs=0.25)
    assert found["reverse_kl_floor"] == pytest.approx((len(data.centres) - 1) / 100_000)
    assert found["reverse_kl"] < 4 * found["reverse_kl_floor"]
    assert found["sliced_wasserstein"] < 4 * found["sliced_wasserstein_floor"]


def test_a_collapsed_sampler_does_not(gan):
    data = Ring(count=10_000)
    module = gan(generator=FromMixture(data.centres, data.scale, modes=1), discriminator=DenseDiscriminator((2,), (8,)))
    report = assess(module, data, samples=2000)
    found = metrics(report)
    assert found["modes"] == 1
    assert found["reverse_kl"] == pytest.approx(math.log(8))
    assert found["sliced_wasserstein"] > 5 * found["sliced_wasserstein_floor"]
    assert report.card["modes"]["samples"] == 2000


# images


def test_images_of_one_kind_are_farther_from_the_data_than_the_data_are(gan):
    report = assess(gan(generator=Shown(-1.0)), Digits(size=8))
    found = metrics(report)
    assert list(found) == ["sliced_wasserstein", "sliced_wasserstein_floor", *FEATURES]
    assert found["sliced_wasserstein"] > 2 * found["sliced_wasserstein_floor"] > 0
    assert found["frechet_distance"] > 4 * found["frechet_distance_floor"] > 0
    assert (found["precision"], found["recall"]) == (0, 0)
    assert report.card["sliced_wasserstein"]["samples"] == report.card["features"]["samples"] == 180
    assert "not FID" in report.to_text()


def repeating(gan, split, conditional=False):
    """A GAN that draws the samples of a split."""
    x, labels = Batch.of(split[:])
    classes = {1: 10, 3: 1000}[x.shape[1]] if conditional else None
    conditioning = Concatenation(classes) if classes else None
    discriminator = DenseDiscriminator(tuple(x.shape[1:]), widths=(8,), conditioning=conditioning)
    return gan(generator=Repeating(x, labels, classes), discriminator=discriminator)


def test_training_images_learned_by_heart_are_at_floor_and_ceilings(gan):
    data = Digits(size=8)
    data.setup()
    report = assess(repeating(gan, data.train_set), data)
    found = metrics(report)
    assert list(found)[2:] == FEATURES
    assert found["frechet_distance"] == pytest.approx(found["frechet_distance_floor"], rel=0.25)
    assert found["precision"] == pytest.approx(found["precision_ceiling"], abs=0.1)
    assert found["recall"] == pytest.approx(found["recall_ceiling"], abs=0.15)
    assert report.card["extractor_accuracy"] >= 0.97
    assert report.card["extractor"]["classifier_of"] == "Digits"
    assert "a Digits classifier, not FID" in report.to_text()


def test_real_images_are_read_once(gan, monkeypatch, tmp_path):
    """The second time only samples pass through the classifier, and the metrics are equal."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    read, features = [], ConvClassifier.features

    def noted(module, x):
        if not module.training:
            read.append(x.clone())
        return features(module, x)

    monkeypatch.setattr(ConvClassifier, "features", noted)
    data, module = Digits(size=8), gan()
    first = assess(module, data, seed=1)
    read.clear()
    again = assess(module, data, seed=1)
    assert (again.measurements, again.card) == (first.measurements, first.card)
    samples = torch.cat(list(rounded(drawn(Source(module.eval()), 180, 1), Images())))
    assert torch.equal(torch.cat(read), samples)


@pytest.mark.parametrize(
    ("data", "seed"),
    [(Digits(size=8), 1), (Digits(size=8, test_fraction=0.2), 0), (Digits(size=8, seed=1), 0), (Digits(size=9), 0)],
    ids=("seed", "count", "splits", "pixels"),
)
def test_the_cache_of_other_features_is_not_used(gan, data, seed):
    module = gan((1, data.size, data.size))
    assess(gan(), Digits(size=8), seed=0)
    beside = assess(module, data, seed=seed)
    for path in default_cache_dir().glob("features-*.pt"):
        path.unlink()
    assert metrics(assess(module, data, seed=seed)) == metrics(beside)


def test_one_class_of_ten_is_precise_and_recalls_little(gan):
    data = Digits(size=8)
    data.setup()
    module = repeating(gan, data.train_set)
    kept = module.generator.labels == 3
    for generator in (module.generator, module.generator_ema):
        generator.x, generator.labels = generator.x[kept], generator.labels[kept]
    found = metrics(assess(module, data))
    assert found["precision"] > 0.7
    assert found["recall"] < 0.2
    assert found["frechet_distance"] > 4 * found["frechet_distance_floor"]


def test_a_conditional_model_draws_each_class(gan):
    data = Digits(size=8)
    data.setup()
    module = repeating(gan, data.train_set, conditional=True)
    assert metrics(assess(module, data))["label_accuracy"] == 1  # the classifier knows what it was trained on
    for generator in (module.generator, module.generator_ema):
        generator.labels = (generator.labels + 1) % 10
    assert metrics(assess(module, data))["label_accuracy"] == 0


def test_classes_that_the_data_do_not_have_are_not_scored(gan):
    data = Digits(size=8)
    data.setup()
    module = repeating(gan, data.train_set, conditional=True)
    module.generator.known = module.generator_ema.known = 9
    report = assess(module, data)
    assert "no label_accuracy: the model knows 9 classes and Digits has 10" in report.to_text()


def test_the_classifier_can_be_switched_off(gan, capsys):
    report = assess(gan(generator=Shown(-1.0)), Digits(size=8, seed=1), extractor=False)
    assert list(metrics(report)) == ["sliced_wasserstein", "sliced_wasserstein_floor"]
    assert "--extractor false" in report.to_text()
    assert "extractor" not in report.card
    assert "training a classifier" not in capsys.readouterr().err


def test_images_without_labels_say_why_there_are_no_features(gan, tmp_path):
    torch.save(torch.rand(100, 1, 8, 8), tmp_path / "x.pt")
    report = assess(gan(), Tensors(str(tmp_path / "x.pt")))
    assert list(metrics(report)) == ["sliced_wasserstein", "sliced_wasserstein_floor"]
    assert "no features: Tensors has no classes" in report.to_text()


# stacked digits


def test_real_stacks_find_all_modes_that_so_many_can_find(gan):
    data = StackedDigits(size=8, count=20_000)
    data.setup()
    report = assess(repeating(gan, data.train_set), data, samples=8000)
    found = metrics(report)
    assert list(found)[2:] == MODES
    assert found["modes_ceiling"] == 1000
    assert found["modes"] > 990
    assert found["modes_real"] > 990
    assert found["kl_floor"] == pytest.approx(999 / 16_000)
    assert found["kl_floor"] * 0.8 < found["kl"] < found["kl_floor"] * 1.5
    assert found["kl_floor"] * 0.8 < found["kl_real"] < found["kl_floor"] * 1.5
    assert found["classifier_accuracy"] >= 0.97
    assert report.card["modes"]["samples"] == 8000
    assert report.card["extractor"]["classifier_of"] == "Digits"


def test_a_collapsed_sampler_of_stacks_has_one_mode(gan):
    module = gan((3, 8, 8), generator=Shown(-1.0, (3, 8, 8)))
    found = metrics(assess(module, StackedDigits(size=8, count=1000), samples=500))
    assert found["modes"] == 1
    assert found["kl"] == pytest.approx(math.log(1000))


def test_a_conditional_model_of_stacks_must_hit_all_three_digits(gan):
    data = StackedDigits(size=8, count=20_000)
    data.setup()
    found = metrics(assess(repeating(gan, data.train_set, conditional=True), data, samples=1000))
    assert found["label_accuracy"] > 0.97


# models that cannot be evaluated, and those that can are left as they are


def test_a_diverged_model_is_refused(gan, autoencoder):
    with pytest.raises(InputError, match="diverged"):
        assess(gan(generator=Shown(math.nan)), Digits(size=8))
    module = autoencoder()
    next(module.parameters()).data.fill_(math.nan)
    with pytest.raises(InputError, match="diverged"):
        assess(module, Digits(size=8))


def test_a_module_stays_in_its_mode_and_keeps_its_weights(gan):
    module = gan(batch_norm=True)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    assert {True, False} == set(modes)  # the averaged generator is in evaluation mode
    assess(module, Digits(size=8))
    assert [part.training for part in module.modules()] == modes
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)


def test_a_folder_that_was_moved_is_named_by_its_own_sentence(gan, trainer, tmp_path):
    shape, folder = (3, 8, 8), str(tmp_path / "moved")
    module = gan(shape)
    with pytest.raises(InputError, match=f"^there is no folder {folder}"):
        assess(module, ImageFolder(folder, size=8))


def test_a_long_wait_for_samples_says_how_many_are_drawn(gan, monkeypatch, capsys):
    source = Source(gan())
    monkeypatch.setattr("lightning_gen.data.cache.SILENT_SECONDS", 0)
    samples = torch.cat([*drawn(source, BATCH + 1, 0)])
    assert capsys.readouterr().err.startswith("drawing batches of samples: 1 of 2\n")
    monkeypatch.undo()
    again = torch.cat([*drawn(source, BATCH + 1, 0)])
    assert not capsys.readouterr().err
    assert samples.equal(again)
