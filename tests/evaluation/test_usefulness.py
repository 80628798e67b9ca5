"""Accuracies of classifiers that are trained on samples, for models whose samples are known."""

import json

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.cli import main
from lightning_gen.data import ArrayDataset, DataModule, Digits, Grid, Splits
from lightning_gen.evaluation import assess, usefulness
from lightning_gen.evaluation.samples import Source
from lightning_gen.evaluation.usefulness import check_usefulness
from lightning_gen.media.images import to_uint8
from lightning_gen.networks import Concatenation, DenseDiscriminator, DenseGenerator
from lightning_gen.training.classes import Classes

measure = usefulness.usefulness


class Read(ArrayDataset):
    """A split that notes which of its rows are read, and when."""

    def __init__(self, x, labels, log):
        super().__init__(x, labels)
        self.log = log

    def __getitems__(self, indices):
        self.log.append(list(indices))
        return super().__getitems__(indices)


class Bars(DataModule):
    """Images of 8 x 8 pixels, whose class is the row of a bright bar, with noise; one class is rare."""

    def __init__(self, count=128, classes=4, seed=0):
        super().__init__(shape=(1, 8, 8), num_classes=classes, seed=seed)
        self.count, self.log = count, []

    def splits(self):
        generator = torch.Generator().manual_seed(self.seed)
        labels = torch.arange(self.count) % (self.num_classes - 1)
        labels[::16] = self.num_classes - 1
        x = torch.randint(0, 120, (self.count, 1, 8, 8), generator=generator)
        x[torch.arange(self.count), 0, 2 * labels] += 130
        x = x.to(torch.uint8)
        return Splits(ArrayDataset(x, labels), ArrayDataset(x, labels), Read(x[:100], labels[:100], self.log))


class Drawn:
    """A model whose samples are given by their classes."""

    num_classes, has_prior, class_names = 4, True, None
    known_classes, suggested_sampler = Classes(4), "gmm"

    def __init__(self, images_of):
        self.images_of, self.asked = images_of, []

    def sample(self, count, labels, generator):
        self.asked.append(labels)
        return self.images_of(labels)


