"""What is written is read again: descriptions, and states of callbacks and of data."""

import datetime
import warnings
from collections import OrderedDict
from enum import Enum
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.optim import lr_scheduler

from lightning_gen import AutoencoderModule, GANModule, InputError
from lightning_gen import checkpoint as checkpoints
from lightning_gen.callbacks import ImageCheckpoint
from lightning_gen.cli import main
from lightning_gen.commands.sample import sample
from lightning_gen.data import Digits
from lightning_gen.networks import DenseGenerator
from lightning_gen.objectives import BernoulliLikelihood, Perceptual
from lightning_gen.regularizers import R1
from lightning_gen.schedules import ImageSchedule, Linear


class Remembers(Callback):
    """Keeps any state."""

    def __init__(self, state, at_the_start=True):
        self.state, self.shows, self.loaded = state, at_the_start, None

    def on_train_batch_end(self, *_):
        self.shows = True

    def state_dict(self):
        return self.state if self.shows else {}

    def load_state_dict(self, state):
        self.loaded = state


class DataWithAState(Digits):
    """Digits that keep a state of their own."""

    own = None

    def state_dict(self):
        return {**super().state_dict(), "own": self.own}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.own = state["own"]


STATE = {
    "score": np.float64(0.1),
    "count": np.int64(3),
    "small": np.float32(0.1),
    "flag": np.bool_(True),
    "name": np.str_("text"),
    "path": Path("/some/where"),
    "span": datetime.timedelta(days=1, microseconds=7),
    "time": datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
    "array": np.arange(6.0).reshape(2, 3)[:, ::2],
    "zero": np.array(3),
    "inside": [(Path("a"), {np.int64(1): OrderedDict(b=np.float64(2))})],
    "plain": [1, 2.0, "x", None, True, (3,), torch.ones(2), b"bytes"],
}


def same(one, other):
    """Equal, and of the same classes apart from numpy's numbers, which are those of Python."""
    if isinstance(one, dict):
        return type(one) is type(other) and all(
            same(k, m) and same(one[k], other[m]) for k, m in zip(one, other, strict=True)
        )
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.generic):
        return one == other and type(other) in (bool, int, float, str)
    if isinstance(one, (np.ndarray, torch.Tensor)):
        return (
            type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape and (one == other).all()
        )
    return type(one) is type(other) and one == other


def test_a_state_of_numbers_paths_and_times_is_carried_and_given_back(gan, trainer, tmp_path):
    data = DataWithAState(size=8)
    data.own = STATE
    last = ImageCheckpoint(None, tmp_path)
    runner = trainer(max_steps=2, limit_val_batches=0, callbacks=[Remembers(STATE), last], enable_checkpointing=True)
    runner.fit(gan(), datamodule=data)
    checkpoints.read(tmp_path / "last.ckpt")
    torch.load(tmp_path / "last.ckpt", weights_only=True)
    memory, data = Remembers({}), DataWithAState(size=8)
    runner = trainer(max_steps=4, limit_val_batches=0, callbacks=[memory])
    runner.fit(gan(), datamodule=data, ckpt_path=tmp_path / "last.ckpt")
    assert same(STATE, memory.loaded)
    assert same(STATE, data.own)


class Colour(Enum):
    """Neither number nor text."""

    RED = 1


@pytest.mark.parametrize("value", [Colour.RED, lambda: 0, np.array([object()]), nn.Linear(1, 1)])
def test_a_state_that_cannot_be_carried_is_refused_before_training(gan, trainer, tmp_path, value):
    for options in ({"callbacks": [Remembers({"inside": {"what": value}})]}, {}):
        data = DataWithAState(size=8)
        data.own = None if options else {"what": value}
        callbacks = [*options.get("callbacks", []), ImageCheckpoint(None, tmp_path / "folder")]
        runner = trainer(max_steps=2, limit_val_batches=0, callbacks=callbacks, enable_checkpointing=True)
        owner = "Remembers" if options else "DataWithAState"
        with pytest.raises(InputError, match=rf"state of {owner} cannot be kept .*\['what'\] is of the class"):
            runner.fit(gan(), datamodule=data)
        assert runner.global_step == 0
        assert not (tmp_path / "folder").exists()


def test_a_state_that_comes_later_is_left_out_with_a_warning_and_the_rest_is_read(gan, trainer, tmp_path):
    module, late = gan(), Remembers({"what": Colour.RED}, at_the_start=False)
    last = ImageCheckpoint(None, tmp_path)
    runner = trainer(max_steps=2, limit_val_batches=0, callbacks=[late, last], enable_checkpointing=True)
    with pytest.warns(UserWarning, match=r"Remembers is not kept in checkpoints: .*Colour"):
        runner.fit(module, datamodule=Digits(size=8))
    loaded = GANModule.load_from_checkpoint(tmp_path / "last.ckpt")
    torch.testing.assert_close(loaded.state_dict(), module.state_dict(), rtol=0, atol=0)
    assert "Remembers" not in checkpoints.read(tmp_path / "last.ckpt")["callbacks"]


