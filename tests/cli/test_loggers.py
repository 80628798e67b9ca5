"""The loggers that a user names: beside TensorBoard, in the run's folder, with the arguments that were given."""

import csv
import importlib
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import pytest
import yaml
from jsonargparse import Namespace
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning_utilities.core.imports import RequirementCache
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_gen.callbacks import RunLogger, RunTable
from lightning_gen.cli import main
from lightning_gen.cli.loggers import defaults_of, run_loggers, with_defaults
from lightning_gen.errors import InputError

SMALL = (
    *("--data.size=8", "--log_every_images=64", "--trainer.accelerator=cpu"),
    *("--model.generator.width=4", "--model.discriminator.width=4", "--model.discriminator.batch_norm=false"),
)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def fit(*words, images=128, name="run"):
    main(["fit", "--config=gan/dcgan", *SMALL, f"--max_images={images}", f"--name={name}", *words])
    return Path("runs", name)


def resume(images, name="run"):
    main(["fit", "--name", name, "--ckpt_path=last", f"--max_images={images}"])


def rows(folder):
    """The rows of a table, each without the columns that it leaves empty."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def steps(folder, column="train/generator_loss"):
    return [row["step"] for row in rows(folder) if column in row]


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def refused(capsys, *words):
    with pytest.raises(SystemExit) as exit_info:
        fit(*words)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


# files of a run -----------------------------------------------------------------------------------------------------


def test_a_table_is_written_beside_tensorboard_with_the_same_values(monkeypatch):
    folder = fit("--trainer.logger=CSVLogger")
    events = EventAccumulator(str(folder))
    events.Reload()
    for tag in events.Tags()["scalars"]:
        shown = [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]
        assert [(row["step"], row[tag]) for row in rows(folder) if tag in row] == shown
    names = {name.split(".")[0] for name in files(folder)}
    assert names == {
        "",
        "checkpoints/best",
        "checkpoints/last",
        "config",
        "events",
        "metrics",
        "samples/samples-000000128",
    }


@pytest.mark.parametrize(
    "words",
    [
        ["--trainer.logger", "[CSVLogger, TensorBoardLogger]"],
        ["--trainer.logger", "TensorBoardLogger", "--trainer.logger+=CSVLogger"],
        ["--config", "loggers.yaml"],
    ],
)
def test_a_list_of_loggers_writes_each_file_once(words):
    Path("loggers.yaml").write_text(
        "trainer: {logger: [CSVLogger, {class_path: TensorBoardLogger, init_args: {log_graph: false}}]}"
    )
    folder = fit(*words)
    assert sum(name.startswith("events") for name in files(folder)) == 1
    assert steps(folder) == [64, 128]
    assert "hparams.yaml" not in files(folder)


def test_false_is_none():
    assert not {name for name in files(fit("--trainer.logger=false")) if name.startswith(("events", "metrics"))}


def test_a_folder_that_is_given_is_lightnings_own(tmp_path):
    fit("--trainer.logger=CSVLogger", "--trainer.logger.save_dir=own", "--trainer.logger.flush_logs_every_n_steps=1")
    assert files(tmp_path / "own") >= {"lightning_logs/version_0/metrics.csv"}
    assert "metrics.csv" not in files(Path("runs/run"))
    assert any(name.startswith("events") for name in files(Path("runs/run")))


def test_a_name_or_a_version_alone_is_a_folder_in_the_runs():
    fit("--trainer.logger=CSVLogger", "--trainer.logger.name=table", "--trainer.logger.prefix=x")
    assert "table/metrics.csv" in files(Path("runs/run"))
    assert "x-train/generator_loss" in rows(Path("runs/run/table"))[0]


def test_two_loggers_of_one_file_are_refused(capsys):
    error = refused(capsys, "--trainer.logger", "[CSVLogger, CSVLogger]")
    assert "two loggers would write one file in runs/run/: give one a save_dir of its own" in error
    assert not Path("runs").exists()


def test_a_run_that_is_refused_writes_no_table(capsys):
    refused(capsys, "--trainer.logger=CSVLogger", "--data.batch_size=5000")
    assert not Path("runs").exists()


def test_a_resumed_run_continues_its_table_wherever_it_lies_now():
    fit("--trainer.logger=CSVLogger")
    first = rows(Path("runs/run"))
    Path("runs/run").rename("runs/renamed")
    resume(256, "renamed")
    assert rows(Path("runs/renamed"))[: len(first)] == first
    assert steps(Path("runs/renamed")) == [64, 128, 192, 256]
    assert not Path("runs/run").exists()
    stored = yaml.safe_load(Path("runs/renamed/config.yaml").read_text())["trainer"]["logger"]
    assert stored["class_path"] == "lightning.pytorch.loggers.CSVLogger"
    assert "save_dir" not in stored["init_args"]


def test_rows_that_an_interrupted_run_wrote_after_its_checkpoint_are_removed():
    last = fit("--trainer.logger=CSVLogger") / "checkpoints" / "last.ckpt"
    earlier = last.read_bytes()
    resume(320)
    expected = rows(Path("runs/run"))
    last.write_bytes(earlier)
    resume(320)
    without_speed = [{key: value for key, value in row.items() if "per_second" not in key} for row in expected]
    found = [{key: value for key, value in row.items() if "per_second" not in key} for row in rows(Path("runs/run"))]
    assert found == without_speed


def test_a_table_whose_folder_was_removed_is_written_again(tmp_path):
    table = RunTable(tmp_path / "run", "", "")
    table.begun = True
    table.cut(0)
    table.log_metrics({"a": 1.0}, 64)
    table.save()
    (tmp_path / "run" / "metrics.csv").unlink()
    (tmp_path / "run").rmdir()
    table.log_metrics({"a": 2.0}, 128)
    table.save()
    assert rows(tmp_path / "run") == [{"step": 128, "a": 2.0}]


def test_rows_after_a_rollback_are_removed(tmp_path):
    table = RunTable(tmp_path, "", "")
    table.begun = True
    table.cut(0)
    for step in (64, 128, 192):
        table.log_metrics({"a": step / 2}, step)
        table.save()
    table.cut(128)
    table.log_metrics({"b": 7.0}, 192)
    table.save()
    assert rows(tmp_path) == [{"step": 64, "a": 32}, {"step": 128, "a": 64}, {"step": 192, "b": 7}]


def test_other_commands_write_beside_the_table_of_the_training():
    before = rows(fit("--trainer.logger=CSVLogger"))
    for command in ("test", "test", "validate"):
        main([command, "--ckpt_path=runs/run", "--trainer.logger=CSVLogger", "--trainer.accelerator=cpu"])
    assert rows(Path("runs/run")) == before
    assert {name for name in files(Path("runs/run")) if "version" in name and name.endswith("csv")} == {
        *("test/version_0/metrics.csv", "test/version_1/metrics.csv", "validate/version_0/metrics.csv")
    }


def test_without_loggers_a_run_has_tensorboards_and_plain_ones_get_the_classes_of_runs():
    given = [Namespace(class_path=f"lightning.pytorch.loggers.{name}") for name in ("CSVLogger", "TensorBoardLogger")]
    kinds = [[type(each) for each in run_loggers(some, Path("x"), "x")] for some in ([], given[:1], given)]
    assert kinds == [[RunLogger], [RunLogger, RunTable], [RunTable, RunLogger]]
    own = Namespace(class_path="lightning.pytorch.loggers.CSVLogger", init_args=Namespace(save_dir="y"))
    assert [type(each) for each in run_loggers([own], Path("x"), "x")] == [RunLogger, CSVLogger]


# services -----------------------------------------------------------------------------------------------------------


def arguments(kind, **given):
    described = Namespace(
        class_path=f"lightning.pytorch.loggers.{kind.__name__}", init_args=Namespace(save_dir=None, **given)
    )
    return vars(with_defaults(described, defaults_of(kind, Path("runs/vae/a"), "vae/a")).init_args)


def test_services_get_the_name_and_the_folder_of_the_run(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert arguments(WandbLogger, name=None, project="x") == {"name": "vae/a", "save_dir": "runs/vae/a", "project": "x"}
    assert arguments(WandbLogger, name="mine")["name"] == "mine"
    mlflow = arguments(MLFlowLogger, run_name=None, tracking_uri=None)
    assert (mlflow["run_name"], mlflow["tracking_uri"]) == ("vae/a", "sqlite:///runs/vae/a/mlflow.db")
    assert arguments(MLFlowLogger, tracking_uri="http://x")["tracking_uri"] == "http://x"
    assert arguments(TensorBoardLogger, default_hp_metric=True)["default_hp_metric"] is False
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://x")
    assert arguments(MLFlowLogger, tracking_uri="http://x")["tracking_uri"] == "http://x"


@pytest.mark.parametrize(
    ("logger", "name", "package"),
    [
        ("WandbLogger", "wandb._WANDB_AVAILABLE", "wandb"),
        ("MLFlowLogger", "mlflow._MLFLOW_AVAILABLE", "mlflow"),
        ("CometLogger", "comet._COMET_AVAILABLE", "comet-ml"),
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_a_missing_package_is_one_sentence(capsys, monkeypatch, logger, name, package, listed):
    module, _, attribute = f"lightning.pytorch.loggers.{name}".rpartition(".")
    monkeypatch.setattr(importlib.import_module(module), attribute, RequirementCache(f"{package}>=999"))
    error = refused(capsys, "--trainer.logger", f"[CSVLogger, {logger}]" if listed else logger)
    assert error == f"error: {logger} needs a package that is not installed: pip install {package}\n"
    assert not Path("runs").exists()


@pytest.fixture
def wandb(monkeypatch):
    """A package of this name, whose calls can be looked at."""
    service, lib, run = MagicMock(run=None), ModuleType("wandb.sdk.lib"), ModuleType("wandb.wandb_run")
    lib.RunDisabled, run.Run = type("RunDisabled", (), {}), type("Run", (), {})
    modules = {"wandb": service, "wandb.sdk": MagicMock(), "wandb.sdk.lib": lib, "wandb.wandb_run": run}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", True)
    return service


def test_a_service_gets_metrics_settings_and_images_on_the_axis_of_images(wandb):
    folder = fit("--trainer.logger=WandbLogger", "--trainer.logger.project=digits")
    assert wandb.init.call_args.kwargs | {"name": "run", "dir": "runs/run", "project": "digits"} == (
        wandb.init.call_args.kwargs
    )
    logged = [call.args[0] for call in wandb.init.return_value.log.call_args_list]
    assert [each["trainer/global_step"] for each in logged if "train/generator_loss" in each] == [64, 128]
    assert [each["trainer/global_step"] for each in logged if "pictures/samples" in each] == [128]
    assert wandb.Image.call_args.args[0].shape == (530, 530, 1)
    settings = wandb.init.return_value.config.update.call_args.args[0]
    assert settings["generator.width"] == 4
    assert settings["data"] == "Digits"
    assert any(name.startswith("events") for name in files(folder)), "TensorBoard stays"


def test_an_error_of_a_service_is_one_sentence(wandb, capsys):
    wandb.init.side_effect = RuntimeError("No API key configured. Use `wandb login` to log in.\nmore")
    error = refused(capsys, "--trainer.logger=WandbLogger")
    assert "WandbLogger failed: No API key configured. Use `wandb login` to log in; correct that" in error


def test_a_logger_of_ones_own_takes_the_folder_too(tmp_path, monkeypatch):
    Path("my_loggers.py").write_text(
        "from lightning.pytorch.loggers import CSVLogger\n"
        "class Mine(CSVLogger):\n"
        "    def __init__(self, save_dir: str):\n"
        "        super().__init__(save_dir, 'mine', 'x')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    fit("--import=my_loggers", "--trainer.logger=my_loggers.Mine")
    assert steps(Path("runs/run/mine/x")) == [64, 128]


def test_a_class_that_is_not_imported_is_named():
    with pytest.raises(InputError, match=r"there is no class 'nowhere\.Logger'"):
        list(run_loggers([Namespace(class_path="nowhere.Logger")], Path("x"), "x"))
