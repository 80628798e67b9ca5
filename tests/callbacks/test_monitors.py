"""A name that a callback waits for, and validation does not log, is said before the first epoch is trained."""

import pytest
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from lightning_gen.callbacks.checkpoints import BestCheckpoint
from lightning_gen.callbacks.run import Report
from lightning_gen.data import Digits


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        (EarlyStopping("val/lss"), "EarlyStopping waits for 'val/lss', which the first batches of validation did not"),
        (ModelCheckpoint(monitor="val/lss"), "ModelCheckpoint waits for 'val/lss', which the first batches of"),
        (ModelCheckpoint(monitor="val/lss"), " log: they logged val/loss, val/mse, val/reconstruction\n"),
        (EarlyStopping("val/loss"), ""),
        (EarlyStopping("train/loss"), ""),
        (ModelCheckpoint(), ""),
    ],
)
def test_what_is_waited_for_in_vain(autoencoder, trainer, tmp_path, capsys, callback, said):
    callbacks = [Report(tmp_path), callback]
    run = trainer(max_steps=0, num_sanity_val_steps=1, enable_checkpointing=True, callbacks=callbacks)
    run.fit(autoencoder(), Digits(8))
    told = capsys.readouterr().err
    assert said in told
    assert ("waits for" in told) is bool(said)


def test_without_a_validation_split_nothing_waits_in_vain(autoencoder, trainer, tmp_path, capsys):
    callbacks = [Report(tmp_path), BestCheckpoint("val/loss", tmp_path)]
    trainer(max_steps=0, num_sanity_val_steps=1, enable_checkpointing=True, callbacks=callbacks).fit(
        autoencoder(), Digits(8, val_fraction=0)
    )
    assert "waits for" not in capsys.readouterr().err
