"""Autoencoders: an encoder, a bottleneck and a decoder that learn to give back what they were shown."""

from functools import partial
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_gen.augmentations import Corruption
from lightning_gen.bottlenecks import Bottleneck
from lightning_gen.errors import InputError
from lightning_gen.modules.base import GenerativeModule, named
from lightning_gen.networks import Decoder, Encoder
from lightning_gen.objectives import BernoulliLikelihood, Likelihood
from lightning_gen.records import Batch, Code, Reconstruction, Shape
from lightning_gen.terms import Term


class AutoencoderModule(GenerativeModule):
    """An encoder and a decoder with a bottleneck between them.

    ``x → corrupt → encoder → bottleneck → decoder → Reconstruction(x, code, output) → Σ weightₖ · termₖ(record)``

    Automatic optimization: the Trainer's ``accumulate_grad_batches`` and ``gradient_clip_val`` work. Reducing the
    Dimensionality of Data with Neural Networks, Hinton and Salakhutdinov 2006
    (https://doi.org/10.1126/science.1127647); with a Gaussian bottleneck and the term `KL` it is the variational
    autoencoder, Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114).

    Args:
        encoder: Samples ``(n, *shape)`` to features ``(n, features)``.
        decoder: Codes ``(n, latent_dim)`` to outputs ``(n, *shape)``, the parameters of the likelihood.
        bottleneck: Features to a code.
        objective: Named terms in nats per sample; the loss is the sum of weight times term. The first `Likelihood`
            among them says how outputs become samples.
        corruption: Change of the encoder's input in training, ``(x, rng) -> x``, or None; the terms see the clean x.
        optimizer: Makes the optimizer; None for Adam with learning rate 1e-3.
        scheduler: Makes the learning-rate scheduler from the optimizer; stepped after each update.

    Raises:
        InputError: The parts do not fit each other, or no term is a likelihood.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        bottleneck: Bottleneck,
        objective: dict[str, Term],
        corruption: Corruption | None = None,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.bottleneck = bottleneck
        self.objective = named(objective)
        self.corruption = corruption
        self.optimizer = optimizer
        self.scheduler = scheduler
        self._check_widths()
        if isinstance(self.likelihood, BernoulliLikelihood) and len(self.data_shape) == 1:
            raise InputError(
                "BernoulliLikelihood is for images between black and white and the data are points: use "
                "GaussianLikelihood, --model.objective.reconstruction GaussianLikelihood"
            )

    def _check_widths(self) -> None:
        name = type(self.bottleneck).__name__
        if self.encoder.features != self.bottleneck.features:
            raise InputError(
                f"the encoder gives {self.encoder.features} features and {name} with latent_dim "
                f"{self.bottleneck.latent_dim} takes {self.bottleneck.features}: set the encoder's features to that"
            )
        if self.decoder.latent_dim != self.bottleneck.latent_dim:
            raise InputError(
                f"{name} gives codes of {self.bottleneck.latent_dim} and the decoder reads {self.decoder.latent_dim}: "
                "set the decoder's latent_dim to that"
            )

    @property
    def data_shape(self) -> Shape:
        """Shape of one sample."""
        return tuple(self.encoder.shape)

    @property
    def likelihood(self) -> Likelihood:
        """The first likelihood of the objective: it turns the decoder's output into samples."""
        for term in self.objective.values():
            if isinstance(term, Likelihood):
                return term
        raise InputError(
            "no term of the objective says how the decoder's output becomes a sample: add one of the likelihoods, "
            "such as objective={'reconstruction': BernoulliLikelihood()}"
        )

    @property
    def has_prior(self) -> bool:
        """Whether the bottleneck has a prior to sample from."""
        return self.bottleneck.has_prior

    # using it ------------------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> Tensor:
        """Codes without noise, ``(n, latent_dim)``, of samples ``(n, *shape)``, images in [-1, 1].

        As `decode` and `reconstruct` it can be differentiated; wrap it in ``torch.no_grad()`` where that is not wanted.
        """
        return self.bottleneck(self.encoder(x), None).mean

    def decode(self, code: Tensor) -> Tensor:
        """Samples ``(n, *shape)``, images in [-1, 1], from codes ``(n, latent_dim)``."""
        return self.likelihood.mean(self.decoder(code))

    def reconstruct(self, x: Tensor) -> Tensor:
        """What is left of samples ``(n, *shape)`` after their way through the code."""
        return self.decode(self.encode(x))

    def forward(self, x: Tensor) -> Tensor:
        """The same as `reconstruct`."""
        return self.reconstruct(x)

    @torch.no_grad()
    def sample(self, n: int, labels: Any = None, generator: torch.Generator | None = None) -> Tensor:
        """Decode draws from the prior, in evaluation mode.

        Args:
            n: How many.
            labels: Classes, for conditional models.
            generator: Source of the codes; the same seed gives the same samples. None for this process's own.

        Returns:
            ``(n, *shape)``; images in [-1, 1].

        Raises:
            InputError: `n` is below 1, or the bottleneck has no prior to draw from.
        """
        if n < 1:
            raise InputError(f"the number of samples must be at least 1, not {n}")
        if labels is not None:
            raise InputError("this autoencoder was trained without classes: leave out the labels")
        source = generator or self.rng
        training = self.training
        self.eval()
        try:
            return self.decode(self.bottleneck.sample_prior(n, source).to(self.device))
        finally:
            self.train(training)

    # training ------------------------------------------------------------------------------------------------------

    def reconstruction(self, x: Tensor, generator: torch.Generator | None, corrupt: bool = False) -> Reconstruction:
        """One pass through the autoencoder.

        Args:
            x: Clean samples.
            generator: Source of the bottleneck's noise and of the corruption.
            corrupt: Whether the encoder sees corrupted samples.
        """
        seen = self.corruption(x, generator) if corrupt and self.corruption is not None else x
        code: Code = self.bottleneck(self.encoder(seen), generator)
        return Reconstruction(x, code, self.decoder(code.sample))

    def loss(self, record: Reconstruction) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the terms, and the terms without their weights, in nats per sample."""
        terms = {name: term(record) for name, term in self.objective.items()}
        return torch.stack([self.objective[name].weight * value for name, value in terms.items()]).sum(), terms

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss on a batch."""
        batch = Batch.of(batch)
        total, terms = self.loss(self.reconstruction(batch.x, self.rng, corrupt=True))
        self.count(batch)
        if self.logs_now:
            rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
            named = {f"train/{name}": value for name, value in terms.items()}
            self.report({"train/loss": total, **named, "train/learning_rate": rate})
        return total

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the norm of the gradient, before clipping."""
        if self.logs_now:
            gradients = [p.grad for p in self.parameters() if p.grad is not None]
            self.report({"train/gradient_norm": nn.utils.get_total_norm(gradients)})

    def configure_optimizers(self) -> Any:
        """The optimizer, and the scheduler stepped after each update."""
        optimizer = (self.optimizer or partial(torch.optim.Adam, lr=1e-3))(self.parameters())
        if self.scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.make_scheduler(self.scheduler, optimizer), "interval": "step"},
        }

    # evaluation ----------------------------------------------------------------------------------------------------

    def evaluation_step(self, batch: Batch) -> dict[str, Tensor]:
        """The loss and its terms in nats per sample, and the mean squared error, for images of pixels in [0, 1]."""
        total, terms = self.loss(self.reconstruction(batch.x, self.evaluation_rng))
        error = (self.reconstruct(batch.x) - batch.x).float().square().mean()
        return {"loss": total, **terms, "mse": error / 4 if batch.x.ndim == 4 else error}

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Reconstructions of a batch, ``(n, *shape)``."""
        return self.reconstruct(Batch.of(batch).x)
