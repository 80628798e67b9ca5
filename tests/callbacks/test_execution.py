"""Memory format and compilation change the speed and the last digits, and nothing else."""

from functools import partial

import pytest
import torch
from small_recipes import tiny
from torch._dynamo.utils import counters

from lightning_gen import checkpoint as checkpoints
from lightning_gen import cli
from lightning_gen.callbacks import ChannelsLast, Compile
from lightning_gen.cli import callbacks


@pytest.fixture
def train(tmp_path):
    """Train a tiny recipe for some batches; returns its checkpoint."""

    def run(name, recipe, *words, images=40):
        options = ["--trainer.accelerator=cpu", f"--max_images={images}", f"--runs_dir={tmp_path}", f"--name={name}"]
        cli.main(["fit", *tiny(recipe), *options, *words])
        return checkpoints.read(tmp_path / name / "checkpoints" / "last.ckpt")

    yield run
    torch._dynamo.reset()


def assert_close(one, other, tolerance=1e-5):
    torch.testing.assert_close(one["state_dict"], other["state_dict"], rtol=tolerance, atol=tolerance)


def last(tensor):
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


@pytest.mark.parametrize("recipe", ["gan/dcgan", pytest.param("gan/r3gan", marks=pytest.mark.slow)])
def test_channels_last_trains_the_same(train, recipe):
    plain, laid = (train(wanted, recipe, "--data.size=16", f"--channels_last={wanted}") for wanted in ("false", "true"))
    assert_close(plain, laid, 1e-4)
    assert any(map(last, laid["state_dict"].values()))
    assert not any(map(last, plain["state_dict"].values()))


def test_channels_last_is_chosen_by_the_device():
    class Strategy:
        root_device = torch.device("cuda")

    class Trainer:
        strategy = Strategy
        precision = "32-true"

    laid = torch.nn.Conv2d(3, 4, 3)
    ChannelsLast().setup(Trainer, laid, "fit")
    assert not last(laid.weight)
    Trainer.precision = "bf16-mixed"
    ChannelsLast().setup(Trainer, laid, "fit")
    assert last(laid.weight)
    Trainer.precision, Strategy.root_device = "32-true", torch.device("cpu")
    ChannelsLast(False).setup(Trainer, laid, "fit")
    assert not last(laid.weight)
    ChannelsLast().setup(Trainer, laid, "fit")
    assert last(laid.weight)


@pytest.mark.parametrize(
    ("before", "after"), [("false", "true"), pytest.param("true", "false", marks=pytest.mark.slow)]
)
def test_a_run_goes_on_in_another_memory_format(train, before, after):
    """A fused optimizer reads its moments in the order of memory, so they must lie as the weights do."""
    whole = train("whole", "gan/dcgan", f"--channels_last={before}", "--data.size=16", images=160)
    train("parts", "gan/dcgan", f"--channels_last={before}", "--data.size=16", images=80)
    parts = train("parts", "gan/dcgan", "--ckpt_path=last", f"--channels_last={after}", "--data.size=16", images=160)
    assert_close(whole, parts, 1e-4)


PASSES = {
    "gan/dcgan": 3,  # each network with a graph, the discriminator without one too
    "gan/sngan": 4,  # each network, with and without a graph
    "gan/wgan_gp": 3,
    "gan/rpgan": 3,
    "gan/acgan": 4,
    "autoencoder/vae": 2,
    "autoencoder/contractive": 1,  # the decoder
    "autoencoder/vq_gan": 3,  # a loss that is differentiated from two ends
}
"""How many graphs at least are compiled; where a penalty asks for a second derivative it are fewer."""


CONTIGUOUS = "--channels_last=false"
"""The backend aot_eager of torch 2.14 takes what GroupNorm gives for contiguous, generated code does not."""


