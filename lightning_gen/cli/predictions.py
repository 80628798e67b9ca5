"""``predict``: what a model predicts for the test split, in a file."""

import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from lightning_gen.callbacks.lengths import counted
from lightning_gen.commands.sample import check_target
from lightning_gen.errors import InputError
from lightning_gen.paths import written
from lightning_gen.terminal import say

FILE = "predictions.npy"
"""The name of the file in the folder of a run."""


def place(out: str | None, checkpoint: str | Path) -> Path:
    """The file or folder of the predictions: that of ``--out``, else `FILE` in the run's folder.

    Args:
        out: The option's value.
        checkpoint: The checkpoint whose model predicts.

    Raises:
        InputError: The option is a URL, or there is no home folder.
    """
    if out is not None:
        return written(out)
    folder = Path(checkpoint).parent
    return (folder.parent if folder.name == "checkpoints" else folder) / FILE


class PredictionFile(BasePredictionWriter):
    """Writes the predictions of all batches in one file or folder, as ``sample`` writes samples.

    Args:
        target: A file or a folder, see `Medium.write`.
    """

    def __init__(self, target: Path) -> None:
        super().__init__("epoch")
        self.target = target
        self._replaced = False

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the place before anything is predicted.

        Raises:
            InputError: The file cannot be written or would replace one of another kind, or each of several processes
                would predict a part.
        """
        if trainer.world_size > 1:
            raise InputError("predict writes what one process predicts: add --trainer.devices 1")
        data = trainer.datamodule  # type: ignore[attr-defined]
        described = getattr(data, "hparams", {})
        self._replaced = bool(check_target(self.target, counted(pl_module).medium, sys.maxsize, described))

    def write_on_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule, predictions: Any, batch_indices: Any
    ) -> None:
        """Write the predictions, and print where they are.

        Raises:
            InputError: They are no samples, or a file cannot be written.
        """
        module = counted(pl_module)
        if not all(isinstance(each, Tensor) and tuple(each.shape[1:]) == module.data_shape for each in predictions):
            raise InputError(
                f"{type(module).__name__}.predict_step returns no samples {('n', *module.data_shape)}, which predict "
                "could write: give a BasePredictionWriter of your own with --trainer.callbacks"
            )
        found = torch.cat(list(predictions)).cpu()
        module.medium.write(found, self.target)
        what = "reconstructions of the test split" if module.reconstructs else "samples, one for each of the test split"
        older = " (files of the same name were replaced)" if self._replaced else ""
        say(f"{len(found):,} {what}, in {self.target}{older}")
