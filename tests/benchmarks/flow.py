"""The spread of a training step over files: its calls, and how often the next one is in another file.

    python tests/benchmarks/flow.py [--calls]

prints it for one logged step of a DCGAN with RpGAN, R1 and R2; with ``--calls`` each call by its file.
"""

import argparse
import sys
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import DummyLogger

import lightning_gen
from lightning_gen.data import Digits
from lightning_gen.networks import DCGANDiscriminator, DCGANGenerator
from lightning_gen.objectives import RelativisticPaired
from lightning_gen.regularizers import R1, R2

PACKAGE = Path(lightning_gen.__file__).parent
STEP = 2
"""The step that is traced; earlier ones include one-time work."""


class Trace(Callback):
    """Records the calls of functions of the package in one step.

    Attributes:
        calls: Files and names, in their order.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Begin."""
        if batch_idx == STEP:
            sys.setprofile(self._note)

    def on_train_batch_end(self, *args: Any) -> None:
        """End."""
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            self.calls.append((str(path.relative_to(PACKAGE)), frame.f_code.co_name))


def main() -> None:
    """Train for a few steps and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", action="store_true", help="print each call")
    shown = parser.parse_args().calls
    torch.set_num_threads(1)
    module = lightning_gen.GANModule(
        DCGANGenerator((1, 32, 32), 16, 16),
        DCGANDiscriminator((1, 32, 32), 16, batch_norm=False),
        RelativisticPaired(),
        penalties={"r1": R1(), "r2": R2()},
    )
    trace = Trace()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=STEP + 1,
        limit_val_batches=0,
        log_every_n_steps=1,
        logger=DummyLogger(),
        callbacks=[trace],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, Digits(batch_size=32))
    files = [file for file, _ in trace.calls]
    if shown:
        print("\n".join(f"{file:40} {name}" for file, name in trace.calls))
    changes = sum(one != other for one, other in pairwise(files))
    print(f"{len(files)} calls, {changes} changes of file, {len(set(files))} files")


if __name__ == "__main__":
    main()
