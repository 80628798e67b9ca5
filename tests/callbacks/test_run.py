"""RunFolder and Report: the files of a run, and what it prints."""

import errno
import re
import shlex
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import recorded
import torch
import yaml
from recorded import DIGITS, NETWORKS
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.data import DataLoader

from lightning_gen.callbacks import ImageCheckpoint, MaxImages, Report, RunFolder, RunLogger
from lightning_gen.callbacks.command_lines import python
from lightning_gen.callbacks.loggers import leave_to_caller
from lightning_gen.callbacks.run import flat, settings
from lightning_gen.cli import main
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.modules.objective import course
from lightning_gen.networks import DenseDecoder
from lightning_gen.objectives import (
    BernoulliLikelihood,
    GaussianLikelihood,
    HiddenPart,
    LaplaceLikelihood,
    PixelScaleGaussianLikelihood,
    SharedScaleGaussianLikelihood,
)
from lightning_gen.regularizers import KLDivergence
from lightning_gen.schedules import Constant, Linear, Schedule


def test_settings_are_flattened_with_all_that_another_run_could_set():
    nested = {
        "generator": {"class_path": "some.module.Generator", "init_args": {"width": 8, "widths": [4, 2]}},
        "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"foreach": None}, "dict_kwargs": {"lr": 0.1}},
        "ema": {"half_life_images": 5.0},
        "clip": None,
        "penalties": {"r1": {"class_path": "R1", "init_args": {"weight": 2.0}}},
        "terms": {},
    }
    assert flat(nested) == {
        **{"generator": "Generator", "generator.width": 8, "generator.widths": "[4, 2]"},
        **{"optimizer": "Adam", "optimizer.foreach": "none", "optimizer.lr": 0.1},
        **{"ema": "half_life_images", "ema.half_life_images": 5.0, "clip": "none"},
        **{"penalties": "r1", "penalties.r1": "R1", "penalties.r1.weight": 2.0, "terms": "none"},
    }


def test_an_optimizer_that_is_not_set_is_recorded_as_it_is(gan, trainer, tmp_path):
    runs = {}
    for name, optimizer in {"default": None, "same": partial(torch.optim.Adam, lr=2e-4, betas=[0.5, 0.999])}.items():
        module = gan(generator_optimizer=optimizer)
        runner = trainer(max_steps=1, limit_val_batches=0)
        runner.fit(module, Digits(8))
        runs[name] = settings(runner, module, "")
    assert runs["default"] == runs["same"]
    assert runs["same"]["generator_optimizer"] == "Adam"
    assert runs["same"]["generator_optimizer.betas"] == "[0.5, 0.999]"
    assert runs["same"]["discriminator_optimizer"] == "SGD"


def test_the_configuration_is_written_when_training_starts(gan, trainer, tmp_path):
    folder = tmp_path / "runs" / "name"
    trainer(max_epochs=-1, callbacks=[MaxImages(64), RunFolder(folder, "a: 1\n")]).fit(gan(), Digits(8))
    assert (folder / "config.yaml").read_text() == "a: 1\n"


def test_a_mistake_leaves_no_folder_behind(gan, trainer, tmp_path):
    folder = tmp_path / "name"
    with pytest.raises(InputError):
        trainer(max_epochs=1, callbacks=[RunFolder(folder, "")]).fit(gan(), Digits(8, batch_size=5000))
    assert not folder.exists()


def test_a_run_can_be_repeated_from_its_configuration(tmp_path):
    first = recorded.fit(tmp_path, "first", "gan/dcgan", 128)
    main(["fit", "--config", str(first / "config.yaml"), "--name", "second"])
    losses = [recorded.events(tmp_path / name).Scalars("train/generator_loss") for name in ("first", "second")]
    assert [event.value for event in losses[0]] == [event.value for event in losses[1]]
    configs = [yaml.safe_load((tmp_path / name / "config.yaml").read_text()) for name in ("first", "second")]
    assert {key for key in configs[0] if configs[0][key] != configs[1].get(key)} == {"name"}


@pytest.mark.parametrize(("recipe", "images", "commands"), [("gan/dcgan", 1, 2), ("autoencoder/vae", 2, 2)])
def test_the_report_names_what_exists(tmp_path, capsys, recipe, images, commands):
    folder = recorded.fit(tmp_path, "run", recipe, 192)
    report = capsys.readouterr().out.split("Trained on ")[1]
    assert report.startswith("192 images in 0 min ")
    named = [Path(word) for word in report.split() if word.startswith(str(tmp_path))]
    assert len(named) == images + commands + 3
    assert all(path.exists() for path in named)
    assert {*(folder / "samples").glob("*-000000192.png"), folder / "checkpoints" / "last.ckpt", folder} <= set(named)


