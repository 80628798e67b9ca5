"""What all modules share: the count, the generator, the axis, the weights that are refused."""

import contextlib
import re

import pytest
import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, ModelParallelStrategy
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from lightning_gen import GenerativeModule, InputError
from lightning_gen.networks import DenseGenerator
from lightning_gen.regularizers import R1
from lightning_gen.training.resume import check_weights
from lightning_gen.training.strategies import check_equal_sizes, check_strategy, check_synchronized


class Recorder(DummyLogger):
    """Keeps what is logged: (step, names)."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def log_metrics(self, metrics, step=None):
        self.seen.append((step, set(metrics)))


def loader(n=64, batch_size=16):
    return DataLoader(torch.rand(n, 1, 8, 8), batch_size=batch_size)


@pytest.mark.parametrize("start", [0, 2**24, 10**9])
@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_the_axis_is_the_exact_count_of_images(request, trainer, kind, start):
    module, logger = request.getfixturevalue(kind)(), Recorder()
    module.images_seen = start + 1  # no float32 holds 2**24 + 1
    trainer(max_epochs=1, logger=logger, log_every_n_steps=2).fit(module, loader(), loader())
    train = sorted({step for step, names in logger.seen if any(n.startswith("train/") for n in names)})
    val = {step for step, names in logger.seen if any(n.startswith("val/") for n in names)}
    assert train == [start + 1 + 16, start + 1 + 32, start + 1 + 64]
    assert val == {start + 1 + 64}


@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_the_axis_is_no_figure_of_its_own(request, trainer, kind):
    """Callbacks that watch a figure would see it, and it would be one more line in each logger."""
    module, logger = request.getfixturevalue(kind)(), Recorder()
    runner = trainer(max_epochs=1, logger=logger, log_every_n_steps=1)
    runner.fit(module, loader(), loader())
    assert {name.partition("/")[0] for name in runner.callback_metrics} == {"train", "val"}
    assert {name.partition("/")[0] for _, names in logger.seen for name in names} == {"train", "val"}


@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_each_state_of_a_checkpoint_of_the_user_has_its_own_file(request, trainer, tmp_path, kind):
    """Figures are logged more rarely than states are written."""

    class Written(Callback):
        def on_save_checkpoint(self, trainer, pl_module, checkpoint):
            updates.append(trainer.global_step)

    updates = []
    own = ModelCheckpoint(tmp_path / "own", "{step}", save_top_k=-1, every_n_train_steps=2)
    runner = trainer(max_epochs=3, enable_checkpointing=True, callbacks=[own, Written()], log_every_n_steps=4)
    runner.fit(request.getfixturevalue(kind)(), loader(), loader())
    assert len(updates) >= 6
    assert {path.name for path in (tmp_path / "own").iterdir()} == {f"step={step}.ckpt" for step in updates}


def test_figures_of_the_user_stand_where_the_user_says(autoencoder, trainer):
    """Beside those of the module, or where a figure `step` says."""

    class Own(Callback):
        def on_train_batch_end(self, trainer, pl_module, *args):
            pl_module.log("own/batch", 1.0)

        def on_train_epoch_end(self, trainer, pl_module):
            pl_module.log("own/epoch", 1.0)

        def on_validation_epoch_end(self, trainer, pl_module):
            pl_module.log_dict({"own/said": 1.0, "step": 7.0})

    logger = Recorder()
    trainer(max_epochs=1, logger=logger, log_every_n_steps=2, callbacks=[Own()]).fit(autoencoder(), loader(), loader())
    names = ("batch", "epoch", "said")
    found = {name: [step for step, logged in logger.seen if f"own/{name}" in logged] for name in names}
    assert found == {"batch": [16, 32, 64], "epoch": [64], "said": [7]}


@pytest.mark.parametrize(("every", "expected"), [(16, 4), (20, 3), (32, 2), (64, 1), (1000, 0)])
def test_a_rhythm_in_images_is_kept_whatever_the_batch_size(gan, trainer, every, expected):
    module, passed = gan(), []
    original = module.training_step

    def spy(batch, batch_idx):
        original(batch, batch_idx)
        passed.append(module.passed(every))

    module.training_step = spy
    trainer(max_epochs=1).fit(module, loader())
    assert sum(passed) == expected


def test_each_rank_and_each_seed_draws_its_own_numbers(gan, monkeypatch):
    drawn = {}
    for seed in (0, 1):
        for rank in (0, 1, 2):
            torch.manual_seed(seed)
            module = gan()
            monkeypatch.setattr(type(module), "global_rank", rank)
            drawn[seed, rank] = tuple(module.latents(1).flatten().tolist())
    assert len(set(drawn.values())) == len(drawn)


def test_weights_of_another_model_are_refused(gan, autoencoder, trainer):
    runner = trainer(max_epochs=1)
    runner.fit(gan(), loader())
    runner.save_checkpoint(runner.default_root_dir + "/gan.ckpt")
    with pytest.raises(InputError, match="of a run of GANModule and this is AutoencoderModule: leave out --config"):
        trainer().validate(autoencoder(), loader(), ckpt_path=runner.default_root_dir + "/gan.ckpt", verbose=False)


def test_the_tensors_that_differ_are_named_with_their_shapes(gan):
    stored = gan().state_dict()
    stored["discriminator.extra"] = torch.zeros(3)
    module = gan(generator=DenseGenerator((1, 8, 8), latent_dim=5, widths=(16,), batch_norm=False))
    with pytest.raises(InputError) as refused:
        check_weights(module, stored)
    assert re.search(
        r"generator\.\S+weight \(16 x 4, here 16 x 5\); generator_ema\.\S+weight \(16 x 4, here 16 x 5\); "
        r"discriminator\.extra \(3, here missing\)",
        str(refused.value),
    ), refused.value


def test_another_number_of_processes_goes_on_with_new_numbers_and_says_so(gan, trainer, tmp_path):
    """A checkpoint of two processes goes on in one: same samples, other latents than at the start."""
    runner = trainer(max_epochs=1)
    runner.fit(gan(), loader())
    runner.save_checkpoint(tmp_path / "gan.ckpt")
    stored = torch.load(tmp_path / "gan.ckpt", weights_only=True)
    stored["lightning_gen"]["processes"] *= 2
    torch.save(stored, tmp_path / "two.ckpt")
    drawn = {}

    class First(Callback):
        def on_train_batch_end(self, trainer, pl_module, *args):
            drawn.setdefault(self.name, pl_module.rng.get_state())

    for name, path in (("start", None), ("one", "gan.ckpt"), ("two", "two.ckpt")):
        torch.manual_seed(0)
        callback = First()
        callback.name = name
        path = path and tmp_path / path
        expected = pytest.warns(UserWarning, match="a run on 2 devices and this one is on 1: the same samples")
        with expected if name == "two" else contextlib.nullcontext():
            trainer(max_epochs=2, callbacks=[callback]).fit(gan(), loader(), ckpt_path=path)
    assert not any(torch.equal(drawn["two"], drawn[name]) for name in ("start", "one"))


@pytest.mark.parametrize("strategy", [FSDPStrategy, ModelParallelStrategy])
def test_strategies_that_split_parameters_are_refused(strategy):
    with pytest.raises(InputError, match=f"{strategy.__name__} splits parameters over devices"):
        check_strategy(strategy())
    check_strategy(DDPStrategy())


def test_batch_norm_over_all_devices_needs_gpus(gan, trainer):
    module = nn.SyncBatchNorm.convert_sync_batchnorm(gan(batch_norm=True))
    with pytest.raises(InputError, match=r"on GPUs only: leave out --trainer\.sync_batchnorm"):
        trainer(max_epochs=1).fit(module, loader())


def test_batch_norm_over_all_devices_has_no_second_derivative(gan):
    module = nn.SyncBatchNorm.convert_sync_batchnorm(gan(batch_norm=True, penalties={"r1": R1(1.0)}))
    with pytest.raises(InputError, match="no second derivative, which gradient penalties need: leave out"):
        check_synchronized(module.to("meta"))


def test_processes_must_see_the_same_data():
    check_equal_sizes([1000, 1000])
    with pytest.raises(InputError, match="process 0 sees 1,000 training samples and process 2 sees 999: give all"):
        check_equal_sizes([1000, 1000, 999])


def test_data_of_ones_own_may_have_no_length(gan, trainer):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(torch.zeros(8, 1, 8, 8))

    class Own(LightningDataModule):
        train_set = Stream()

        def train_dataloader(self):
            return DataLoader(self.train_set, batch_size=4)

    module = gan()
    trainer(max_epochs=1).fit(module, Own())
    assert module.images_seen == 8


def test_a_resumed_run_that_is_written_before_its_first_batch_keeps_its_numbers(gan, trainer, tmp_path):
    runner = trainer(max_epochs=1)
    runner.fit(gan(), loader())
    runner.save_checkpoint(tmp_path / "gan.ckpt")

    class Save(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            trainer.save_checkpoint(tmp_path / "again.ckpt")
            trainer.should_stop = True

    trainer(max_epochs=2, callbacks=[Save()]).fit(gan(), loader(), ckpt_path=tmp_path / "gan.ckpt")
    before, again = (
        torch.load(tmp_path / name, weights_only=True)["lightning_gen"] for name in ("gan.ckpt", "again.ckpt")
    )
    (state,), (other,) = before["processes"], again["processes"]
    assert all(torch.equal(state[name], other[name]) for name in ("rng", "torch"))


def test_a_loaded_module_goes_on_counting(gan, trainer, tmp_path):
    runner = trainer(max_epochs=1)
    runner.fit(gan(), loader())
    runner.save_checkpoint(tmp_path / "gan.ckpt")
    module = GenerativeModule.load_from_checkpoint(tmp_path / "gan.ckpt")
    trainer(max_epochs=1).fit(module, loader())
    assert module.images_seen == 128
