import itertools
import logging
import multiprocessing

import lightning.pytorch as pl
import pytest
import torch

from lightning_gen import data
from lightning_gen.data.loader import GlobalBatches, Loader, seeded
from lightning_gen.errors import InputError

SAMPLES, BATCH = 23, 4


class Numbers(data.DataModule):
    """The samples are their own indices."""

    def __init__(self, num_workers: int = 0, batch_size: int = BATCH):
        super().__init__(shape=(1,), num_classes=None, batch_size=batch_size, seed=7, num_workers=num_workers)

    def splits(self):
        train, val, test = (torch.arange(float(n)).unsqueeze(1) for n in (SAMPLES, 6, 5))
        return data.Splits(data.ArrayDataset(train), data.ArrayDataset(val), data.ArrayDataset(test))


class Recorder(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen, self.validated, self.predicted = [], [], []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch.x.flatten().int().tolist())
        return (self.weight * batch.x).sum()

    def validation_step(self, batch, batch_idx):
        self.validated.append(batch.x.flatten().int().tolist())

    def predict_step(self, batch, batch_idx):
        self.predicted.append(batch.x.flatten().int().tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-3)


class SaveAfterBatch(pl.Callback):
    def __init__(self, path, count):
        self.path, self.count = path, count

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.count:
            trainer.save_checkpoint(self.path)


class SaveAfterEpoch(SaveAfterBatch):
    def on_train_batch_end(self, trainer, *_):
        pass

    def on_train_epoch_end(self, trainer, *_):
        if trainer.global_step == self.count:
            trainer.save_checkpoint(self.path)


class SaveAfterValidation(SaveAfterBatch):
    def on_train_batch_end(self, trainer, *_):
        pass

    def on_validation_end(self, trainer, *_):
        if trainer.global_step == self.count:
            trainer.save_checkpoint(self.path)


@pytest.fixture(autouse=True)
def _quiet():
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def quiet_trainer(steps=-1, callbacks=(), **options):
    return pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **{"max_epochs": -1, "num_sanity_val_steps": 0} | options,
    )


def fit(steps, callbacks=(), workers=0, checkpoint=None, **options):
    module, run = Recorder(), quiet_trainer(steps, callbacks, **options)
    run.fit(module, datamodule=Numbers(workers), ckpt_path=checkpoint)
    return module.seen, run


def shares(count, batch_size, drop_last, world_size):
    return [list(GlobalBatches(count, batch_size, False, drop_last, 0, rank, world_size)) for rank in range(world_size)]


@pytest.mark.parametrize(
    ("stop", "options"),
    [
        (2, {}),
        (5, {}),
        (10, {}),
        (2, {"limit_train_batches": 3}),
        (7, {"limit_train_batches": 3}),
        (5, {"limit_train_batches": 0.5}),
    ],
)
def test_stopped_run_goes_on_with_the_samples_that_would_have_followed(tmp_path, stop, options):
    whole, _ = fit(13, **options)
    seen, run = fit(stop, **options)
    run.save_checkpoint(tmp_path / "a.ckpt")
    rest, _ = fit(13, checkpoint=tmp_path / "a.ckpt", **options)
    assert len(whole) == 13
    assert seen + rest == whole


@pytest.mark.parametrize(
    ("save", "count"),
    [
        *itertools.product([SaveAfterBatch], [1, 5, 8]),
        *itertools.product([SaveAfterEpoch], [5]),
        *itertools.product([SaveAfterValidation], [2, 7]),
    ],
)
def test_checkpoint_saved_inside_a_run_goes_on_exactly(tmp_path, save, count):
    whole, _ = fit(13, [save(tmp_path / "a.ckpt", count)], val_check_interval=2)
    rest, _ = fit(13, checkpoint=tmp_path / "a.ckpt", val_check_interval=2)
    assert rest == whole[count:]


@pytest.mark.parametrize("stop", [2, 5])
def test_batches_that_workers_loaded_in_advance_are_not_lost(tmp_path, stop):
    whole, _ = fit(8)
    seen, run = fit(stop, workers=2)
    run.save_checkpoint(tmp_path / "a.ckpt")
    rest, _ = fit(8, workers=2, checkpoint=tmp_path / "a.ckpt")
    assert seen + rest == whole


def test_no_worker_outlives_the_run():
    fit(7, workers=2, check_val_every_n_epoch=1)
    assert multiprocessing.active_children() == []


def test_an_epoch_visits_every_sample_once_and_the_next_in_another_order():
    seen, _ = fit(10)
    first, second = (list(itertools.chain(*seen[start : start + 5])) for start in (0, 5))
    for epoch in (first, second):
        assert len(set(epoch)) == len(epoch) == 20
        assert set(epoch) <= set(range(SAMPLES))
    assert first != second


def test_reloading_the_loader_every_epoch_changes_nothing():
    assert fit(12, reload_dataloaders_every_n_epochs=1)[0] == fit(12)[0]


def test_state_holds_numbers_only(tmp_path):
    _, run = fit(7)
    run.save_checkpoint(tmp_path / "a.ckpt")
    loops = torch.load(tmp_path / "a.ckpt", weights_only=True)["loops"]
    assert loops["fit_loop"]["state_dict"]["combined_loader"] == [{"epoch": 1, "batches": 2, "batch_size": 4}]


def test_saving_again_before_the_first_batch_keeps_the_position():
    loader = Loader(data.ArrayDataset(torch.arange(20.0)), 4, shuffle=True)
    state = {"epoch": 3, "batches": 2, "batch_size": 4}
    loader.load_state_dict(state)
    assert loader.state_dict() == state
    assert len(list(loader)) == 3