def test_the_report_names_the_sampler_of_maps_of_codes(tmp_path, capsys):
    folder = recorded.fit(
        tmp_path, "run", "autoencoder/kl", 64, "--data.size=16", *recorded.NETWORKS["autoencoder/vae"]
    )
    assert re.search(r"sample \S+last.ckpt --sampler rectified_flow\n", capsys.readouterr().out)
    assert [path.name for path in (folder / "samples").iterdir()] == ["reconstructions-000000064.png"]


def test_the_next_commands_of_the_report_work(tmp_path, capsys, monkeypatch):
    recorded.fit(tmp_path, "run", "gan/dcgan", 64)
    commands = [shlex.split(line) for line in re.findall(r"-m lightning_gen (.*)", capsys.readouterr().out)]
    assert [words[0] for words in commands] == ["evaluate", "sample"]
    monkeypatch.chdir(tmp_path)
    for words in commands:
        main([*words, "--extractor=false"] if words[0] == "evaluate" else words)
    assert "sliced_wasserstein" in capsys.readouterr().out
    assert (tmp_path / "samples.png").exists()


@pytest.mark.parametrize(
    "data", [Digits(8, test_fraction=0.0), DataLoader(torch.rand(64, 1, 8, 8) * 2 - 1, batch_size=32)]
)
def test_what_cannot_be_measured_without_more_words_is_not_offered(gan, trainer, tmp_path, capsys, data):
    callbacks = [MaxImages(64), Report(tmp_path), ImageCheckpoint(None, tmp_path / "checkpoints")]
    trainer(max_epochs=-1, callbacks=callbacks, enable_checkpointing=True).fit(gan(), data)
    assert re.findall(r"-m lightning_gen (\w+) ", capsys.readouterr().out) == ["sample"]


@pytest.mark.parametrize(("variational", "commands"), [(False, ["evaluate"]), (True, ["evaluate", "sample"])])
def test_what_can_be_sampled_is_sampled_next(autoencoder, trainer, tmp_path, capsys, variational, commands):
    callbacks = [MaxImages(64), Report(tmp_path), ImageCheckpoint(None, tmp_path / "checkpoints")]
    runner = trainer(max_epochs=-1, callbacks=callbacks, enable_checkpointing=True)
    runner.fit(autoencoder(variational=variational), Digits(8))
    assert re.findall(r"-m lightning_gen (\w+) ", capsys.readouterr().out) == commands


def test_the_report_opens_with_what_is_trained(gan, trainer, tmp_path, capsys):
    module, data = gan(), Digits(8)
    trainer(max_epochs=-1, callbacks=[MaxImages(64), Report(tmp_path)]).fit(module, data)
    opening = capsys.readouterr().out.splitlines()[:3]
    sizes = [sum(p.numel() for p in network.parameters()) for network in (module.generator, module.discriminator)]
    trained = (f"GANModule, trained parameters: generator {sizes[0]:,}, discriminator {sizes[1]:,}",)
    others = (("Digits", "1,437", "1 x 8 x 8"), (str(tmp_path), "cpu"))
    for line, said in zip(opening, (trained, *others), strict=True):
        assert all(word in line for word in said), line


class Triangle(Schedule):
    """0 to 2 and back in 100 images."""

    def value(self, images):
        return 2 - abs(images - 50) / 25


BERNOULLI, HALF = BernoulliLikelihood(), BernoulliLikelihood()
HALF.weight = 0.5


@pytest.mark.parametrize(
    ("likelihood", "weight", "line"),
    [
        (BERNOULLI, None, "reconstruction"),
        (BERNOULLI, 1.0, "reconstruction + kl; effective beta 1"),
        (BERNOULLI, 4.0, "reconstruction + 4 kl; effective beta 4"),
        (HALF, 4.0, "0.5 reconstruction + 4 kl; effective beta 8"),
        (BERNOULLI, 0.0, "reconstruction + 0 kl"),
        (HALF, Linear(200, first=0.0, last=4.0), "0.5 reconstruction + (0 to 2) kl; effective beta 0 to 4"),
        (BERNOULLI, Triangle(), "reconstruction + (0 to 0, at most 2) kl; effective beta 0 to 0, at most 2"),
        (
            GaussianLikelihood(0.1),
            2.0,
            "reconstruction + 2 kl; effective beta 2 with scale 0.1: the squared error counts 50 times",
        ),
    ],
)
def test_the_objective_is_said_with_its_weights_and_the_effective_beta(autoencoder, likelihood, weight, line):
    kl = {} if weight is None else {"kl": KLDivergence(weight)}
    module = autoencoder(variational=True, objective={"reconstruction": likelihood, **kl})
    assert module.summary(100)[0] == f"objective: {line}"


