"""A sampler of an autoencoder's codes, fitted when training has ended, so that one run makes a model that draws."""

import sys
import time
from collections.abc import Iterable
from functools import partial
from math import prod
from typing import Any, cast

from lightning.fabric.utilities.data import sized_len
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from lightning_gen import checkpoint as checkpoints
from lightning_gen.callbacks.checkpoints import ImageCheckpoint
from lightning_gen.callbacks.command_lines import command_line
from lightning_gen.callbacks.lengths import counted
from lightning_gen.callbacks.samples import SampleGrid
from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.modules.code_sampling import CodeSampling
from lightning_gen.modules.kept_samplers import KeptSamplers
from lightning_gen.samplers import LatentSampler
from lightning_gen.terminal import say


class SamplerFit(Callback):
    """Fits a sampler to the codes of the training data when a run has ended, as the second stage of latent diffusion.

    The sampler is added to ``last.ckpt`` of the run, and `SampleGrid` draws the final state by it. A fit that is
    interrupted goes on when the run is resumed from that file; a run that has ended and has no such sampler yet gets
    it. A run that is resumed for more images fits it anew at its end.

    Each process fits the same sampler to the whole training split, so that none waits for another; the first one stores
    it. A sampler is no part of the Trainer's state: gradients are not reduced, and precision and strategy do not change
    it.

    Paper: High-Resolution Image Synthesis with Latent Diffusion Models, https://arxiv.org/abs/2112.10752, section 3

    Args:
        sampler: The sampler, such as ``RectifiedFlowSampler()``.
        checkpoint: The callback that writes ``last.ckpt``; None to keep the sampler in the module alone.
        seed: Seed of the posterior's samples and of the fit.

    Attributes:
        seconds: Duration of the fit; None where nothing was fitted.
    """

    def __init__(self, sampler: LatentSampler, checkpoint: ImageCheckpoint | None = None, seed: int = 0) -> None:
        self.sampler = sampler
        self.checkpoint = checkpoint
        self.seed = seed
        self.seconds: float | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check that the sampler can be fitted at the end, before anything is trained.

        Raises:
            InputError: The module has no codes, they are too wide, or the training split cannot be read by each process
                as a whole.
        """
        name = type(self.sampler).__name__
        if "sampler" not in counted(pl_module).sample_options:
            raise InputError(f"{name} is fitted to the codes of an autoencoder: leave --sampler out")
        self.sampler.check_width(prod(cast(CodeSampling, pl_module).latent_shape))
        data = trainer.datamodule  # type: ignore[attr-defined]
        own = isinstance(data, DataModule)
        if trainer.world_size > 1 and not own:
            raise InputError(
                f"in several processes {name} needs a DataModule of lightning_gen, whose training split each of them "
                "reads as a whole: train in one process, or fit the sampler afterwards, by module.fit_sampler"
            )
        if own and sized_len(data.train_set) is None:
            raise InputError(f"{name} is fitted to a training split that has an end: leave --sampler out")

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fit the sampler, unless the module holds it for the codes as they are now."""
        self.seconds, module = None, cast(CodeSampling, pl_module)
        options = checkpoints.describe(self.sampler)["init_args"]
        if trainer.fast_dev_run or not module.images_seen or module.keeps(type(self.sampler), **options):  # type: ignore[attr-defined]
            return
        start, device = time.monotonic(), module.device
        module.to(trainer.strategy.root_device)  # which the Trainer's own teardown has left before this hook
        data = self._data(trainer)
        if trainer.is_global_zero:
            self._fit_and_tell(module, data)
        else:
            module.fit_sampler(self.sampler, data, self.seed)
        self.seconds = time.monotonic() - start
        for grid in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(grid, SampleGrid):
                grid.draw(trainer, module)
        module.to(device)

    def _data(self, trainer: Trainer) -> DataModule | Iterable[Any]:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, DataModule):
            return data
        return cast(Iterable[Any], trainer.train_dataloader)

    def _fit_and_tell(self, module: CodeSampling, data: DataModule | Iterable[Any]) -> None:
        """Fit, with a line before and behind; store the sampler where the run keeps its state."""
        say(f"fitting {type(self.sampler).__name__} to the codes of the training split", sys.stderr)
        if self.checkpoint is None or not self.checkpoint.path.exists():
            self.sampler.report = partial(say, to=sys.stderr)
            module.fit_sampler(self.sampler, data, self.seed)
            return
        path = str(self.checkpoint.path)
        kept = KeptSamplers(module, checkpoints.read(path), path)
        again = command_line(["fit", "--ckpt_path", path], module)
        say(kept.fit(self.sampler, data, f"go on with\n  {again}", self.seed), sys.stderr)
