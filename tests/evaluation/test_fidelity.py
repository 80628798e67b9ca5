"""Metrics of samples in features of a published network, of models whose samples are known."""

import multiprocessing
import os

import pytest
import torch
from small_features import small_features
from test_assessment import Shown, metrics, repeating

from lightning_gen import InputError
from lightning_gen.data import Digits, Ring, Tensors
from lightning_gen.data.reading import pick, real_images
from lightning_gen.evaluation import assess
from lightning_gen.evaluation.fidelity import REFERENCES, fidelity
from lightning_gen.evaluation.samples import Source, class_draws, drawn
from lightning_gen.metrics import (
    density_coverage,
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
    trained_extractor,
)
from lightning_gen.networks import Concatenation, DenseDiscriminator, DenseGenerator
from lightning_gen.training.collectives import leave_group
from lightning_gen.training.sharding import NumberedSamples

KINDS = {"fd": "floor", "kid": "floor", "precision": "ceiling", "recall": "ceiling"}
KINDS |= {"density": "ceiling", "coverage": "ceiling", "authenticity": "ceiling"}
NAMES = [name for kind, reference in KINDS.items() for name in (f"{kind}_small", f"{kind}_small_{reference}")]


@pytest.fixture
def network(tmp_path):
    return small_features(tmp_path)


@pytest.fixture
def data():
    made = Digits(size=8)
    made.setup()
    return made


def folder(tmp_path, count=60):
    """Colour images without classes."""
    torch.save(torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1, tmp_path / "x.pt")
    made = Tensors(str(tmp_path / "x.pt"), batch_size=8)
    made.setup()
    return made


def test_figures_are_those_of_the_features_of_samples_and_of_both_splits(gan, data, tmp_path):
    network = small_features(tmp_path, num_classes=5)
    module = gan().eval()
    found = metrics(fidelity(Source(module), data, network, seed=3))
    scores = ["inception_score_small", "inception_score_small_ceiling"]
    assert list(found) == [*NAMES[:-2], *scores, *NAMES[-2:], "duplicates", "duplicates_floor"]
    samples = NumberedSamples(module.sample, 180, 3)
    fake = network.outputs(samples)
    real, other = (network.outputs(real_images(data, split, 180, 3)) for split in (data.test_set, data.train_set))
    for x, end, score in ((fake, ("",) * 6, ""), (other, ("_floor",) * 2 + ("_ceiling",) * 4, "_ceiling")):
        both, dense = precision_recall(real[:, :6], x[:, :6]), density_coverage(real[:, :6], x[:, :6])
        expected = [frechet_distance(x[:, :6], real[:, :6]).item(), kernel_distance(x[:, :6], real[:, :6]).mean]
        expected += [both.precision, both.recall, dense.density, dense.coverage]
        names = ("fd", "kid", "precision", "recall", "density", "coverage")
        assert [found[f"{name}_small{tail}"] for name, tail in zip(names, end, strict=True)] == pytest.approx(expected)
        assert found[f"inception_score_small{score}"] == pytest.approx(inception_score(x[:, 6:]).mean)


def test_samples_are_compared_with_the_training_split_where_that_is_asked(gan, data, network):
    module = gan().eval()
    report = fidelity(Source(module), data, network, 3, REFERENCES["train"])
    found, count = metrics(report), len(data.train_set)
    fake = network.outputs(NumberedSamples(module.sample, count, 3))
    real, test = (network.outputs(real_images(data, split, 2000, 3)) for split in (data.train_set, data.test_set))
    assert len(real) == count
    assert found["fd_small"] == pytest.approx(frechet_distance(fake, real).item())
    assert found["fd_small_floor"] == pytest.approx(frechet_distance(test, real).item())
    assert report.card["features_small"]["real"] == "1437 of train, 180 of test for floors and ceilings"
    against_test = metrics(fidelity(Source(module), data, network, 3))
    assert found["authenticity_small_ceiling"] == against_test["authenticity_small_ceiling"]
    assert found["fd_small"] != against_test["fd_small"]


def test_the_classifier_and_the_networks_have_one_interface(data, network):
    for extractor in (network, trained_extractor(data)):
        x = extractor.features(real_images(data, data.test_set, 3, 0))
        assert x.shape == (3, extractor.num_features)
        assert {"num_features"} < extractor.protocol.keys()
        assert torch.equal(extractor.cached_features(lambda: real_images(data, data.test_set, 3, 0), 3), x)
        assert isinstance(extractor.name, str)


def test_a_folder_without_classes_has_figures_and_no_classifier(gan, network, tmp_path):
    data = folder(tmp_path, 120)
    report = assess(gan((3, 8, 8)), data, network=network)
    assert {*NAMES, "duplicates"} <= metrics(report).keys()
    assert "figures of a classifier" in report.omitted
    assert "features" not in report.omitted
    assert report.card["features_small"]["weights_sha256"] == "0" * 64
    without = assess(gan((3, 8, 8)), data)
    assert "pip install 'lightning_gen[features]'" in without.omitted["features"]


def test_labelled_data_keep_the_figures_of_the_classifier_under_their_names(gan, data, network):
    module = gan()
    alone, both = assess(module, data), assess(module, data, network=network)
    assert metrics(alone).items() <= metrics(both).items()
    assert {"frechet_distance", "precision", "recall", "fd_small"} <= metrics(both).keys()


def test_fewer_samples_than_features_are_warned_of(gan, data, tmp_path):
    few, many = (fidelity(Source(gan()), data, small_features(tmp_path, width), 0) for width in (200, 6))
    said = {
        name: dict((each.name, each.meaning) for each in report.measurements)
        for name, report in {"few": few, "many": many}.items()
    }
    assert "180 images are fewer than the 200 features" in said["few"]["fd_small"]
    assert "kid_small is not" in said["few"]["fd_small"]
    assert "fewer than" not in said["many"]["fd_small"]