def test_a_record_that_stands_for_nothing_is_refused():
    for hostile in ("os.system", ["path"], None, "span", "time", "array"):
        with pytest.raises(InputError, match="in a state, which is invalid"):
            checkpoints.deserialize_states(
                {"callbacks": {"x": {"lightning_gen.carried": hostile, "value": {"a": "b"}}}}
            )


# learning rates and schedulers -----------------------------------------------------------------------------------


SCHEDULERS = [
    ("OneCycleLR", {"max_lr": 0.01, "total_steps": 50, "anneal_strategy": "cos"}),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (
            ("OneCycleLR", {"max_lr": 0.01, "total_steps": 50}),
            ("CyclicLR", {"base_lr": 0.001, "max_lr": 0.01, "mode": "triangular2", "cycle_momentum": False}),
            ("CosineAnnealingLR", {"T_max": 9}),
            ("MultiStepLR", {"milestones": [3, 5]}),
        )
    ),
]
"""One has texts and numbers, of which the others have fewer."""


@pytest.mark.parametrize(("kind", "arguments"), SCHEDULERS)
def test_runs_with_the_schedulers_of_torch_are_sampled_and_resumed(tmp_path, monkeypatch, kind, arguments):
    monkeypatch.chdir(tmp_path)
    words = ["fit", "--config=gan/dense", "--data=Digits", "--data.size=8", "--trainer.limit_val_batches=1", "--name=x"]
    scheduler = [f"--model.generator_scheduler=torch.optim.lr_scheduler.{kind}"]
    scheduler += [f"--model.generator_scheduler.{name}={value}" for name, value in arguments.items()]
    main([*words, *scheduler, "--max_images=512"])
    main(["sample", "runs/x/checkpoints/last.ckpt", "--n=2"])
    main(["fit", "--name=x", "--ckpt_path=last", "--max_images=1024", "--trainer.limit_val_batches=1"])
    module = GANModule.load_from_checkpoint("runs/x/checkpoints/last.ckpt")
    assert module.images_seen == 1024
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.001)
    made = module.generator_scheduler(optimizer)
    assert isinstance(made, getattr(lr_scheduler, kind))
    again = getattr(lr_scheduler, kind)(torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.001), **arguments)
    assert made.get_last_lr() == again.get_last_lr()


# descriptions -------------------------------------------------------------------------------------------------------


class Free(DenseGenerator):
    """Hands what it does not know on to its base, and takes a number of any kind."""

    def __init__(self, factor=1, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor


class Forgets(DenseGenerator):
    """Takes what it does not keep."""

    def __init__(self, shape, **kwargs):
        super().__init__(shape, latent_dim=4, widths=(16,))
        self.used = len(kwargs)


def saved(module, trainer, path):
    runner = trainer(
        max_steps=2, limit_val_batches=0, callbacks=[ImageCheckpoint(None, path)], enable_checkpointing=True
    )
    runner.fit(module, datamodule=Digits(size=8))
    return GANModule.load_from_checkpoint(path / "last.ckpt")


@pytest.mark.parametrize("factor", [3, 0.5, "some/text", [1, "a"], {"a": 1}, None])
def test_untyped_arguments_and_those_for_the_base_are_carried(gan, trainer, tmp_path, factor):
    module = gan(generator=Free(factor, shape=(1, 8, 8), latent_dim=4, widths=(16,)))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        described = module.hparams["generator"]["init_args"]
    assert described["factor"] == factor
    loaded = saved(module, trainer, tmp_path)
    assert loaded.generator.factor == factor
    assert loaded.hparams == module.hparams
    draw = [each.sample(3, generator=torch.Generator().manual_seed(1)) for each in (module, loaded)]
    assert torch.equal(*draw)


def test_what_the_constructor_of_a_network_got_is_carried(gan, trainer, tmp_path):
    loaded = saved(gan(generator=Forgets((1, 8, 8), more=1)), trainer, tmp_path)
    assert loaded.generator.used == 1


class Plain(nn.Module):
    """No network of the library: nobody records what it is built with."""

    latent_dim = 4

    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.Linear(width, 64), nn.Unflatten(1, (1, 8, 8)))

    def forward(self, z):
        return self.layers(z)


def test_arguments_that_a_plain_module_does_not_keep_are_asked_for_again(gan, trainer, tmp_path):
    warned = pytest.warns(UserWarning, match=r"does not keep its argument 'width'.*generator=\.\.\.")
    sentence = (
        r"does not hold 'generator': give it again when loading, GANModule\.load_from_checkpoint\(path, generator="
    )
    with warned, pytest.raises(InputError, match=sentence) as error:
        saved(gan(generator=Plain(3)), trainer, tmp_path)
    assert "add it to the command or to the recipe" not in str(error.value)
    with pytest.raises(InputError, match=sentence):
        sample(str(tmp_path / "last.ckpt"), out=str(tmp_path / "x.png"))
    GANModule.load_from_checkpoint(tmp_path / "last.ckpt", generator=Plain(3))


