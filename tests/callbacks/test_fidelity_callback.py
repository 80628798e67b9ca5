"""Fidelity: figures that are those of the samples, the best state, and a training that does not depend on it."""

import os
import sys
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from same_run import assert_same
from small_features import small_features

from lightning_gen import AutoencoderModule, GANModule, InputError
from lightning_gen.bottlenecks import GaussianBottleneck
from lightning_gen.callbacks import Fidelity, ImageCheckpoint, MaxImages, NonFiniteGuard
from lightning_gen.cli import main
from lightning_gen.cli.trainer_commands import fit
from lightning_gen.data import Digits, Ring
from lightning_gen.data.reading import real_images
from lightning_gen.errors import NonFiniteError
from lightning_gen.metrics import frechet_distance, kernel_distance
from lightning_gen.networks import DenseDiscriminator, DenseGenerator, ResidualDecoder, ResidualEncoder
from lightning_gen.objectives import GaussianLikelihood
from lightning_gen.regularizers import KLDivergence
from lightning_gen.training.sharding import NumberedSamples


@pytest.fixture(autouse=True)
def network(monkeypatch, tmp_path):
    """A network that takes no time, in the place of EfficientNet-Lite0."""
    made = small_features(tmp_path / "cache")
    room = sys.modules["lightning_gen.callbacks.fidelity"]
    monkeypatch.setattr(room, "pretrained_features", lambda name, weights, device: made)
    return made


@pytest.fixture
def trainer(trainer):
    """Make a Trainer that may write checkpoints."""

    def make(*callbacks, images=384, **options):
        return trainer(max_epochs=-1, enable_checkpointing=True, callbacks=[*callbacks, MaxImages(images)], **options)

    return make