def test_batches_of_another_size_go_on_where_the_others_were_left_and_drop_nothing():
    """Nine samples were seen; batches of two go on with the ninth, which comes again."""
    order = [x for batch in Loader(data.ArrayDataset(torch.arange(18.0)), 1, shuffle=True) for x in batch.x.tolist()]
    state = {"epoch": 0, "batches": 3, "batch_size": 3}
    loader = Loader(data.ArrayDataset(torch.arange(18.0)), 2, shuffle=True)
    loader.load_state_dict(state)
    assert [x for batch in loader for x in batch.x.tolist()] == order[8:]


def test_a_batch_prefetched_is_not_counted_as_used():
    loader = Loader(data.ArrayDataset(torch.arange(20.0)), 4, shuffle=True)
    loader.prefetched = lambda: 1
    batches = iter(loader)
    next(batches)
    second = next(batches).x.tolist()
    again = Loader(data.ArrayDataset(torch.arange(20.0)), 4, shuffle=True)
    again.load_state_dict(loader.state_dict())
    assert next(iter(again)).x.tolist() == second


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_is_in_order_complete_and_always_from_the_start(workers):
    loader = Loader(data.ArrayDataset(torch.arange(10.0)), 4, num_workers=workers)
    assert next(iter(loader)).x.tolist() == [0, 1, 2, 3]
    for _ in range(2):
        assert [batch.x.tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("workers", [0, 2])
def test_global_random_state_is_left_alone(workers):
    before = torch.get_rng_state()
    list(Loader(data.ArrayDataset(torch.arange(10.0)), 4, shuffle=True, num_workers=workers))
    assert torch.equal(torch.get_rng_state(), before)


def test_validation_inside_a_run_sees_the_whole_split_each_time():
    module, run = Recorder(), quiet_trainer(10, num_sanity_val_steps=1, check_val_every_n_epoch=1)
    run.fit(module, datamodule=Numbers())
    assert module.validated == [[0, 1, 2, 3]] + 2 * [[0, 1, 2, 3], [4, 5]]


def test_predict_gets_the_test_split_in_order():
    module = Recorder()
    quiet_trainer().predict(module, datamodule=Numbers())
    assert module.predicted == [[0, 1, 2, 3], [4]]


def test_overfit_batches_repeats_the_same_batches():
    seen, _ = fit(6, overfit_batches=2)
    assert seen == 3 * [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("options", [{"fast_dev_run": 2}, {"limit_train_batches": 2, "max_epochs": 1}])
def test_short_runs_see_the_first_batches(options):
    assert fit(-1, **options)[0] == fit(2)[0]


@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("drop_last", [False, True])
def test_shares_of_the_processes_make_up_the_batches_of_one(world_size, drop_last):
    for count in (16, 17, 18, 23, 24):
        parts = shares(count, 8, drop_last, world_size)
        steps = [sorted(itertools.chain(*step)) for step in zip(*parts, strict=True)]
        seen = list(itertools.chain(*steps))
        assert seen == list(range(count - count % 8 if drop_last else count))
        assert all(share for part in parts for share in part), count
        assert all(len(step) >= 8 for step in steps[:-1]), count
        if world_size == 1 or drop_last:
            assert steps == shares(count, 8, drop_last, 1)[0], count


def test_shares_of_fewer_samples_than_processes_are_equally_many():
    assert shares(3, 4, False, 4) == [[[0]], [[1]], [[2]], [[]]]


def test_permutation_of_an_epoch_does_not_depend_on_the_processes():
    loader = [Loader(data.ArrayDataset(torch.arange(16.0)), 8, shuffle=True, rank=r, world_size=2) for r in range(2)]
    whole = Loader(data.ArrayDataset(torch.arange(16.0)), 8, shuffle=True)
    for both, one in zip(zip(*loader, strict=True), whole, strict=True):
        assert torch.stack([part.x for part in both], dim=1).flatten().tolist() == one.x.tolist()


def test_indivisible_batch_names_a_divisible_one():
    with pytest.raises(InputError, match=r"cannot be divided over 3 devices: set --data.batch_size .* such as 63"):
        Loader(data.ArrayDataset(torch.zeros(100, 1)), 64, world_size=3)
    with pytest.raises(InputError, match="such as 4"):
        Loader(data.ArrayDataset(torch.zeros(100, 1)), 2, world_size=4)


def test_keys_of_different_length_seed_different_streams():
    draws = {torch.rand((), generator=seeded(*key)).item() for key in [(0,), (0, 0), (1,), (1, 0), (0, 1)]}
    assert len(draws) == 5


class SaveSeen(pl.Callback):
    def __init__(self, folder):
        self.folder = folder

    def on_train_end(self, run, module):
        torch.save((module.seen, module.validated), self.folder / f"{run.global_rank}.pt")


def test_two_processes_train_on_the_global_batches_of_one(tmp_path):
    run = quiet_trainer(7, [SaveSeen(tmp_path)], devices=2, strategy="ddp_fork", check_val_every_n_epoch=1)
    run.fit(Recorder(), datamodule=Numbers())
    (seen_0, val_0), (seen_1, val_1) = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    whole, _ = fit(7)
    assert [seen_0, seen_1] == [[batch[rank::2] for batch in whole] for rank in range(2)]
    assert [val_0, val_1] == [[[0, 2], [4]], [[1, 3], [5]]]