class Untyped(nn.Module):
    """Takes a part without saying that it is one."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return self.part(x)


def test_a_part_in_an_argument_without_a_type_is_carried(autoencoder, trainer, tmp_path):
    terms = {"pixels": BernoulliLikelihood(), "features": Perceptual(Untyped(nn.ReLU()))}
    callbacks = [ImageCheckpoint(None, tmp_path)]
    runner = trainer(max_steps=2, limit_val_batches=0, callbacks=callbacks, enable_checkpointing=True)
    runner.fit(autoencoder(objective=terms), datamodule=Digits(size=8))
    loaded = AutoencoderModule.load_from_checkpoint(tmp_path / "last.ckpt")
    assert type(loaded.objective["features"].network.part) is nn.ReLU


class Unresolved(nn.Module):
    """Takes a part by an annotation that names nothing."""

    def __init__(self, part: "Nothing"):  # noqa: F821
        super().__init__()
        self.part = part


def test_a_part_that_could_not_be_built_again_is_refused_before_training(autoencoder, trainer, tmp_path):
    terms = {"pixels": BernoulliLikelihood(), "features": Perceptual(Unresolved(nn.ReLU()))}
    callbacks = [ImageCheckpoint(None, tmp_path / "folder")]
    runner = trainer(max_steps=2, limit_val_batches=0, callbacks=callbacks, enable_checkpointing=True)
    with pytest.raises(InputError, match=r"ReLU.* at Unresolved\.part"):
        runner.fit(autoencoder(objective=terms), datamodule=Digits(size=8))
    assert runner.global_step == 0
    assert not (tmp_path / "folder").exists()


def test_numbers_of_numpy_in_arguments_and_optimizers_lock_no_checkpoint(gan, trainer, tmp_path):
    module = gan(
        penalties={"r1": R1(np.float64(0.3))},
        discriminator_updates=np.int64(2),
        generator_optimizer=partial(torch.optim.Adam, lr=np.float64(0.01)),
        generator_scheduler=partial(ImageSchedule, learning_rate=Linear(np.int64(500))),
    )
    loaded = saved(module, trainer, tmp_path)
    assert loaded.penalties["r1"].weight == 0.3
    assert loaded.discriminator_updates == 2
    assert loaded.generator_optimizer.keywords == {"lr": 0.01}


@pytest.mark.parametrize("network", [nn.Conv2d(1, 2, 3), Untyped({1, 2}), Untyped(torch.float32), Untyped(Colour)])
def test_what_has_no_description_is_left_out_with_a_warning(autoencoder, trainer, tmp_path, network):
    """And ends no run when its checkpoint is written."""
    module = autoencoder(objective={"pixels": BernoulliLikelihood(), "features": Perceptual(network)})
    with pytest.warns(UserWarning, match="not kept in checkpoints: 'objective'"):
        assert "objective" not in module.hparams


# weights ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number"), [("weight", float("nan")), ("bias", float("-inf"))])
def test_weights_that_are_not_finite_are_refused_by_every_reader(
    gan, trainer, tmp_path, monkeypatch, capsys, name, number
):
    monkeypatch.chdir(tmp_path)
    saved(gan(), trainer, tmp_path)
    stored = torch.load("last.ckpt", weights_only=True)
    key = next(key for key in stored["state_dict"] if key.startswith("generator.") and key.endswith(name))
    stored["state_dict"][key].view(-1)[0] = number
    torch.save(stored, "bad.ckpt")
    with pytest.raises(InputError, match=rf"1 of [\d,]+ numbers of {key} in the checkpoint are not finite"):
        GANModule.load_from_checkpoint("bad.ckpt")
    for words in (["sample"], ["evaluate"], ["validate", "--ckpt_path"], ["fit", "--ckpt_path"]):
        with pytest.raises(SystemExit) as end:
            main([*words, "bad.ckpt"])
        assert end.value.code == 2
        assert f"numbers of {key} in the checkpoint are not finite" in capsys.readouterr().err


def test_statistics_may_be_infinite_but_must_be_numbers(autoencoder):
    module = autoencoder()
    module.register_buffer("mask", torch.tensor([float("-inf"), 0.0]))
    checkpoints.check_finite(module, module.state_dict())
    module.mask[1] = float("nan")
    with pytest.raises(InputError, match="1 of 2 numbers of mask"):
        checkpoints.check_finite(module, module.state_dict())
    assert isinstance(module, AutoencoderModule)
