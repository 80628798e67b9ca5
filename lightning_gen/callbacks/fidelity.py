"""How samples compare with real images during training, and the best state by that."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.data import sized_len
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_gen import checkpoint as checkpoints
from lightning_gen import private
from lightning_gen.callbacks.lengths import Throughput, counted, require_images
from lightning_gen.callbacks.nonfinite import NonFiniteGuard
from lightning_gen.data import DataModule
from lightning_gen.data.reading import drawn_classes, real_images, rounded
from lightning_gen.errors import InputError
from lightning_gen.media.files import save
from lightning_gen.media.rows import with_names
from lightning_gen.metrics import PretrainedFeatures, pretrained_features
from lightning_gen.metrics.fidelity import FEWEST, compared
from lightning_gen.metrics.pretrained_features import skip_reason
from lightning_gen.training import GenerativeModule
from lightning_gen.training.collectives import averaged_buffers
from lightning_gen.training.sharding import NumberedSamples, from_first, in_order

PREVIEW = 64
"""Samples in the picture beside the best state."""


class Fidelity(Callback):
    """Compares samples with training images in features of a published network, and keeps the best state.

    Figures such as ``fidelity/fd_lite0``, ``fidelity/kid_lite0``, ``fidelity/precision_lite0`` and
    ``fidelity/recall_lite0`` go to all loggers, with the same names for GANs and autoencoders. The state with the
    smallest Fréchet distance is written to ``best.ckpt``, and its samples beside it to ``best.png``. The distance is
    from training images, of which there are more than of others: compare states of one run by it, and models by
    ``evaluate``, which takes the test split.

    Training does not change: samples come from generators of their own, whose numbers do not depend on the number of
    processes, which share the work. A resumed run goes on with the best state in its folder.

    Args:
        every_images: Training images between two measurements, at least 1; the final state is measured too.
        features: The network: lite0, inception or dinov2.
        weights: The file of its weights; None for the one that its package holds or another package has downloaded.
        samples: Samples, and as many training images, at least 10; fewer where there are fewer training images.
        folder: Folder of ``best.ckpt``; None for that of the run's checkpoints on the command line, else for none.
        seed: Seed of the samples, and of the choice of training images.

    Attributes:
        best: The smallest distance; None before the first measurement.
        latest: The figures of the last measurement by their names.

    Raises:
        InputError: A number is out of range. At the start of training: there is no such network, the module draws no
            samples, or the data are no images of known number.
    """

    def __init__(
        self,
        every_images: int,
        features: str = "lite0",
        weights: str | None = None,
        samples: int = 1_000,
        folder: str | None = None,
        seed: int = 0,
    ) -> None:
        self.every_images = require_images("fidelity_every_images", every_images)
        if samples < FEWEST:
            raise InputError(f"samples must be at least {FEWEST}, not {samples}")
        self.features = features
        self.weights = weights
        self.samples = samples
        self.folder = None if folder is None else Path(folder)
        self.seed = seed
        self.best: float | None = None
        self.latest: dict[str, float] = {}
        self._network: PretrainedFeatures | None = None
        self._real: Tensor | None = None
        self._measured = -1
        self._due = False
        self._due_at_start = False

    @property
    def path(self) -> Path | None:
        """The file of the best state."""
        return None if self.folder is None else self.folder / "best.ckpt"

    def state_dict(self) -> dict[str, Any]:
        """The smallest distance, its name, and whether a measurement is due, part of every checkpoint."""
        figure = None if self._network is None else self._figure
        return {"best": self.best, "figure": figure, "due": self._due}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Measure the state that is resumed, if that was due; `on_train_start` reads the smallest distance."""
        self._due_at_start = state_dict.get("due", False)

    @property
    def _figure(self) -> str:
        """The name of the figure by which states are compared."""
        assert self._network is not None
        return self._network.names.distance

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the network, and check what is to be measured, before anything is trained."""
        module, data = counted(pl_module), trainer.datamodule  # type: ignore[attr-defined]
        if not module.has_prior:
            raise InputError(
                f"Fidelity measures samples, and this {type(module).__name__} draws none because its code has no "
                "prior: take a bottleneck that has one, such as GaussianBottleneck, or leave Fidelity out"
            )
        if module.suggested_sampler is not None:
            rank_zero_warn(
                f"Fidelity measures samples of the prior, and a map of codes draws none that have shapes from it: "
                f"best.ckpt follows their distance, which says little. After training, evaluate --sampler "
                f"{module.suggested_sampler} measures samples of what is fitted to the codes"
            )
        if not isinstance(data, DataModule) or sized_len(data.train_set) is None:
            raise InputError(
                "Fidelity compares with a known number of training images: give data of --data, or leave it out"
            )
        reason = skip_reason(data.medium, data.shape)
        if reason is None and len(data.train_set) < FEWEST:
            reason = f"Fidelity needs at least {FEWEST} training images, and there are {len(data.train_set)}"
        if reason is not None:
            raise InputError(f"{reason}: leave Fidelity out")
        self._network = pretrained_features(self.features, self.weights, pl_module.device)
        self._real, self._measured = None, -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the smallest distance of a resumed run from the file of its best state."""
        self.best, self._due, self._due_at_start = None, self._due_at_start, False
        if trainer.ckpt_path is not None:
            self.best = from_first(self._stored() if trainer.is_global_zero else None)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Measure if the last batches passed a multiple of `every_images`: all their work is done now."""
        if not self._due or private.accumulates(trainer):
            return
        since = time.perf_counter()
        self._measure(trainer, counted(pl_module))
        for each in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(each, Throughput):
                each.leave_out(time.perf_counter() - since)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Find out whether the batch passed a multiple of `every_images`."""
        self._due = self._due or counted(pl_module).passed(self.every_images)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the final state."""
        if counted(pl_module).images_seen not in (0, self._measured):
            self._measure(trainer, counted(pl_module))

    def _measure(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Compare samples of the state as it is, log the figures, and keep the state if it is the best."""
        self._due = False
        guards = [each for each in trainer.callbacks if isinstance(each, NonFiniteGuard)]  # type: ignore[attr-defined]
        if not all(guard.passes(trainer, module) for guard in guards):
            return  # the run has gone back to a checkpoint
        self._measured = module.images_seen
        with averaged_buffers(module):
            self.latest = self._figures(trainer.datamodule, module)  # type: ignore[attr-defined]
            distance = self.latest[self._figure]
            better = self.best is None or distance < self.best
            if better and self.path is not None and trainer.is_global_zero:
                self._draw(module, self.path.with_suffix(".png"))
        logged = {f"fidelity/{name}": value for name, value in self.latest.items()}
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in logged.items()})
        for logger in trainer.loggers:
            logger.log_metrics(logged, step=module.images_seen)
        if better:
            self.best = distance
            if self.path is not None:
                trainer.save_checkpoint(self.path)

    @torch.no_grad()
    def _figures(self, data: DataModule, module: GenerativeModule) -> dict[str, float]:
        """All figures by their names, on every process."""
        network = self._network
        assert network is not None
        count = min(self.samples, len(data.train_set))
        known = module.num_classes
        labels = None if known is None else drawn_classes(data, count, self.seed)
        samples = NumberedSamples(module.sample, count, self.seed, labels)
        parts = in_order(lambda index: network.outputs(rounded([samples.batch(index)], data.medium)), len(samples))
        if parts is None:
            return from_first(None)
        if self._real is None:
            images = partial(real_images, data, data.train_set, count, self.seed)
            self._real = network.cached_outputs(images, count)
        found = compared(torch.cat(parts), self._real, network)
        return from_first({figure.name(network.names): value.number for figure, value in found.items()})

    def _draw(self, module: GenerativeModule, path: Path) -> None:
        """Draw samples of the best state."""
        preview = module.previews(None, PREVIEW, self.seed)["samples"]
        save(with_names(module.medium.preview(preview.samples, preview.columns), preview.names), path)

    def _stored(self) -> float | None:
        """The smallest distance in the file of the best state; None if there is none or it is of other features."""
        if self.path is None or not os.path.exists(self.path):
            return None
        try:
            states = checkpoints.read(self.path).get("callbacks", {})
        except InputError:
            return None
        found = states.get(self.state_key) or {}
        return found.get("best") if found.get("figure") == self._figure else None

    @property
    def state_key(self) -> str:
        """The name of its state in checkpoints, which differs for distances that cannot be compared."""
        return f"{type(self).__qualname__}(features={self.features}, samples={self.samples}, seed={self.seed})"
