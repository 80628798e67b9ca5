"""BatchNorm under two processes: statistics of its own in training, one average in validation and in checkpoints."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

pytestmark = pytest.mark.slow


def statistics(module):
    return {name: value.clone() for name, value in module.named_buffers() if "running" in name}


class Seen(Callback):
    """Keeps what this process's statistics are in training and in validation."""

    def __init__(self, folder):
        self.folder = folder
        self.kept = {}

    def on_train_batch_end(self, trainer, module, *args):
        self.kept["training"] = statistics(module)

    def on_validation_batch_start(self, trainer, module, *args):
        self.kept["validation"] = statistics(module)

    def on_train_end(self, trainer, module):
        trainer.save_checkpoint(self.folder / "last.ckpt")
        torch.save(self.kept, self.folder / f"{trainer.global_rank}.pt")


def test_statistics_are_averaged_for_validation_and_in_the_checkpoint_alone(gan, trainer, tmp_path):
    torch.manual_seed(0)
    images = torch.rand(96, 1, 8, 8) * 2 - 1
    run = trainer(devices=2, strategy="ddp_fork", max_epochs=2, check_val_every_n_epoch=2, callbacks=[Seen(tmp_path)])
    run.fit(gan(batch_norm=True), DataLoader(images, batch_size=8), DataLoader(images[:16], batch_size=8))
    ours, theirs = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert ours["training"]
    for name, value in ours["training"].items():
        assert not torch.equal(value, theirs["training"][name]), "each normalised other samples"
        mean = (value + theirs["training"][name]) / 2
        for found in (ours["validation"][name], theirs["validation"][name], stored["state_dict"][name]):
            torch.testing.assert_close(found, mean, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(ours["validation"][name], theirs["validation"][name], rtol=0, atol=0)
