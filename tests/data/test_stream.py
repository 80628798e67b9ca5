"""Data without a length: they train, with the length of a run in images."""

import pytest
import torch
from lightning.pytorch import LightningDataModule
from rows import Rows
from torch.utils.data import DataLoader, IterableDataset

from lightning_gen import InputError
from lightning_gen import checkpoint as checkpoints
from lightning_gen.callbacks import (
    ImageCheckpoint,
    ImageProgress,
    MaxImages,
    NonFiniteGuard,
    PreemptionCheckpoint,
    Report,
    SampleGrid,
    Throughput,
)
from lightning_gen.cli import main
from lightning_gen.data import DataModule, Splits
from lightning_gen.evaluation import assess


class Stream(IterableDataset):
    """Images, with a label or without, of which nobody knows how many there are."""

    def __init__(self, count=None):
        self.count = count

    def __iter__(self):
        made = 0
        while made != self.count:
            made += 1
            yield torch.full((1, 8, 8), made % 256, dtype=torch.uint8)


class Plain(LightningDataModule):
    """Data of a user's own, with Lightning alone."""

    def __init__(self, count):
        super().__init__()
        self.train_set = Stream(count)

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=8)

    def val_dataloader(self):
        return DataLoader(Stream(16), batch_size=8)


class Streamed(DataModule):
    """Data of a user's own, with this package."""

    def __init__(self, count=None, held_out=16, batch_size=8):
        super().__init__(shape=(1, 8, 8), num_classes=None, batch_size=batch_size)
        self.count = count
        self.held_out = held_out

    def splits(self):
        return Splits(Stream(self.count), Stream(self.held_out), Stream(self.held_out))


WITH_ALL = {"enable_checkpointing": True, "enable_progress_bar": True}


def everything(folder):
    """The callbacks of a run on the command line that look at the data or at the length."""
    last = ImageCheckpoint(64, folder)
    own = [ImageProgress(), NonFiniteGuard(), Throughput(), SampleGrid(64, folder / "samples"), last]
    return [*own, PreemptionCheckpoint(last), Report(folder)]


@pytest.mark.parametrize("data", [Plain, Streamed])
@pytest.mark.parametrize("count", [None, 40])
@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_a_run_on_data_without_a_length_has_the_length_in_images(request, trainer, tmp_path, kind, count, data, capsys):
    module = request.getfixturevalue(kind)()
    runner = trainer(max_epochs=-1, **WITH_ALL, callbacks=[MaxImages(120), *everything(tmp_path)])
    runner.fit(module, datamodule=data(count))
    assert module.images_seen == 120
    assert runner.current_epoch == (3 if count else 1)
    assert "the training data have no length: validation runs where they end" in capsys.readouterr().out
    resumed = request.getfixturevalue(kind)()
    runner = trainer(max_epochs=-1, callbacks=[MaxImages(160)])
    runner.fit(resumed, datamodule=data(count), ckpt_path=tmp_path / "last.ckpt")
    assert resumed.images_seen == 160


def test_epochs_of_data_without_a_length_end_where_the_data_end(gan, trainer, tmp_path, capsys):
    module = gan()
    trainer(max_epochs=2, **WITH_ALL, callbacks=everything(tmp_path)).fit(module, datamodule=Plain(40))
    assert module.images_seen == 80
    assert "80 images  " in capsys.readouterr().err, "the length of the run is not known"


def test_a_stream_without_an_end_is_validated_at_an_interval(autoencoder, trainer, capsys, tmp_path):
    logger = Rows([])
    callbacks = [MaxImages(96), Report(tmp_path)]
    runner = trainer(max_epochs=-1, callbacks=callbacks, logger=logger, val_check_interval=4)
    runner.fit(autoencoder(), datamodule=Streamed())
    assert logger.steps("val/loss") == [32, 64, 96]
    assert "no length" not in capsys.readouterr().out


def test_the_number_of_samples_of_a_stream_is_not_known(autoencoder, trainer):
    module = autoencoder()
    trainer(max_epochs=-1, callbacks=[MaxImages(8)]).fit(module, datamodule=Streamed())
    assert module.dataset_size is None


OWN = """
from test_stream import Streamed

class Drops(Streamed):
    pass
"""


def test_a_stream_of_ones_own_trains_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_stream.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["fit", "--config=gan/dense", "--data=my_stream.Drops", "--name=own", "--max_images=48"]
    main(words)
    main([*words, "--ckpt_path=last", "--max_images=64"])
    stored = checkpoints.read("runs/own/checkpoints/last.ckpt")
    assert stored["lightning_gen"]["images_seen"] == 64
    for word, possible in (
        ("--trainer.val_check_interval=0.5", "must be time based, `1.0` or an int"),
        ("--trainer.limit_train_batches=0.5", "must be `1.0` or an int"),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*words, "--name=other", word])
        assert end.value.code == 2
        assert possible in capsys.readouterr().err.strip().splitlines()[-1]


def test_figures_need_data_with_a_length(gan):
    with pytest.raises(InputError, match="the training split has no length: give data that have one with --data"):
        assess(gan(), Streamed(), seed=0)


def test_a_batch_of_a_stream_is_divided_over_the_devices():
    from lightning_gen.data.loader import stream

    options = {"drop_last": True, "seed": 0, "num_workers": 0}
    assert len(next(iter(stream(Stream(), 8, world_size=2, **options)))) == 4
    assert [len(batch) for batch in stream(Stream(20), 8, world_size=1, **options)] == [8, 8]
    with pytest.raises(InputError, match="a batch of 8 samples cannot be divided over 3 devices"):
        stream(Stream(), 8, world_size=3, **options)
