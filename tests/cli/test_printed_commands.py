"""Commands and options that a run prints work when they are typed, also where a name holds spaces."""

import re
import shlex
import signal
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import Callback

from lightning_gen import checkpoint as checkpoints
from lightning_gen.callbacks.command_lines import python
from lightning_gen.cli import main
from lightning_gen.cli import trainer_commands as commands

VAE = ["--config=autoencoder/vae", "--data.size=8", "--model.encoder.width=4", "--model.decoder.width=4"]
QUIET = ["--trainer.limit_val_batches=1", "--trainer.num_sanity_val_steps=0"]
NAMED = ["--name=two words/it's", "--runs_dir=../all my runs"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder, beside that of the runs."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def typed(line):
    """The words of a printed command, after the program."""
    words = shlex.split(line)
    assert words[:3] == [*shlex.split(python()), "-m", words[2]]
    return words[3:]


def fit(*words):
    main(["fit", *VAE, *QUIET, *NAMED, *words])


def images():
    return checkpoints.read("../all my runs/two words/it's/checkpoints/last.ckpt")["lightning_gen"]["images_seen"]


def test_the_next_commands_of_a_run_are_quoted_and_name_its_folder(capsys):
    fit("--max_images=64")
    lines = [line for line in capsys.readouterr().out.splitlines() if " -m " in line]
    (evaluate,) = [typed(line) for line in lines if " evaluate " in line]
    (sample,) = [typed(line) for line in lines if " sample " in line]
    (board,) = [typed(line) for line in lines if "tensorboard.main" in line]
    last = "../all my runs/two words/it's/checkpoints/last.ckpt"
    assert evaluate == ["evaluate", last]
    main([*sample, "--n=4"])
    assert Path("samples.png").exists()
    assert board == ["--logdir", "../all my runs/two words"]


class Interrupt(Callback):
    """Presses Ctrl-C in the first batch."""

    def on_train_batch_end(self, *args):
        signal.raise_signal(signal.SIGINT)


def test_the_command_that_resumes_a_stopped_run_goes_on_in_its_folder(capsys, monkeypatch):
    every = commands.run_callbacks
    monkeypatch.setattr(commands, "run_callbacks", lambda *given: [Interrupt(), *every(*given)])
    with pytest.raises(SystemExit) as end:
        fit("--max_images=192")
    assert end.value.code == 130
    assert images() == 64
    monkeypatch.setattr(commands, "run_callbacks", every)
    main(typed(capsys.readouterr().err.splitlines()[-1]))
    assert images() == 192


def remedy(capsys, *words):
    """The options that a refusal names, with their values as a shell reads them."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        fit(*words)
    assert end.value.code == 2
    sentence = capsys.readouterr().err.strip().splitlines()[-1]
    return {name: shlex.split(value)[0] for name, value in re.findall(r"(--\w+) (.+?)(?=, or |$)", sentence)}


def test_the_name_that_is_suggested_is_free_and_in_the_same_folder(capsys):
    fit("--max_images=64")
    for number in (2, 3):
        named = remedy(capsys, "--max_images=64")
        assert named == {"--ckpt_path": "last", "--name": f"two words/it's-{number}"}
        main(["fit", *VAE, *QUIET, "--runs_dir=../all my runs", "--max_images=64", "--name", named["--name"]])
    fit("--max_images=128", "--ckpt_path=last")
    assert images() == 128


def test_another_state_of_a_run_that_is_suggested_is_one(capsys):
    fit("--max_images=64")
    Path("../all my runs/two words/it's/checkpoints/last.ckpt").unlink()
    for words in (["--ckpt_path=last"], []):
        state = remedy(capsys, *words)["--ckpt_path"]
        assert Path(state).is_file()
    fit("--max_images=128", f"--ckpt_path={state}")
    assert images() == 128
