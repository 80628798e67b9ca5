"""A sampler of an autoencoder's codes, fitted when training has ended, so that one run makes a model that draws."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
from lightning_gen.checkpoint.added import NotAdded
from lightning_gen.data import DataModule
from lightning_gen.errors import FitError, InputError
from lightning_gen.modules.code_sampling import CodeSampling
from lightning_gen.modules.kept_samplers import KeptSamplers
from lightning_gen.samplers import LatentSampler
from lightning_gen.signals import LeftEarly
from lightning_gen.terminal import say


class SamplerFit(Callback):
    """Fits a sampler to the codes of the training data when a run has ended, as the second stage of latent diffusion.

    From then on the model draws by it: `SampleGrid` the final state, and ``sample`` and ``evaluate`` from the last
    checkpoint, to which it is added. A run that is interrupted in the fit goes on there when it is resumed from that
    file, if the data are a `DataModule`, which gives the same codes again. A run that has ended and has no such sampler
    gets it, and one that is resumed for more images gets another where these have changed its codes.

    Each process fits the same sampler to the whole training split, so that none waits for another; the first one stores
    it. A sampler is no part of the Trainer's state: gradients are not reduced, and precision and strategy do not change
    it.

    Paper: High-Resolution Image Synthesis with Latent Diffusion Models, https://arxiv.org/abs/2112.10752, section 3

    Args:
        sampler: The sampler, such as ``RectifiedFlowSampler()``.
        checkpoint: The callback that writes ``last.ckpt``; None to keep the sampler in the module alone.
        seed: Seed of the posterior's samples and of the fit.

    Attributes:
        fitted: Whether the last run has fitted it.
        seconds: Duration of that fit.
    """

    def __init__(self, sampler: LatentSampler, checkpoint: ImageCheckpoint | None = None, seed: int = 0) -> None:
        self.sampler = sampler
        self.checkpoint = checkpoint
        self.seed = seed
        self.fitted = False
        self.seconds = 0.0

    @property
    def name(self) -> str:
        """The name of the sampler's class."""
        return type(self.sampler).__name__

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check that the sampler can be fitted at the end, before anything is trained.

        Raises:
            InputError: The module has no codes, they are too wide or too few, or the training split cannot be read by
                each process as a whole.
        """
        if "sampler" not in counted(pl_module).sample_options:
            raise InputError(f"{self.name} is fitted to the codes of an autoencoder: leave it (--sampler) out")
        data = trainer.datamodule  # type: ignore[attr-defined]
        own = isinstance(data, DataModule)
        if trainer.world_size > 1 and not own:
            raise InputError(
                f"in several processes {self.name} needs a DataModule of lightning_gen, whose training split each of "
                "them reads as a whole: train in one process, or fit the sampler afterwards, by module.fit_sampler"
            )
        if own:
            self._check_length(data.train_set)
        count = sized_len(data.train_set) if own else None
        self.sampler.check_size(count, prod(cast(CodeSampling, pl_module).latent_shape))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check that other data end.

        Raises:
            InputError: They do not.
        """
        self._check_length(trainer.train_dataloader)

    def _check_length(self, data: Any) -> None:
        if sized_len(data) is None:
            raise InputError(f"{self.name} is fitted to all of a training split, and this one has no end: leave it out")

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fit the sampler, unless the module holds it for the codes as they are now.

        Raises:
            FitError: It cannot be fitted, or cannot be stored.
        """
        self.fitted, self.seconds, module = False, 0.0, cast(CodeSampling, pl_module)
        if trainer.fast_dev_run or not module.images_seen:  # type: ignore[attr-defined]
            return
        start, device = time.monotonic(), module.device
        holds = module.keeps(type(self.sampler), **checkpoints.describe(self.sampler)["init_args"])
        kept = self._kept(trainer, module)
        try:
            module.to(trainer.strategy.root_device)  # which the Trainer's own teardown has left before this hook
            with self._telling(kept, module):
                if not holds:
                    self._fit(trainer, module, kept)
                if not module.draw_by(self.sampler) and holds:
                    return
                if holds and trainer.is_global_zero:
                    say(f"the run draws by {self.name} with these options from now on", sys.stderr)
                if kept is not None:
                    kept.store()
                    cast(ImageCheckpoint, self.checkpoint).name(module.images_seen)
            self.fitted, self.seconds = not holds, time.monotonic() - start
            for grid in trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(grid, SampleGrid):
                    grid.draw(trainer, module)
        finally:
            module.to(device)

    def _kept(self, trainer: Trainer, module: CodeSampling) -> KeptSamplers | None:
        """The file in which the first process stores the sampler; None in others, and where there is no file."""
        if not trainer.is_global_zero or self.checkpoint is None or not self.checkpoint.path.exists():
            return None
        path = str(self.checkpoint.path)
        return KeptSamplers(module, checkpoints.read(path), path)

    def _fit(self, trainer: Trainer, module: CodeSampling, kept: KeptSamplers | None) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, DataModule):
            data = cast(Iterable[Any], trainer.train_dataloader)
        if trainer.is_global_zero:
            place = "the module alone, as the run keeps no checkpoint" if kept is None else kept.path
            say(f"fitting {self.name} to the codes of the training split, to keep it in {place}", sys.stderr)
        if kept is not None:
            kept.fit(self.sampler, data, self.seed)
            return
        if trainer.is_global_zero:
            self.sampler.report = partial(say, to=sys.stderr)
        module.fit_sampler(self.sampler, data, self.seed)

    @contextmanager
    def _telling(self, kept: KeptSamplers | None, module: CodeSampling) -> Iterator[None]:
        """Say where the run is if it does not end as it should, and how it goes on.

        Raises:
            FitError: The sampler cannot be fitted, or cannot be stored.
        """
        again = "" if kept is None else command_line(["fit", "--ckpt_path", kept.path], module)
        trained = f"{module.images_seen:,} {module.medium.noun}"
        try:
            yield
        except (LeftEarly, KeyboardInterrupt) as end:
            if kept is not None:
                more = " and what was fitted so far" if kept.added else ""
                say(
                    f"stopped in the fit of {self.name}: {trained}{more} are in {kept.path}; resume with\n  {again}",
                    sys.stderr,
                )
            if isinstance(end, LeftEarly):
                end.told = True
            raise
        except NotAdded as error:
            raise FitError(f"{self.name} was fitted and cannot be kept, {error}; {again} fits it again") from error
        except InputError as error:
            there = "" if kept is None else f"; {trained} are in {kept.path}"
            raise FitError(f"{error}{there}") from error
