"""The recipes that are offered, the commands for them, and how long they take."""

import re
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lightning_gen import AutoencoderModule
from lightning_gen.cli import fit, main, recipes
from lightning_gen.errors import InputError
from lightning_gen.inspection import offers, plans, timing
from lightning_gen.inspection.offers import EMBED, GENERATE, OFFERS, Needs, Offer, code_size
from lightning_gen.inspection.plans import Plan, check_training, options, planned, run_name
from lightning_gen.inspection.survey import Survey
from lightning_gen.inspection.timing import Cost, timed
from lightning_gen.samplers import RectifiedFlowSampler

SMALL = ["--model.encoder.width", "4", "--model.decoder.width", "4"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def survey(tmp_path):
    """The survey of a folder of noise, of so many images in each class, or without classes."""

    def of(count=0, size=8, broken=0, **classes):
        folder = tmp_path / "my images"
        numbers = np.random.default_rng(0)
        for name, each in classes.items() if classes else [("", count)]:
            (folder / name).mkdir(parents=True)
            for index in range(each):
                pixels = numbers.integers(0, 256, (10, 10, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / name / f"{index}.png")
        for index in range(broken):
            (folder / f"broken{index}.png").write_bytes(b"")
        return Survey.of(str(folder), size)

    return of


def test_every_offer_is_a_recipe_that_builds_on_small_images(survey):
    found = survey(cat=2, dog=2)
    for offer in OFFERS:
        assert recipes.find(offer.recipe)
        words = options(found, offer)
        with pytest.raises(SystemExit) as end:
            main(["fit", *words, "--print_config"])
        assert end.value.code == 0


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        (Needs(images=17), "at least 17 training images"),
        (Needs(images=16), None),
        (Needs(images=1, classes=3), "at least 3 classes"),
        (Needs(images=1, classes=2, of_class=12), "12 training images of each class"),
        (Needs(images=1, side=32), "doctor --size 32"),
        (Needs(images=1, packages=("torch",), extra="features"), None),
        (Needs(images=1, packages=("torch", "no-such-package"), extra="features"), "lightning_gen[features]"),
    ],
)
def test_what_is_missing_is_named(needs, missing, survey):
    found = needs.missing(survey(cat=10, dog=10))
    assert (found is None) == (missing is None)
    if missing is not None:
        assert missing in found


def test_few_images_are_told_with_what_more_would_allow(survey):
    with pytest.raises(InputError, match=r"3 readable images, 1 of them .* from 16 for training an autoencoder"):
        check_training(survey(3))


def test_the_options_follow_from_the_folder(survey):
    found = survey(18, broken=2)
    follows = {"model.bottleneck.latent_dim": code_size}
    words = options(found, Offer(EMBED, "autoencoder/vae", Needs(1), 1, options=follows))
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert given == {
        "--config": "autoencoder/vae",
        "--data": "ImageFolder",
        "--data.folder": str(found.folder),
        "--data.size": "8",
        "--data.channels": "3",
        "--data.batch_size": "8",
        "--data.on_error": "skip",
        "--model.bottleneck.latent_dim": "16",
    }


def test_a_run_has_a_name_that_is_free(survey, tmp_path):
    found, offer = survey(18), OFFERS[0]
    assert run_name(found, offer) == "my_images-latent_diffusion"
    (tmp_path / "runs/my_images-latent_diffusion").mkdir(parents=True)
    assert run_name(found, offer) == "my_images-latent_diffusion-2"


COST = Cost(start=5.0, step=0.5, validation=2.0, end=3.0, images=10, steps=20, grid_images=1000)


def test_a_run_costs_its_start_its_steps_its_epochs_its_grids_and_its_end():
    epochs, grids = 50, 10
    assert COST.seconds(10_000) == pytest.approx(5 + 1000 * 0.5 + epochs * 2 + grids * (3 - 2) + 3)


@pytest.mark.parametrize(("seconds", "expected"), [(8 + 61, 1000), (8 + 61.1 * 1.26, 1200), (1, 10)])
def test_the_length_is_the_largest_round_number_that_fits(seconds, expected):
    assert COST.images_in(seconds) == expected
    assert COST.seconds(expected) <= seconds or expected == COST.images


LATENT = Offer(GENERATE, "autoencoder/latent_diffusion", Needs(1), 10**6, sampler=RectifiedFlowSampler)


@pytest.fixture
def of_latents(survey, monkeypatch):
    """Plan a run of so many minutes whose sampler takes so long for an update."""
    found = survey(20)

    def plan(minutes, update):
        monkeypatch.setattr(plans, "timed", lambda *_: replace(COST, step=0.01, validation=0.0, update=update))
        return planned(fit, found, LATENT, minutes, 1.0)

    return plan


