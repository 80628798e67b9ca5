"""A run that is killed again and again ends as the run that was left alone."""

import os
import random
import signal
import sys
import time

import pytest
import torch
from recorded_curves import curves
from same_run import assert_same
from small_recipes import fixed, small, tiny

from lightning_gen import checkpoint as checkpoints
from lightning_gen.cli import main
from lightning_gen.samplers import rectified_flow

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks processes"),
]

KILLS = 20
"""Within one run."""
SMALL = ("--data.size=8", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false")
RHYTHM = (
    *("--data.batch_size=32", "--log_every_images=96", "--sample_every_images=640", "--checkpoint_every_images=160"),
    "--trainer.val_check_interval=7",
)
RUNS = {
    "gan": (
        *("--config=gan/dcgan", "--model.generator.width=4", "--model.discriminator.width=4"),
        *("--model.augmentation=ADA", "--model.penalties.lecam=LeCam"),
        *("--model.generator_scheduler=ImageSchedule", "--model.generator_scheduler.learning_rate=Linear"),
        "--model.generator_scheduler.learning_rate.end_images=20000",
    ),
    "codebook": (
        *("--config=autoencoder/vq_vae", "--model.encoder.width=4", "--model.decoder.width=4"),
        "--model.bottleneck.codes=8",
    ),
    "history": (
        *("--config=translation/cyclegan", *small("translation/cyclegan"), *fixed("translation/cyclegan")),
        "--model.history=96",
        "--data.batch_size=4",
    ),
}


def start(words):
    """Run a command in a copy of this process, which has imported everything; returns its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            main(list(words))
            status = 0
        except SystemExit as end:
            status = end.code
        finally:
            sys.stdout.flush()
            os._exit(status)
    return child


def end(child):
    """How a process ended."""
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_that_is_killed_again_and_again_ends_as_one_left_alone(kind, tmp_path, capfd):
    torch.set_num_threads(1)
    fit = ["fit", *SMALL, *RHYTHM, *RUNS[kind], f"--runs_dir={tmp_path}"]
    last = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    killed = [*fit, "--name=killed", "--ckpt_path=last"]
    moments, began, seconds = random.Random(0), time.monotonic(), 0.0
    for kill in range(KILLS):
        child = start([*killed, "--max_images=1000000000"])
        if kill == 0:  # how long a start takes here
            while not last.exists():
                time.sleep(0.01)
            seconds = time.monotonic() - began
        time.sleep(moments.uniform(0, 2 * seconds))
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(end(child)), capfd.readouterr().err
    length = f"--max_images={checkpoints.read(last)['lightning_gen']['images_seen'] + 1600}"
    assert end(start([*killed, length])) == 0, capfd.readouterr().err
    assert end(start([*fit, "--name=whole", length])) == 0, capfd.readouterr().err
    assert_same(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("killed", "whole")))
    best = [checkpoints.read(tmp_path / name / "checkpoints" / "best.ckpt") for name in ("whole", "killed")]
    torch.testing.assert_close(best[1]["state_dict"], best[0]["state_dict"], rtol=0, atol=0)
    assert curves(tmp_path / "killed") == curves(tmp_path / "whole")
    assert not list((tmp_path / "killed" / "checkpoints").glob(".*partial"))


def test_a_fit_of_a_sampler_that_is_killed_again_and_again_ends_as_one_left_alone(tmp_path, capfd, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(rectified_flow, "REPORT_EVERY_SECONDS", -1.0)
    recipe = "autoencoder/latent_diffusion"
    fit = ["fit", *tiny(recipe), "--max_images=64", "--sampler.updates=100", f"--runs_dir={tmp_path}"]
    last, killed = tmp_path / "killed" / "checkpoints" / "last.ckpt", [*fit, "--name=killed", "--ckpt_path=last"]
    moments, done = random.Random(0), 0

    def begun():
        kept = checkpoints.read(last)["lightning_gen"]["begun_fits"] if last.exists() else {}
        return max((fitted["state"]["updates"] for fitted in kept.values()), default=0)

    for _ in range(KILLS // 5):
        child = start(killed)
        while begun() <= done:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.5))
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(end(child)), capfd.readouterr().err
        done = begun()
    assert end(start(killed)) == 0, capfd.readouterr().err
    assert end(start([*fit, "--name=whole"])) == 0, capfd.readouterr().err
    assert_same(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("killed", "whole")))
