"""What the comparison by quality rests on: equal time, equal draws, one judge, and packages that ask for a GPU."""

import json
import sys
import time
from types import SimpleNamespace

import pytest
import quality
import torch
import without_cuda
from learners import UNSPLIT, StopAt, Task, learned, trained_by
from PIL import Image
from quality import Judge
from torch import nn
from torchvision.transforms.functional import pil_to_tensor

from lightning_gen.cli import recipes

DRAWN = {"": torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1)}


@pytest.fixture
def folder(tmp_path):
    """Forty pictures of 8 x 8."""
    images = tmp_path / "images"
    images.mkdir()
    for number, image in enumerate(torch.randint(256, (40, 8, 8, 3), dtype=torch.uint8)):
        Image.fromarray(image.numpy()).save(images / f"{number}.png")
    return images


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def means():
    """Features that need no weights: the mean of each channel of each half."""
    return nn.Sequential(nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten())


@pytest.mark.skipif(torch.cuda.is_available(), reason="it is for machines without a GPU")
def test_what_asks_for_a_gpu_runs_here(tmp_path, monkeypatch):
    (tmp_path / "for_gpus.py").write_text("import torch\nassert torch.cuda.is_available(), 'no GPU'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert without_cuda.imported("for_gpus") is sys.modules.pop("for_gpus")
    assert not torch.cuda.is_available()
    layer = nn.Linear(2, 2)
    with without_cuda.OnCPU():
        x = torch.ones(1, 2, requires_grad=True)
        assert x.cuda(0) is x
        layer.cuda(0)(x).sum().backward()
        assert torch.zeros([], device=torch.device("cuda:0")).device.type == "cpu"
        assert torch.randn(2, device="cuda").device.type == "cpu"
        assert torch.empty(2, device="meta").device.type == "meta"
    assert x.grad is not None
    with pytest.raises((AssertionError, RuntimeError)):
        torch.zeros(2, device="cuda")


class Burning:
    """A Trainer that uses a tenth of a second of the processor in every step, and looks what it is given."""

    def __init__(self):
        self.GAN = nn.BatchNorm1d(1)
        self.steps, self.batch_size, self.gradient_accumulate_every = 0, 5, 6
        self.heard = []

    def clear(self):
        self.heard.append("cleared")

    def set_data_src(self, folder):
        self.heard.append(folder)

    def train(self):
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
        self.steps += 1


def test_the_loops_of_other_libraries_end_when_the_time_is_used(tmp_path):
    trainer = Burning()
    since = time.process_time() - 1  # what was used to build it counts
    seconds = trained_by(trainer, Task(tmp_path, 8, 1.35, seed=0, count=1), since)
    assert (trainer.steps, trainer.heard, trainer.GAN.training) == (4, ["cleared", str(tmp_path)], False)
    assert seconds >= 1.4
    found = learned(DRAWN, trainer, seconds)
    assert found.draws[""].flatten().tolist() == [0, 128, 255]
    assert (found.images, found.updates) == (4 * 5 * 6, 4)


@pytest.mark.parametrize(("until", "updates"), [(0.0, 1), (float("inf"), 6)])
def test_a_run_of_the_library_ends_when_the_time_is_used(trainer, until, updates):
    from lightning.pytorch.demos.boring_classes import BoringModel

    run = trainer(max_epochs=1, limit_train_batches=6, limit_val_batches=0, callbacks=[StopAt(until)])
    run.fit(BoringModel())
    assert run.global_step == updates


def test_the_pictures_themselves_are_at_no_distance_and_others_are(folder):
    judge = Judge(folder, {"means": means()}, size=8, most=100)
    pictures = torch.stack([pil_to_tensor(Image.open(path)) for path in folder.iterdir()])
    assert judge.count == 40
    same, dark = judge(pictures)["means"], judge(torch.zeros_like(pictures))["means"]
    assert same == pytest.approx({"distance": 0, "precision": 1, "recall": 1}, abs=1e-6)
    real = (pictures.double() / 127.5 - 1).unflatten(3, (2, 4)).mean((2, 4)).flatten(1)
    # of N(m, C) and a point: the distance of the means and the trace of C
    by_hand = (real.mean(0) + 1).square().sum() + real.T.cov().trace()
    assert dark["distance"] == pytest.approx(by_hand.item(), rel=1e-4)
    assert (dark["precision"], dark["recall"]) == (0, 0)


def test_lines_and_grids_are_written_and_what_is_there_is_not_trained_again(folder, monkeypatch, capsys):
    asked = []

    def trained(side, folder, size, seconds, seed, count):
        asked.append((side, seed, seconds, count))
        draw = torch.randint(256, (count, 3, size, size), dtype=torch.uint8)
        return {"draws": {"as it is": draw, "other": draw}, "images": 32, "updates": 2, "seconds": seconds}

    monkeypatch.setattr(quality, "trained", trained)
    monkeypatch.setattr(quality, "Pooled", means)
    output, grids = folder.parent / "found.json", folder.parent / "grids"
    words = ["quality.py", str(folder), "--size", "8", "--n", "30", "--seconds", "2", "--output", str(output)]
    for seeds in ("1", "2"):
        sides = ("--sides", "gan/projected", "lightweight-gan", "--seeds", seeds, "--grids", str(grids))
        monkeypatch.setattr(sys, "argv", [*words, *sides])
        quality.main()
    both = ["gan/projected", "lightweight-gan"]
    assert asked == [(side, seed, 2.0, 30) for seed in (0, 1) for side in both]
    lines = json.loads(output.read_text())
    assert [(line["side"], line["seed"], line["draw"]) for line in lines] == [
        (side, seed, draw) for seed in (0, 1) for side in both for draw in ("as it is", "other")
    ]
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == lines
    assert lines[0]["figures"]["lite0"]["distance"] == lines[1]["figures"]["lite0"]["distance"] > 0
    assert lines[0]["images"] == 32
    assert len(list(grids.iterdir())) == 8


def test_a_side_that_fails_is_named_with_its_error(tmp_path, monkeypatch):
    failing = SimpleNamespace(returncode=1, stderr="Traceback\nValueError: too few pictures\n\n")
    monkeypatch.setattr(quality.subprocess, "run", lambda *_, **__: failing)
    with pytest.raises(RuntimeError, match=r"^lightweight-gan: ValueError: too few pictures$"):
        quality.trained("lightweight-gan", tmp_path, 8, 1.0, 0, 10)


@pytest.mark.slow
def test_the_library_trains_for_a_given_time_and_draws(folder):
    made = quality.trained("gan/projected", folder, 32, 1.0, 0, 10)
    assert made["draws"]["averaged"].shape == (10, 3, 32, 32)
    assert made["images"] == 16 * made["updates"] > 0
    assert made["seconds"] >= 1


def test_batches_are_those_of_the_recipe():
    recipe = recipes.load(recipes.find("gan/projected"))
    assert UNSPLIT["batch_size"] == recipe["data"]["init_args"]["batch_size"]
