"""RunFolder and Report: what a run writes about itself, and what it tells its user."""

import re
import shlex
from pathlib import Path

import pytest
import recorded
import yaml
from recorded import DIGITS, NETWORKS

from lightning_gen.callbacks import MaxImages, Report, RunFolder
from lightning_gen.callbacks.objective import objective_lines
from lightning_gen.callbacks.run import flat
from lightning_gen.cli import main
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood
from lightning_gen.regularizers import KLDivergence
from lightning_gen.schedules import Linear, Schedule


def test_settings_are_flattened_without_what_is_not_set():
    nested = {
        "generator": {"class_path": "some.module.Generator", "init_args": {"width": 8, "widths": [4, 2]}},
        "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"foreach": None}},
        "ema": {"half_life_images": 5.0},
        "clip": None,
        "penalties": {"r1": {"class_path": "R1", "init_args": {"weight": 2.0}}},
    }
    assert flat(nested) == {
        **{"generator": "Generator", "generator.width": 8, "generator.widths": "[4, 2]", "optimizer": "Adam"},
        **{"ema.half_life_images": 5.0, "penalties.r1": "R1", "penalties.r1.weight": 2.0},
    }


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


@pytest.mark.parametrize(("recipe", "pictures"), [("gan/dcgan", 1), ("autoencoder/vae", 2)])
def test_the_report_names_what_exists(tmp_path, capsys, recipe, pictures):
    folder = recorded.fit(tmp_path, "run", recipe, 192)
    report = capsys.readouterr().out.split("Trained on ")[1]
    assert report.startswith("192 images in 0 min ")
    named = [Path(word) for word in report.split() if word.startswith(str(tmp_path))]
    assert len(named) == pictures + 4
    assert all(path.exists() for path in named)
    assert {*(folder / "samples").glob("*-000000192.png"), folder / "checkpoints" / "last.ckpt", folder} <= set(named)


def test_the_next_command_of_the_report_works(tmp_path, capsys, monkeypatch):
    recorded.fit(tmp_path, "run", "gan/dcgan", 64)
    command = re.search(r"-m lightning_gen (.*)", capsys.readouterr().out)[1]
    monkeypatch.chdir(tmp_path)
    main(shlex.split(command))
    assert (tmp_path / "samples.png").exists()


def test_the_report_opens_with_what_is_trained(gan, trainer, tmp_path, capsys):
    module, data = gan(), Digits(8)
    trainer(max_epochs=-1, callbacks=[MaxImages(64), Report(tmp_path)]).fit(module, data)
    opening = capsys.readouterr().out.splitlines()[:3]
    sizes = [sum(p.numel() for p in network.parameters()) for network in (module.generator, module.discriminator)]
    assert opening[0] == f"GANModule: generator {sizes[0]:,}, discriminator {sizes[1]:,} parameters"
    assert opening[1] == "Digits: 1,437 training samples of 1 x 8 x 8"
    assert opening[2] == f"{tmp_path}: on 1 x cpu, 32-true"


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
    assert objective_lines(module, 100)[0] == f"objective: {line}"


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
    assert "going on after 128 images" in out
    assert "Trained on 128 images" in out


def test_without_checkpoints_the_report_names_none(tmp_path, capsys):
    small = (*DIGITS, *NETWORKS["gan/dcgan"], "--max_images=64", f"--runs_dir={tmp_path}")
    main(["fit", "--config=gan/dcgan", *small, "--trainer.enable_checkpointing=false", "--trainer.logger=false"])
    out = capsys.readouterr().out
    assert "samples-000000064.png" in out
    assert not any(word in out for word in ("  checkpoint ", ".ckpt", "TensorBoard"))