def values(report):
    return {each.name: each.value for each in report.measurements}


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Fewer classifiers than for a figure."""
    monkeypatch.setattr(usefulness, "CLASSIFIERS", 1)


@pytest.fixture
def data():
    bars = Bars()
    bars.setup()
    return bars


def training_images(data, seed=0):
    """All training images, in the order in which they stand for samples."""
    order = torch.randperm(data.count, generator=torch.Generator().manual_seed(seed))
    return data.scaled(data.train_set.__getitems__(order.tolist()))


def test_samples_that_are_the_training_images_are_as_useful(data, monkeypatch):
    monkeypatch.setattr(usefulness, "CLASSIFIERS", 2)
    x, labels = training_images(data)
    model = Drawn(lambda asked: x)
    report = measure(Source(model), data, 0)
    cas, real = report.measurements
    assert (cas.name, real.name) == ("cas_accuracy", "real_accuracy")
    assert (cas.value, cas.spread) == (real.value, real.spread)
    assert cas.value > 0.9
    assert torch.equal(torch.cat(model.asked), labels), "the classes of the training images, one for one"


def test_samples_of_other_classes_than_asked_for_are_useless(data):
    """A model that shows each class as the next one teaches a classifier to be wrong."""
    x, labels = training_images(data)
    turned = torch.stack([x[(labels == (label + 1) % 4).nonzero()[0, 0]] for label in range(4)])
    found = values(measure(Source(Drawn(lambda asked: turned[asked])), data, 0))
    assert found["cas_accuracy"] < 0.1 < 0.9 < found["real_accuracy"]


def test_each_classifier_reads_the_test_split_once_after_its_training(data, monkeypatch):
    fit, events = usefulness.fit_classifier, data.log

    def noted(*arguments):
        events.append("begins")
        module = fit(*arguments)
        events.append("ends")
        return module

    monkeypatch.setattr(usefulness, "fit_classifier", noted)
    monkeypatch.setattr(usefulness, "CLASSIFIERS", 2)
    x, _ = training_images(data)
    report = measure(Source(Drawn(lambda asked: x)), data, 0)
    assert events == ["begins", "ends", list(range(100))] * 4
    card = report.card["usefulness"]
    assert card["tested_on"].startswith("100 of test, once by each classifier")
    assert card["updates"].startswith("24 of 64 images"), "12 epochs of 128"


def test_both_sides_have_as_many_images_and_no_more_than_memory_holds(data, monkeypatch):
    monkeypatch.setattr(usefulness, "VALUES", 64 * 100)
    fit, trained = usefulness.fit_classifier, []

    def noted(samples, *arguments):
        trained.append(samples)
        return fit(samples, *arguments)

    monkeypatch.setattr(usefulness, "fit_classifier", noted)
    x, labels = training_images(data)
    report = measure(Source(Drawn(lambda asked: 0.3 * x[:100])), data, 0)
    assert [len(samples) for samples in trained] == [100] * 2
    assert "100 samples, or 100 of 128 training images" in report.card["usefulness"]["trained_on"]
    fake, real = trained[0], trained[-1]
    assert torch.equal(fake.labels, labels[:100])
    assert torch.equal(real.labels, labels[:100])
    assert torch.equal(real.x, to_uint8(x[:100]))
    assert torch.equal(fake.x, to_uint8(0.3 * x[:100]))


def test_samples_that_are_not_finite_are_refused(data):
    with pytest.raises(InputError, match="some samples are not finite"):
        measure(Source(Drawn(lambda asked: torch.full((len(asked), 1, 8, 8), torch.nan))), data, 0)


def conditional(gan, known=10, shape=(1, 8, 8)):
    return gan(
        generator=DenseGenerator(shape, 4, (16,), conditioning=Concatenation(known)),
        discriminator=DenseDiscriminator(shape, (16,), conditioning=Concatenation(known)),
    )


def test_what_no_classifier_can_be_trained_on_is_refused_before_anything_is_measured(gan, autoencoder, monkeypatch):
    with pytest.raises(InputError, match="this model was trained without classes: leave it out, or train a recipe"):
        assess(gan(), Digits(size=8), useful=True)
    with pytest.raises(InputError, match="--usefulness trains a classifier, but Grid holds points"):
        check_usefulness(conditional(gan, 25, (2,)), Grid(count=1000))
    with pytest.raises(InputError, match="the model knows 5 classes and Digits has 10: leave --usefulness out"):
        check_usefulness(conditional(gan, 5), Digits(size=8))
    renamed = conditional(gan)
    renamed.class_names = tuple("1234567890")
    with pytest.raises(InputError, match="the classes of Digits are not those of the model, by name or by order"):
        check_usefulness(renamed, Digits(size=8))
    unlabelled = Digits(size=8)
    unlabelled.num_classes = None
    with pytest.raises(InputError, match="but Digits has no classes"):
        check_usefulness(conditional(gan), unlabelled)
    coder = Drawn(None)
    coder.has_prior = False
    with pytest.raises(InputError, match="no prior to draw from: add --sampler gmm"):
        check_usefulness(coder, Digits(size=8))
    check_usefulness(autoencoder(), Digits(size=8), has_sampler=True, known=Classes(10))


def test_the_flag_of_evaluate(gan, trainer, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(usefulness, "MOST", 200)
    once = trainer(max_steps=1, limit_val_batches=0)
    once.fit(conditional(gan), Digits(size=8))
    once.save_checkpoint(tmp_path / "model.ckpt")
    words = ["evaluate", str(tmp_path / "model.ckpt"), "--extractor", "false", "--output", str(tmp_path / "x.json")]
    main(words)
    assert "cas_accuracy" not in json.loads((tmp_path / "x.json").read_text())["figures"]
    assert "classifiers" not in capsys.readouterr().err
    main([*words, "--usefulness"])
    report = json.loads((tmp_path / "x.json").read_text())
    assert report["figures"]["cas_accuracy"] < 0.5, "an untrained generator teaches little"
    assert report["figures"]["real_accuracy"] > 0.5
    assert report["card"]["usefulness"]["trained_on"].startswith("200 samples, or 200 of 1437 training images")
    assert "training 1 classifiers on 200 samples" in capsys.readouterr().err