def test_a_run_with_a_sampler_shares_the_time(of_latents):
    plan = of_latents(40, 0.2)
    assert 0.85 * 40 * 60 < plan.seconds <= 0.9 * 40 * 60
    assert plan.cost.seconds(plan.images) == pytest.approx(0.25 * 0.9 * 40 * 60, rel=0.1)
    assert plan.words[-4:] == ["--sampler.updates", str(plan.updates), "--max_images", str(plan.images)]


def test_few_codes_have_a_largest_number_of_updates(of_latents):
    plan = of_latents(600, 0.2)
    assert plan.updates == 2 * RectifiedFlowSampler().updates_of(16)
    assert plan.seconds < 300 * 60


def test_too_little_time_for_a_sampler_is_told_with_the_time_that_is_enough(of_latents):
    with pytest.raises(InputError, match="doctor --minutes") as told:
        of_latents(3, 0.2)
    (least,) = map(int, re.findall(r"--minutes (\d+)", str(told.value)))
    assert 2_500 <= of_latents(least, 0.2).updates < 3_000
    with pytest.raises(InputError):
        of_latents(least - 2, 0.2)


def test_the_updates_of_a_sampler_are_timed(survey, monkeypatch):
    """They sleep, and no machine makes that shorter."""
    error = RectifiedFlowSampler.error

    def slow(self, *args):
        time.sleep(0.02)
        return error(self, *args)

    monkeypatch.setattr(RectifiedFlowSampler, "error", slow)
    argv = [*options(survey(40, size=16), LATENT), *SMALL, "--name", "x"]
    cost = timed(fit, argv, 0.1, RectifiedFlowSampler)
    assert 0.02 <= cost.update < 1
    assert cost.seconds(100, 10) == pytest.approx(cost.seconds(100) + 10 * cost.update)
    assert timed(fit, argv, 0.1).update == 0


def slowed(monkeypatch, name, seconds):
    method = getattr(AutoencoderModule, name)

    def slow(self, *args):
        time.sleep(seconds)
        return method(self, *args)

    monkeypatch.setattr(AutoencoderModule, name, slow)


def test_steps_and_validations_are_timed_apart(survey, monkeypatch):
    """Both sleep, and no machine makes that shorter; the run as a whole is an upper bound."""
    slowed(monkeypatch, "training_step", 0.03)
    slowed(monkeypatch, "validation_step", 0.2)
    monkeypatch.setattr(timing, "STARTUP", 0.0)
    argv = [*options(survey(40), OFFERS[-1]), *SMALL, "--name", "x"]
    since = time.perf_counter()
    cost = timed(fit, argv, 1.0)
    taken = time.perf_counter() - since
    assert (cost.images, cost.steps, cost.grid_images) == (32, 1, 25_000)
    assert cost.step + cost.validation >= 0.23
    assert cost.end >= 0.2
    assert cost.start + 2 * (cost.step + cost.validation) + cost.end < taken


def test_long_epochs_are_timed_without_their_end(survey, monkeypatch):
    slowed(monkeypatch, "training_step", 0.05)
    slowed(monkeypatch, "validation_step", 0.5)
    argv = [*options(survey(120), OFFERS[-1]), *SMALL, "--data.batch_size", "1", "--name", "x"]
    cost = timed(fit, argv, 0.2)
    assert cost.steps == 96
    assert cost.step >= 0.05
    assert cost.validation >= 12 * 0.5, "of one image each"
    assert cost.end >= cost.validation
    assert cost.start >= 2 * 0.5, "two batches of validation before the first step"


def test_timing_leaves_no_files(survey, tmp_path):
    found = survey(20)
    before = sorted(tmp_path.rglob("*"))
    timed(fit, [*options(found, OFFERS[-1]), *SMALL], 0.05)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_recipe_that_cannot_be_trained_is_left_out_with_the_reason(survey, monkeypatch):
    monkeypatch.setattr(plans, "TIMED_SECONDS", 0.05)
    wrong = Offer(GENERATE, "gan/dcgan", Needs(1), 500, options={"model.generator.latent_dim": lambda survey: -1})
    monkeypatch.setattr(plans, "OFFERS", (wrong, offers.OFFERS[-1]))
    found, missing = plans.plans(fit, survey(20), 1)
    assert [type(plan) for plan in found] == [Plan]
    assert "latent_dim" in missing["gan/dcgan"]
    assert found[0].words[:4] == [sys.executable, "-m", "lightning_gen", "fit"]
    monkeypatch.setattr(plans, "OFFERS", (wrong, replace(wrong, purpose=EMBED)))
    with pytest.raises(InputError, match="no recipe can be trained"):
        plans.plans(fit, Survey.of("my images", 8), 1)