@pytest.mark.parametrize(
    "recipe",
    [name if name in ("gan/dcgan", "gan/wgan_gp") else pytest.param(name, marks=pytest.mark.slow) for name in PASSES],
)
def test_compiled_networks_train_the_same(train, monkeypatch, capsys, recipe):
    monkeypatch.setattr(callbacks, "Compile", partial(Compile, backend="aot_eager"))
    plain = train("plain", recipe, CONTIGUOUS)
    counters.clear()
    compiled = train("compiled", recipe, CONTIGUOUS, "--compile=true")
    assert counters["stats"]["unique_graphs"] >= PASSES[recipe]
    assert not counters["graph_break"]
    assert "the first batch took" in capsys.readouterr().err
    assert plain["state_dict"].keys() == compiled["state_dict"].keys()
    assert_close(plain, compiled)


@pytest.mark.slow
def test_compiled_penalties_train_the_same(train, monkeypatch):
    monkeypatch.setattr(callbacks, "Compile", partial(Compile, backend="aot_eager"))
    plain, graphs = train("plain", "gan/rpgan", CONTIGUOUS), []
    for penalties in (False, True):
        monkeypatch.setattr(callbacks, "Compile", partial(Compile, backend="aot_eager", penalties=penalties))
        torch._dynamo.reset()
        counters.clear()
        compiled = train(f"compiled_{penalties}", "gan/rpgan", CONTIGUOUS, "--compile=true")
        graphs.append(counters["stats"]["unique_graphs"])
        assert not counters["graph_break"]
        assert_close(plain, compiled)
    assert graphs[1] > graphs[0], "the pass of the discriminator's turn is compiled too"


@pytest.mark.parametrize("recipe", [pytest.param("gan/dcgan", marks=pytest.mark.slow), "autoencoder/vae"])
def test_validation_compiles_nothing(train, monkeypatch, recipe):
    monkeypatch.setattr(callbacks, "Compile", partial(Compile, backend="aot_eager"))
    graphs = []
    for batches in (0, 1):
        counters.clear()
        torch._dynamo.reset()
        options = [CONTIGUOUS, "--compile=true", f"--trainer.limit_val_batches={batches}"]
        train(f"validated_{batches}", recipe, *options, "--trainer.val_check_interval=2")
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] == graphs[1] > 0


def test_only_the_networks_that_are_named_are_compiled(train, monkeypatch, capsys):
    monkeypatch.setattr(callbacks, "Compile", partial(Compile, backend="aot_eager"))
    train("named", "gan/dcgan", "--compile=[generator]")
    assert "compiled generator: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train("unknown", "gan/dcgan", "--compile=[critic]")
    assert "--compile critic is no trained network: the module has generator, discriminator" in capsys.readouterr().err


def test_what_cannot_be_compiled_is_said_in_a_sentence(train, monkeypatch, capsys):
    def fails(graph, inputs):
        raise RuntimeError("no compiler found")

    monkeypatch.setattr(callbacks, "Compile", partial(Compile, backend=fails))
    with pytest.raises(SystemExit):
        train("run", "gan/dcgan", "--compile=true")
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("error: the networks cannot be compiled (")
    assert "no compiler found" in said
    assert said.endswith("leave out --compile, or name only those that can, [generator]")


def test_a_run_that_goes_on_is_compiled_again(train, monkeypatch, capsys):
    monkeypatch.setattr(callbacks, "Compile", partial(Compile, backend="aot_eager"))
    train("run", "gan/dcgan", "--compile=[generator]", "--channels_last=false")
    capsys.readouterr()
    stored = train("run", "gan/dcgan", "--ckpt_path=last", images=80)
    assert "compiled generator: " in capsys.readouterr().err
    assert not any(map(last, stored["state_dict"].values()))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["gan/dcgan", "gan/rpgan", "autoencoder/dense"])
def test_generated_code_trains_the_same(train, recipe):
    plain, compiled = train("plain", recipe), train("compiled", recipe, "--compile=true")
    assert_close(plain, compiled, 1e-4)