@pytest.mark.parametrize(
    ("weight", "images", "said"),
    [
        (Constant(4.0, warmup_images=1000), None, "0.004 to 4"),
        (Constant(4.0, warmup_images=1000), 500, "0.004 to 2"),
        (Linear(10**6, first=0.0, last=4.0), None, "0 to 4"),
        (Linear(10**6, first=4.0, last=0.0), None, "4 to 0"),
        (Linear(2000, first=4.0, last=0.0, warmup_images=1000), None, "0.002 to 0, at most 2"),
        (Linear(2000, first=4.0, last=0.0, warmup_images=1000), 3333, "0.002 to 0, at most 2"),
        (Constant(4.0), None, "4 to 4"),
        (4.0, None, "4"),
    ],
)
def test_a_schedule_is_said_to_the_end_of_the_run_or_to_its_own(weight, images, said):
    assert course(weight, 1.0, images) == said


def squared(x):
    return x**2


@pytest.mark.parametrize(
    ("likelihood", "error"),
    [
        (GaussianLikelihood(0.3), squared),
        (LaplaceLikelihood(0.3), abs),
        (HiddenPart(LaplaceLikelihood(0.5)), abs),
        (SharedScaleGaussianLikelihood(0.1), squared),
        (HiddenPart(SharedScaleGaussianLikelihood(2.0)), squared),
    ],
)
def test_the_objective_says_how_often_an_error_counts(autoencoder, likelihood, error):
    module = autoencoder(variational=True, objective={"reconstruction": likelihood, "kl": KLDivergence()})
    line = module.summary(100)[0]
    name, times = re.search(r"effective beta 1 with .*: the (\w+) error counts (\S+) times", line).groups()
    nats = likelihood.log_prob(torch.zeros(1, 1), torch.zeros(1, 1)) - likelihood.log_prob(
        torch.zeros(1, 1), torch.full((1, 1), 0.2)
    )
    assert name == {squared: "squared", abs: "absolute"}[error]
    assert float(times) == pytest.approx(nats.item() / error(0.2), rel=1e-2)


@pytest.mark.parametrize("likelihood", [SharedScaleGaussianLikelihood(), PixelScaleGaussianLikelihood()])
def test_the_objective_says_that_a_scale_is_learned(autoencoder, likelihood):
    decoder = DenseDecoder((1, 8, 8), 3, outputs=likelihood.outputs(1))
    objective = {"reconstruction": likelihood, "kl": KLDivergence()}
    module = autoencoder(variational=True, decoder=decoder, objective=objective)
    assert re.search("effective beta 1 with .*learn", module.summary(100)[0])


def test_the_report_opens_with_the_objective_of_an_autoencoder(autoencoder, trainer, tmp_path, capsys):
    module = autoencoder(variational=True)
    trainer(max_epochs=-1, callbacks=[MaxImages(64), Report(tmp_path)]).fit(module, Digits(8))
    opening = capsys.readouterr().out.splitlines()
    assert opening[3] == "objective: reconstruction + kl; effective beta 1"
    assert "nats per sample: summed over its dimensions, averaged over the batch" in opening[4]


def test_a_resumed_run_says_where_it_goes_on(tmp_path, capsys):
    recorded.fit(tmp_path, "run", "gan/dcgan", 128)
    assert "going on" not in capsys.readouterr().out
    recorded.fit(tmp_path, "run", "gan/dcgan", 256, "--ckpt_path=last")
    out = capsys.readouterr().out
    assert "resuming after 128 images" in out
    assert "Trained on 128 images" in out


def test_without_checkpoints_the_report_names_none(tmp_path, capsys):
    small = (*DIGITS, *NETWORKS["gan/dcgan"], "--max_images=64", f"--runs_dir={tmp_path}")
    main(["fit", "--config=gan/dcgan", *small, "--trainer.enable_checkpointing=false", "--trainer.logger=false"])
    out = capsys.readouterr().out
    assert "samples-000000064.png" in out
    assert not any(word in out for word in ("  checkpoint ", ".ckpt", "TensorBoard"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_under_tensorboard_is_raised_once_and_prints_nothing(tmp_path, capsys, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(threading, "excepthook", leave_to_caller)
    monkeypatch.setattr(RecordWriter, "write", full)
    logger = RunLogger(tmp_path, "run", version="")
    logger.begun = True

    def log():
        while True:
            logger.log_metrics({"figure": 1.0}, 0)

    for write in (log, logger.save):
        with pytest.raises(OSError, match="No space left"):
            write()
    other = threading.Thread(target=full, args=(None, None), name="another")
    other.start()
    other.join()
    said = capsys.readouterr().err
    assert said.count("Traceback") == 1
    assert "Exception in thread another" in said


def test_the_python_of_a_printed_command_is_the_one_that_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "here/python"))
    monkeypatch.setenv("PATH", str(tmp_path / "here"))
    assert python() == "python"
    monkeypatch.setenv("PATH", str(tmp_path / "there"))
    assert python() == "here/python"
    monkeypatch.chdir(tmp_path / "there")
    assert python() == str(tmp_path / "here/python")
    (tmp_path / "in two").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "in two/python"))
    assert shlex.split(python()) == ["in two/python"]
