"""What the comparison rests on: a clock that counts updates, turns, and a tutorial that trains."""

import copy
import io
import json
import os
import sys
from dataclasses import asdict

import pytest
import torch
from clock import Clock, Reading
from lightning.pytorch.callbacks import Callback
from peers import ROWS, Process, Row, Side, table
from sides import (
    ADAM,
    BATCH,
    CODE,
    KL,
    KL_ADAM,
    KL_WEIGHT,
    LATENT,
    PENALISED_ADAM,
    RATE,
    SHAPE,
    SIDES,
    WIDTH,
    discriminator,
    generator,
    without_metrics_and_datasets,
)
from torch import nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset
from tutorial import TutorialGAN

from lightning_gen.cli import recipes

READING = asdict(Reading(1.0, 1.0, ()))


def one_turn(code):
    """A program that gives its first reading, and after a leave does something."""
    first = f"import sys, json; print(json.dumps({READING}), flush=True); sys.stdin.readline(); "
    return [sys.executable, "-c", first + code]


def test_the_clock_reads_after_every_turn_and_ends_with_the_leaves(monkeypatch):
    def leave(status):
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", leave)
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    readings = io.StringIO()
    clock = Clock(io.StringIO("\n\n"), readings, ticks=4, steps=2)
    clock.note = "as it is"
    handle = clock.watch()
    weight.grad = torch.tensor([0.0, 1.0])
    updates = 0

    def train():
        nonlocal updates
        while True:
            updates += 1
            optimizer.step()

    with pytest.raises(SystemExit):
        train()
    handle.remove()
    lines = [json.loads(line) for line in readings.getvalue().splitlines()]
    assert (len(lines), updates) == (3, 12)  # the first turn and one for each leave
    first = torch.tensor([3.0, 3.0]).norm().item()  # after the first update, from which the way is measured
    assert [line["moved"][0] for line in lines] == pytest.approx([3 / first, 7 / first, 11 / first])
    assert all(line["wall"] > 0 and line["note"] == "as it is" for line in lines)


