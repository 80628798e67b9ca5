"""The command ``doctor``: its report, its JSON, that its command runs as it is, and bad input."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_gen import GenerativeModule
from lightning_gen.cli import main
from lightning_gen.inspection import plans


@pytest.fixture(autouse=True)
def _short(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plans, "TIMED_SECONDS", 0.2)
    monkeypatch.setattr(plans, "OTHERS_SECONDS", 0.05)


def fill(place, count, start=0):
    Path(place).mkdir(parents=True, exist_ok=True)
    for seed in range(start, start + count):
        pixels = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(Path(place, f"{seed:04}.png"))


def error_of(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(["doctor", *words])
    assert end.value.code == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if not each.startswith("decoding images")]
    assert line.startswith("error: ")
    return line


def test_the_report_and_the_command_of_a_folder_with_classes(capsys):
    fill("pets/cat", 80)
    fill("pets/dog", 60, start=80)
    Path("pets/notes.txt").write_text("x")
    Path("pets/dog/0139.png").write_bytes(Path("pets/dog/0080.png").read_bytes())
    Path("pets/dog/0138.png").write_bytes(b"")
    main(["doctor", "pets", "--output", "found.json", "--minutes", "2"])
    printed = capsys.readouterr().out
    found = json.loads(Path("found.json").read_text())
    expected = {
        **{"images": 139, "broken_images": 1, "other_files": 1, "classes": 2, "exact_duplicates": 1},
        **{"near_duplicates": 0, "rgb_images": 139, "alpha_images": 0, "near_grey_share": 0.0},
        **{"least_short_side": 9, "median_short_side": 9, "largest_long_side": 11, "smaller_images": 0},
    }
    figures = found["figures"]
    assert expected.items() <= figures.items()
    assert figures["training_images"] + figures["validation_images"] + figures["test_images"] == 139
    assert all(type(value) in (int, float) for value in figures.values())
    assert figures.keys() == found["card"]["meanings"].keys()
    assert found["card"]["exact_duplicates"] == [["dog/0139.png", "dog/0080.png"]]
    assert list(found["card"]["broken"]) == ["dog/0138.png"]
    assert found["recipe"] == "gan/diffaugment"
    purposes = [each["purpose"] for each in found["alternatives"]]
    assert purposes == ["generate a class", "reconstruct and embed", "reconstruct and embed"]
    assert 0 < found["seconds"] <= 120
    assert found["command"][:4] == [sys.executable, "-m", "lightning_gen", "fit"]
    for each in (found, *found["alternatives"]):
        assert shlex.join(each["command"][1:]) in printed
    assert found["alternatives"][1]["recipe"] == "autoencoder/sigma_vae"
    assert [each["sampler_updates"] for each in (found, *found["alternatives"])] == [0, 0, 0, 0]
    assert "autoencoder/latent_diffusion: it needs at least 500 training images" in printed
    assert "gan/rpgan: it needs at least 10,000 training images" in printed
    assert not Path("runs").exists()


@pytest.mark.parametrize("which", [0, *(pytest.param(which, marks=pytest.mark.slow) for which in (1, 2, 3))])
def test_the_commands_run_as_they_are(which):
    fill("pets/cat", 70)
    fill("pets/dog", 70, start=80)
    main(["doctor", "pets", "--output", "found.json", "--minutes", "2"])
    found = json.loads(Path("found.json").read_text())
    plan = [found, *found["alternatives"]][which]
    assert plan["command"][-2:] == ["--max_images", str(plan["max_images"])]
    main([*plan["command"][3:], "--max_images", "64"])
    (last,) = Path("runs").glob("*/checkpoints/last.ckpt")
    assert GenerativeModule.load_from_checkpoint(last).images_seen == 64


def test_a_folder_of_many_images_is_drawn_by_latent_diffusion(capsys, monkeypatch):
    monkeypatch.setattr(plans, "LEAST_UPDATES", 0)
    fill("stamps", 650)
    main(["doctor", "stamps", "--output", "found.json", "--minutes", "60", "--size", "16"])
    found = json.loads(Path("found.json").read_text())
    assert found["recipe"] == "autoencoder/latent_diffusion"
    updates, images = found["sampler_updates"], found["max_images"]
    assert f" for {images:,} images and {updates:,} updates of its sampler, " in capsys.readouterr().out
    assert found["command"][-4:] == ["--sampler.updates", str(updates), "--max_images", str(images)]
    main([*found["command"][3:], "--max_images", "64", "--sampler.updates", "2"])
    (last,) = Path("runs").glob("*/checkpoints/last.ckpt")
    assert GenerativeModule.load_from_checkpoint(last).held_sampler().updates == 2


@pytest.mark.slow
def test_as_processes():
    fill("pets", 30)
    words = [sys.executable, "-m", "lightning_gen", "doctor", "pets", "--output", "found.json", "--minutes", "0.01"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "timing autoencoder/sigma_vae" in done.stderr
    assert "takes longer than 0.01 minutes" in done.stdout
    found = json.loads(Path("found.json").read_text())
    done = subprocess.run(found["command"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"Trained on {found['max_images']} images" in done.stdout


@pytest.mark.parametrize(("load", "told"), [(0.2, False), (0.75, True)])
def test_other_programs_make_times_longer(load, told, capsys, monkeypatch):
    fill("pets", 30)
    monkeypatch.setattr(os, "getloadavg", lambda: (load * os.cpu_count(), 0.0, 0.0))
    main(["doctor", "pets", "--output", "found.json", "--minutes", "1"])
    printed = " ".join(capsys.readouterr().out.split())
    assert ("other programs used 75% of this machine's cores" in printed) == told
    assert json.loads(Path("found.json").read_text())["card"]["busy"] == pytest.approx(load)


def test_bad_folders(capsys):
    assert "there is no folder missing" in error_of(capsys, "missing")
    Path("empty").mkdir()
    assert "give a folder with files that end in" in error_of(capsys, "empty")
    fill("three", 3)
    assert "an autoencoder can reconstruct them, from 100 a GAN can draw others" in error_of(capsys, "three")
    assert "is a file: give the folder" in error_of(capsys, "three/0000.png")
    Path("broken").mkdir()
    for index in range(3):
        Path("broken", f"{index}.png").write_bytes(b"x")
    assert "none of the 3 images in broken can be decoded" in error_of(capsys, "broken")
    fill("mixed/train", 2)
    fill("mixed/test", 2)
    fill("mixed", 1)
    assert "move these into one of the splits" in error_of(capsys, "mixed")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--minutes", "0"], "--minutes must be a number above 0"),
        (["--minutes", "-5"], "--minutes must be a number above 0"),
        (["--size", "4"], "--size must be at least 8 pixels, not 4"),
        (["--output", "x.txt"], "give a name that ends in .json"),
    ],
)
def test_bad_numbers(words, sentence, capsys):
    assert sentence in error_of(capsys, "images", *words)
