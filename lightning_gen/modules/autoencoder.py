"""Autoencoders: an encoder, a bottleneck and a decoder that learn to reconstruct their input."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_gen.augmentations import Augmentation, Corruption
from lightning_gen.bottlenecks import Bottleneck
from lightning_gen.deprecation import accepts_former
from lightning_gen.modules.autoencoder_base import Autoencoder
from lightning_gen.networks import Decoder, Encoder
from lightning_gen.records import Code, concatenated
from lightning_gen.terms import Term
from lightning_gen.training.collectives import sum_over_devices
from lightning_gen.training.ema import EMA
from lightning_gen.upgrades import ARGUMENTS


class AutoencoderModule(Autoencoder):
    """An encoder and a decoder with a bottleneck between them, trained by one optimizer.

    ``x → transform_input → corrupt → encoder → bottleneck → decoder → Reconstruction → Σ weightₖ · termₖ(record)``

    Automatic optimization: the Trainer's ``accumulate_grad_batches`` and ``gradient_clip_val`` work. Reducing the
    Dimensionality of Data with Neural Networks, Hinton and Salakhutdinov 2006
    (https://doi.org/10.1126/science.1127647); with a Gaussian bottleneck and the term `KLDivergence` it is the
    variational autoencoder, Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114).

    Args:
        encoder: Samples ``(n, *shape)`` to features ``(n, features)``, or to maps of them. Any module will do; see
            `WrappedEncoder`.
        decoder: Codes ``(n, latent_dim)``, or maps of them, to the parameters of the likelihood. Any module will do;
            see `WrappedDecoder`.
        bottleneck: Features to a code.
        objective: Named terms in nats per sample; the loss is the sum of weight times term. The first `Likelihood`
            among them says how outputs become samples.
        corruption: Change of the encoder's input in training, ``(x, rng) -> x``, or None; the terms see the clean x.
        input_transform: Random transform of the samples, in training and evaluation alike, such as `Binarization`; the
            terms compare with the transformed samples. None for no transform.
        codes_per_sample: Codes sampled for each sample, at least 1; the terms average over them, or combine them as
            `ImportanceWeightedBound` does.
        optimizer: Makes the optimizer; None for Adam with learning rate 1e-3.
        scheduler: Makes the learning-rate scheduler from the optimizer; stepped after each update.
        ema: Average of the weights of encoder, bottleneck and decoder that evaluation, `encode`, `decode`,
            `reconstruct` and `sample` use; None to use the trained weights.

    Raises:
        InputError: The parts do not fit each other, no term is a likelihood, or `codes_per_sample` is below 1.
    """

    @accepts_former(ARGUMENTS["lightning_gen.AutoencoderModule"])
    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        bottleneck: Bottleneck,
        objective: dict[str, Term],
        corruption: Corruption | None = None,
        input_transform: Augmentation | None = None,
        codes_per_sample: int = 1,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
        ema: EMA | None = None,
    ) -> None:
        super().__init__()
        self.assemble(encoder, decoder, bottleneck, objective, corruption, input_transform, codes_per_sample, ema)
        self.optimizer = optimizer
        self.scheduler = scheduler
        self._codes: list[Code] = []
        self._latest: dict[str, Tensor] = {}
        self._update_images = 0  # of the batches since the last update
        self._evaluations: int | None = None  # evaluations of the loss in the current step; None outside of one

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss on a batch, which is counted once although an optimizer may evaluate it several times in a step."""
        batch = self.batch_of(batch)
        again = bool(self._evaluations)
        if self._evaluations is not None:
            self._evaluations += 1
        rng = self.rng
        record = self.reconstruction(self.transform_input(batch.x, rng), rng, corrupt=True, labels=batch.labels)
        if again:
            return self.loss(replace(record, images=self.images_seen - self.batch_images))[0]
        total, terms = self.loss(record)
        self._codes.append(record.code.detached())
        self._update_images += self.count(batch)
        if self.finiteness is not None:
            self.finiteness.add_loss("autoencoder", total, terms, self.images_seen)
        self._latest = {"loss": total.detach(), **{name: value.detach() for name, value in terms.items()}}
        if self.logs_now:
            self.report_update()
        return total

    def latest_metrics(self) -> dict[str, Tensor | float]:
        """The loss and the terms of the latest batch, and the learning rate."""
        if not self._latest:
            return {}
        rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        return {**{f"train/{name}": value for name, value in self._latest.items()}, "train/learning_rate": rate}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Make an update, then update the codebook and the averages, before a checkpoint is written."""
        self._evaluations = 0
        try:
            super().optimizer_step(*args, **kwargs)
        finally:
            self._evaluations = None
        codes, self._codes = self._codes, []
        self.bottleneck.update_codebook(concatenated(codes), self.rng, sum_over_devices)
        images, self._update_images = self._update_images, 0
        self.move_average(images)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        """Set the gradients to None, as the optimizer's own method does, which also reports to torch's profiler."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip if there is something to clip to; Lightning's own hook checks options that are not set."""
        if gradient_clip_val is not None or self.trainer.gradient_clip_val is not None:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the norm of the gradient, before clipping."""
        if self.finiteness is not None:
            self.finiteness.add_gradient("autoencoder", optimizer.param_groups[0]["params"], self.images_seen)
        if self.logs_now:
            gradients = [p.grad for p in self.parameters() if p.grad is not None]
            self.report({"train/gradient_norm": nn.utils.get_total_norm(gradients)})

    @property
    def trained(self) -> dict[str, nn.Module]:
        """The whole module."""
        return {"autoencoder": self}

    def after_rollback(self) -> None:
        """Discard the codes of an update that was not made, and its loss, as well."""
        super().after_rollback()
        self._codes, self._latest, self._update_images = [], {}, 0

    def configure_optimizers(self) -> Any:
        """The optimizer, and the scheduler stepped after each update."""
        averages = {id(parameter) for network in self.averaged.values() for parameter in network.parameters()}
        parameters = [parameter for parameter in self.parameters() if id(parameter) not in averages]
        optimizer = self.make_optimizer(self.optimizer or partial(torch.optim.Adam, lr=1e-3), parameters)
        if self.scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.make_scheduler(self.scheduler, optimizer), "interval": "step"},
        }