def test_a_side_that_does_not_run_is_named_with_its_error(tmp_path):
    with pytest.raises(RuntimeError, match=r"^ModuleNotFoundError: No module named 'nothing_of_the_kind'$"):
        Process([sys.executable, "-c", "import nothing_of_the_kind"], tmp_path)
    with pytest.raises(RuntimeError, match=r"^ended with status 3$"):
        Process([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
    stops = Process(one_turn("raise ValueError('too old')"), tmp_path)
    with pytest.raises(RuntimeError, match=r"^ValueError: too old$"):
        stops.turn()
    stops.end()


def test_a_side_takes_its_turns_and_ends(tmp_path):
    side = Process(one_turn(f"print(json.dumps({READING | {'wall': 2.0, 'moved': [0.5]}}), flush=True)"), tmp_path)
    assert side.turn() == Reading(2.0, 1.0, [0.5])
    side.end()


def test_ratios_are_those_of_turns_in_the_same_round():
    ours = Side([Reading(wall, 1.0, (0.1,)) for wall in (1.0, 2.0, 4.0)])
    theirs = Side([Reading(wall, 1.5, (0.1,)) for wall in (3.0, 4.0, 4.0)])
    broken = Side(error="ImportError: no")
    lines = table(Row("a step", ("ours", "theirs", "broken"), 1), {"ours": ours, "theirs": theirs, "broken": broken})
    assert "| theirs | 4e+03 | 1.5e+03 | 2.00 (1.00-3.00) | 1.50 (1.50-1.50) | 0.10 |" in lines
    assert "does not run: ImportError: no" in lines


class Seeded(Callback):
    """Lets a loop by hand draw the same latents."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        torch.manual_seed(batch_idx)


def test_the_tutorial_trains_as_two_turns_by_hand(trainer):
    generator = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)).double()
    discriminator = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0)).double()
    players = copy.deepcopy(generator), copy.deepcopy(discriminator)
    g_optimizer, d_optimizer = (torch.optim.Adam(player.parameters(), **ADAM) for player in players)
    x = torch.randn(24, 2, dtype=torch.float64)
    for step, real in enumerate(x.split(8)):
        torch.manual_seed(step)
        z = torch.randn(8, 2).double()
        g_optimizer.zero_grad()
        softplus(-players[1](players[0](z))).mean().backward()
        g_optimizer.step()
        d_optimizer.zero_grad()
        fake = players[0](z).detach()
        (softplus(-players[1](real)).mean() / 2 + softplus(players[1](fake)).mean() / 2).backward()
        d_optimizer.step()
    module = TutorialGAN(generator, discriminator, latent_dim=2, shows=False)
    loader = DataLoader(TensorDataset(x, torch.zeros(24)), batch_size=8)
    trainer(max_epochs=1, callbacks=[Seeded()]).fit(module, loader)
    for trained, by_hand in zip((generator, discriminator), players, strict=True):
        torch.testing.assert_close(trained.state_dict(), by_hand.state_dict())


def test_a_package_is_found_without_what_it_imports_in_vain(tmp_path, monkeypatch):
    package = tmp_path / "half_broken"
    package.mkdir()
    (package / "__init__.py").write_text("from half_broken import metrics")
    (package / "metrics.py").write_text("import nothing_of_the_kind")
    (package / "training.py").write_text("answer = 42")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("half_broken", "half_broken.training"):
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    note = without_metrics_and_datasets("half_broken")
    from half_broken.training import answer

    assert answer == 42
    assert "No module named 'nothing_of_the_kind'" in note
    with pytest.raises(ModuleNotFoundError):
        without_metrics_and_datasets("nothing_of_the_kind")


def test_all_sides_train_what_the_recipes_say():
    gan, vae = (recipes.load(recipes.find(name)) for name in ("gan/dcgan", "autoencoder/vae"))
    parts = gan["model"]["init_args"]
    assert parts["generator"]["init_args"] == {"latent_dim": LATENT, "width": WIDTH}
    assert parts["discriminator"]["init_args"] == {"width": WIDTH}
    for player in ("generator", "discriminator"):
        optimizer = {"lr": ADAM["lr"], "betas": list(ADAM["betas"])}
        assert parts[f"{player}_optimizer"] == {"class_path": "torch.optim.Adam", "init_args": optimizer}
    parts = vae["model"]["init_args"]
    assert parts["encoder"]["init_args"] == parts["decoder"]["init_args"] == {"width": WIDTH}
    assert parts["bottleneck"]["init_args"] == {"latent_dim": CODE}
    assert parts["optimizer"] == {"class_path": "torch.optim.Adam", "init_args": {"lr": RATE}}
    assert gan["data"]["init_args"]["batch_size"] == vae["data"]["init_args"]["batch_size"] == BATCH


def test_the_penalised_sides_train_what_the_recipe_says():
    parts = recipes.load(recipes.find("gan/rpgan"))["model"]["init_args"]
    assert parts["generator"]["init_args"] == {"latent_dim": LATENT, "width": WIDTH}
    assert parts["discriminator"]["init_args"] == {"width": WIDTH, "batch_norm": False}
    for player in ("generator", "discriminator"):
        optimizer = {"lr": PENALISED_ADAM["lr"], "betas": list(PENALISED_ADAM["betas"])}
        assert parts[f"{player}_optimizer"] == {"class_path": "torch.optim.Adam", "init_args": optimizer}


def test_the_autoencoder_is_that_of_the_recipe_without_its_discriminator():
    whole, ours = recipes.load(recipes.find("autoencoder/kl")), recipes.load(KL)
    parts, own = whole["model"]["init_args"], ours["model"]["init_args"]
    for name in ("encoder", "bottleneck", "decoder", "objective"):
        assert own[name] == parts[name]
    assert own["optimizer"] == parts["autoencoder_optimizer"]
    assert own["optimizer"]["init_args"] == {"lr": KL_ADAM["lr"], "betas": list(KL_ADAM["betas"])}
    assert own["objective"]["kl"]["init_args"] == {"weight": KL_WEIGHT}
    assert whole["data"] == ours["data"]


@pytest.mark.parametrize("batch_norm", [True, False])
def test_loops_of_others_can_read_the_networks(batch_norm):
    module = TutorialGAN(generator(), discriminator(batch_norm=batch_norm), LATENT, shows=False)
    x = module(torch.randn(4, LATENT))
    assert x.shape == (4, *SHAPE)
    assert module.discriminator(x).shape == (4,)
    assert module.judged(x, real=True).isfinite()


def test_every_row_names_sides_that_there_are():
    assert {name for row in ROWS.values() for name in row.sides} == set(SIDES)