def test_three_images_have_no_figures_and_a_sentence(gan, network, tmp_path):
    report = assess(gan((3, 8, 8)), folder(tmp_path, 3 * 10), network=network)
    assert "3 images of the test split" in report.omitted["figures of a convolution"]
    assert "--data.test_fraction" in report.omitted["figures of a convolution"]


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 8, 8)])
def test_images_of_other_channels_are_said_to_have_none(gan, network, tmp_path, shape):
    torch.save(torch.rand(200, *shape), tmp_path / "x.pt")
    report = assess(gan(shape), Tensors(str(tmp_path / "x.pt")), network=network)
    assert f"{shape[0]} channels" in report.omitted["figures of a convolution"]


def test_points_have_no_features(gan, network):
    parts = {"generator": DenseGenerator((2,), 4, (8,)), "discriminator": DenseDiscriminator((2,), (8,))}
    report = assess(gan(**parts), Ring(count=500), samples=100, network=network)
    assert not [name for name in metrics(report) if name.endswith("_small")]


# copies


def test_training_images_learned_by_heart_are_copies(gan, data, network):
    learned, new = (
        fidelity(Source(repeating(gan, split)), data, network, 0) for split in (data.train_set, data.test_set)
    )
    assert metrics(learned)["duplicates"] == 180
    assert metrics(learned)["authenticity_small"] == 0
    assert metrics(new)["duplicates"] < 5
    assert metrics(new)["authenticity_small"] > 0.3
    assert metrics(new)["authenticity_small_ceiling"] > 0.3


def test_the_closest_samples_are_shown_beside_their_training_images(gan, data, network):
    report = fidelity(Source(repeating(gan, data.train_set)), data, network, 0)
    picture = report.pictures["nearest"][0].float()
    assert picture.shape == (4 * 66 + 2, 8 * 66 + 2)
    tile = [picture[2 + 66 * (k // 8) :, 2 + 66 * (k % 8) :][:64, :64] for k in range(32)]
    assert all(torch.equal(tile[k], tile[k + 1]) for k in range(0, 32, 2))
    assert "pictures" not in report.to_json()


# classes


def test_classes_are_drawn_as_often_as_in_the_training_data(gan, data, network):
    labels = data.train_set.labels
    labels[labels > 1] = 0  # 80 % of the digits, beside those that are 0
    conditionings = [Concatenation(10) for _ in range(2)]
    module = gan(
        generator=DenseGenerator((1, 8, 8), 4, (8,), conditioning=conditionings[0]),
        discriminator=DenseDiscriminator((1, 8, 8), (8,), conditioning=conditionings[1]),
    )
    found = class_draws(Source(module), data, 5000, 0)
    assert (found == 1).double().mean().item() == pytest.approx(0.1, abs=0.02)
    assert found.max() == 1
    asked, sample = [], module.sample
    module.sample = lambda n, wanted, generator: asked.append(wanted) or sample(n, wanted, generator)
    report = assess(module, data, network=network, extractor=False)
    assert "as often as in the training split" in report.card["classes"]
    assert all((each <= 1).all() and (each == 1).double().mean() < 0.4 for each in asked)
    assert len(asked) >= 4, "the distance of pixels, and three batches for the features"
    assert class_draws(Source(gan()), data, 10, 0) is None


def test_latents_are_those_that_are_drawn_without_classes(gan, data):
    module = gan(generator=DenseGenerator((1, 8, 8), 4, (8,)))
    x = torch.cat(list(drawn(Source(module.eval()), 30, 0)))
    assert torch.equal(x, module.sample(30, generator=torch.Generator().manual_seed(0)))
    assert pick(data, data.test_set, 5, 0).shape == (5, 1, 8, 8)


# processes


def test_batches_are_drawn_alone_and_rows_once_more(gan):
    samples = NumberedSamples(gan().eval().sample, 150, -7)
    whole = torch.cat(list(samples))
    assert len(whole) == 150
    assert torch.equal(samples.batch(1), whole[64:128])
    assert torch.equal(samples.rows(torch.tensor([149, 3, 65])), whole[[149, 3, 65]])


def in_a_group(rank, processes, module, data, network, place):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place}/store{processes}", rank=rank, world_size=processes
    )
    report = fidelity(Source(module), data, network, 5)
    torch.save((report.as_dict(), report.pictures), f"{place}/{processes}-{rank}.pt")
    leave_group()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks processes")
@pytest.mark.parametrize("processes", [2, 3])
def test_any_number_of_processes_gives_the_bits_of_one(gan, data, network, tmp_path, processes):
    module = gan().eval()
    alone = fidelity(Source(module), data, network, 5)
    context = multiprocessing.get_context("fork")
    started = [
        context.Process(target=in_a_group, args=(rank, processes, module, data, network, tmp_path))
        for rank in range(processes)
    ]
    for each in started:
        each.start()
    for each in started:
        each.join(60)
    assert [each.exitcode for each in started] == [0] * processes
    for rank in range(processes):
        found, pictures = torch.load(tmp_path / f"{processes}-{rank}.pt", weights_only=True)
        assert found == alone.as_dict()
        assert torch.equal(pictures["nearest"], alone.pictures["nearest"])


def test_a_diverged_model_is_refused(gan, data, network):
    with pytest.raises(InputError, match="diverged"):
        fidelity(Source(gan(generator=Shown(float("nan")))), data, network, 0)