class Kept(Fidelity):
    """Keeps all figures, and the weights of the best state."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.all = []

    def _measure(self, trainer, module):
        super()._measure(trainer, module)
        self.all.append((module.images_seen, self.latest["fd_small"]))


def digits():
    return Digits(size=8, batch_size=64)


def test_figures_are_those_of_samples_and_training_images(gan, trainer, network):
    module, data, callback = gan(), digits(), Fidelity(128, samples=150)
    trainer(callback, images=64).fit(module, data)
    fake = network.outputs(NumberedSamples(lambda n, labels, rng: module.sample(n, labels, rng), 150, 0))
    real = network.outputs(real_images(data, data.train_set, 150, 0))
    assert callback.latest["fd_small"] == pytest.approx(frechet_distance(fake, real).item())
    assert callback.latest["kid_small"] == pytest.approx(kernel_distance(fake, real).mean)
    assert {"precision_small", "recall_small", "density_small", "coverage_small"} < callback.latest.keys()


def test_the_best_state_is_kept_with_its_samples(gan, trainer, tmp_path):
    callback = Kept(128, samples=100, folder=str(tmp_path / "best"))
    trainer(callback, images=448).fit(gan(), digits())
    assert [images for images, _ in callback.all] == [128, 256, 384, 448]
    images, distance = min(callback.all, key=lambda each: each[1])
    stored = torch.load(tmp_path / "best" / "best.ckpt", weights_only=True)
    assert stored["lightning_gen"]["images_seen"] == images
    assert callback.best == distance == stored["callbacks"][callback.state_key]["best"]
    module = GANModule.load_from_checkpoint(tmp_path / "best" / "best.ckpt")
    assert module.images_seen == images
    assert Image.open(tmp_path / "best" / "best.png").size == (8 * 66 + 2, 8 * 66 + 2)


@pytest.mark.parametrize("make", ["gan", "autoencoder"])
def test_training_does_not_depend_on_it_and_both_modules_share_tags(make, request, trainer, tmp_path):
    ends, tags = [], []
    for callbacks in ([], [Fidelity(64, samples=70, folder=str(tmp_path / "best"))]):
        torch.manual_seed(0)
        module = request.getfixturevalue(make)(**({"variational": True} if make == "autoencoder" else {}))
        folder = tmp_path / f"{len(callbacks)}"
        run = trainer(*callbacks, ImageCheckpoint(None, folder))
        run.fit(module, digits())
        ends.append(folder / "last.ckpt")
        tags.append({name for name in run.callback_metrics if name.startswith("fidelity/")})
    assert_same(*ends)
    assert tags[1] >= {"fidelity/fd_small", "fidelity/kid_small", "fidelity/precision_small"}


def test_a_resumed_run_ends_as_one_that_was_not_interrupted(gan, trainer, tmp_path):
    found = {}
    for name, lengths in (("whole", [512]), ("parts", [192, 320, 512])):
        folder = tmp_path / name
        for images in lengths:
            torch.manual_seed(0)
            callback = Kept(128, samples=80, folder=str(folder))
            path = folder / "last.ckpt"
            run = trainer(callback, ImageCheckpoint(64, folder), images=images)
            run.fit(gan(batch_norm=True), digits(), ckpt_path=str(path) if path.exists() else None)
            found.setdefault(name, {}).update(callback.all)
    assert_same(tmp_path / "whole" / "last.ckpt", tmp_path / "parts" / "last.ckpt")
    assert found["whole"].items() <= found["parts"].items()
    best = [torch.load(tmp_path / name / "best.ckpt", weights_only=True) for name in found]
    key = "Kept(features=lite0, samples=80, seed=0)"
    assert best[1]["callbacks"][key]["best"] == min(found["parts"].values())
    assert best[0]["callbacks"][key]["best"] == min(found["whole"].values())


class StoredAfterBatch(ModelCheckpoint):
    """Stores a state in which a measurement is due, as where a run is stopped right after a batch."""

    def __init__(self, folder):
        super().__init__(folder, "stopped-{step}", every_n_train_steps=4, save_top_k=-1)


def test_a_measurement_that_was_due_is_made_by_the_resumed_run(gan, trainer, tmp_path):
    first, second = (Kept(128, samples=80, folder=str(tmp_path / name)) for name in "ab")
    trainer(first, StoredAfterBatch(tmp_path), images=256).fit(gan(), digits())
    path = next(
        each
        for each in tmp_path.glob("stopped-*.ckpt")
        if torch.load(each, weights_only=True)["lightning_gen"]["images_seen"] == 128
    )
    trainer(second, images=256).fit(gan(), digits(), ckpt_path=str(path))
    assert second.all == first.all


def test_weights_that_are_not_finite_are_the_guards_matter(gan, trainer):
    module = gan(ema=None)
    next(module.generator.parameters()).data.fill_(torch.nan)
    with pytest.raises(NonFiniteError):
        trainer(Fidelity(64, samples=64), NonFiniteGuard()).fit(module, digits())


def test_what_cannot_be_measured_is_said_before_training(gan, autoencoder, trainer):
    with pytest.raises(InputError, match="take a bottleneck that has one, such as GaussianBottleneck"):
        trainer(Fidelity(64)).fit(autoencoder(), digits())
    parts = {"generator": DenseGenerator((2,), 4, (8,)), "discriminator": DenseDiscriminator((2,), (8,))}
    with pytest.raises(InputError, match="published networks read images, and these are points: leave Fidelity out"):
        trainer(Fidelity(64)).fit(gan(**parts), Ring(count=500))
    loader = torch.utils.data.DataLoader(torch.rand(64, 1, 8, 8), 32)
    with pytest.raises(InputError, match="known number of training images"):
        trainer(Fidelity(64)).fit(gan(), loader)
    for options in ({"every_images": 0}, {"every_images": 64, "samples": 9}):
        with pytest.raises(InputError, match="at least 1"):
            Fidelity(**options)


def test_samples_of_the_prior_of_a_map_are_said_to_have_no_shapes(trainer):
    encoder = ResidualEncoder((1, 8, 8), 8, width=4, downsamplings=1)
    decoder = ResidualDecoder((1, 8, 8), 4, width=4, downsamplings=1)
    terms = {"reconstruction": GaussianLikelihood(), "kl": KLDivergence()}
    with pytest.warns(UserWarning, match="After training, evaluate --sampler rectified_flow measures"):
        trainer(Fidelity(64), images=64).fit(
            AutoencoderModule(encoder, decoder, GaussianBottleneck(4), terms), digits()
        )


class Told(Fidelity):
    """Writes what each process has found, and its statistics of BatchNorm afterwards."""

    def on_train_end(self, trainer, module):
        before = {name: value.clone() for name, value in module.named_buffers()}
        super().on_train_end(trainer, module)
        assert all(torch.equal(before[name], value) for name, value in module.named_buffers())
        torch.save(self.latest, self.folder / f"{trainer.world_size}-{trainer.global_rank}.pt")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks processes")
def test_two_processes_find_the_figures_of_one(gan, trainer, tmp_path):
    still = partial(torch.optim.SGD, lr=0.0)
    for devices in (1, 2):
        options = {"devices": devices, "strategy": "ddp_fork"} if devices > 1 else {}
        module = gan(generator_optimizer=still, discriminator_optimizer=still)
        torch.manual_seed(1)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
        callback = Told(128, samples=300, folder=str(tmp_path))
        trainer(callback, images=256, **options).fit(module, digits())
    one, first, second = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1"))
    assert one == first == second
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["lightning_gen"]["images_seen"] == 128


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks processes")
def test_processes_measure_the_average_of_their_batchnorm_and_keep_their_own(gan, trainer, tmp_path):
    callback = Told(128, samples=200, folder=str(tmp_path))
    trainer(callback, images=256, devices=2, strategy="ddp_fork").fit(gan(batch_norm=True), digits())
    first, second = (torch.load(tmp_path / f"2-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first == second


# the command line

SMALL = ["--data.size=8", "--max_images=128", "--trainer.limit_val_batches=1", "--trainer.num_sanity_val_steps=0"]
GAN = ["--config=gan/dcgan", "--model.generator.width=4", "--model.discriminator.width=4"]


def test_an_option_of_the_run_lets_best_be_the_best_by_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["fit", *GAN, *SMALL, "--fidelity_every_images=64"])
    folder = tmp_path / "runs" / "dcgan" / "checkpoints"
    assert {path.name for path in folder.iterdir()} == {"last.ckpt", "best.ckpt", "best.png"}
    assert "fidelity_every_images: 64" in (folder.parent / "config.yaml").read_text()
    main(["fit", "--ckpt_path=last", "--max_images=192"])


def test_the_callback_has_more_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--trainer.callbacks+=Fidelity", "--trainer.callbacks.every_images=64", "--trainer.callbacks.samples=50"]
    run = fit(["--config=autoencoder/vae", "--model.encoder.width=4", "--model.decoder.width=4", *SMALL, *words])
    (callback,) = [each for each in run.callbacks if isinstance(each, Fidelity)]
    assert (callback.every_images, callback.samples) == (64, 50)
    assert (tmp_path / "runs" / "vae" / "checkpoints" / "best.ckpt").exists()
    assert isinstance(run.lightning_module, AutoencoderModule)


def test_a_trial_run_measures_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["fit", *GAN, *SMALL, "--fidelity_every_images=64", "--trainer.fast_dev_run=1"])
    assert not (tmp_path / "runs").exists()
