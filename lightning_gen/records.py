"""The records that pass between the parts: a batch of data, a code, a reconstruction, a judgement."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor
from torch.distributions import Distribution

from lightning_gen.errors import InputError

Shape: TypeAlias = tuple[int, ...]
"""Shape of one sample: ``(channels, height, width)`` for images, ``(dimensions,)`` for points."""


class Batch(NamedTuple):
    """A batch of data.

    Attributes:
        x: Samples, ``(n, *shape)``; images are floats in [-1, 1] once they are on the device.
        labels: Class indices ``(n,)``, or None where the data has no classes.
    """

    x: Tensor
    labels: Tensor | None = None

    @classmethod
    def of(cls, batch: Any) -> "Batch":
        """Read what a DataLoader yields: a Batch, a tensor, or a pair ``(x, labels)``.

        Raises:
            InputError: The batch is none of these.
        """
        if isinstance(batch, cls):
            return batch
        if isinstance(batch, Tensor):
            return cls(batch)
        if isinstance(batch, (tuple, list)) and 1 <= len(batch) <= 2 and isinstance(batch[0], Tensor):
            return cls(*batch)
        raise InputError(
            f"a batch of type {type(batch).__name__} is not understood: let the DataLoader yield a tensor of samples, "
            "a pair (samples, labels), or lightning_gen.Batch"
        )


@dataclass(frozen=True)
class Code:
    """What a bottleneck makes of features.

    Attributes:
        sample: The code that the decoder reads, ``(n, latent_dim)`` or ``(n, latent_dim, h, w)``.
        mean: The code without noise, same shape; equal to `sample` where nothing is random.
        posterior: q(z|x) with one independent component per latent dimension, or None.
        prior: p(z), broadcastable to the posterior, or None.
    """

    sample: Tensor
    mean: Tensor
    posterior: Distribution | None = None
    prior: Distribution | None = None


@dataclass(frozen=True)
class Reconstruction:
    """One pass through an autoencoder, all that a term of the objective may look at.

    Attributes:
        x: The clean samples, ``(n, *shape)``, images in [-1, 1].
        code: The code.
        output: What the decoder gave: parameters of the likelihood, not yet an image.
    """

    x: Tensor
    code: Code
    output: Tensor


@dataclass(frozen=True)
class Judgement:
    """What a discriminator makes of samples, all that a term of a GAN's losses may look at.

    With packing m it judges m samples at a time, so there are n / m rows for n samples.

    Attributes:
        logits: One a row, ``(rows,)``; positive for real.
        features: What the logits were read off, ``(rows, features)``.
        labels: Classes of the samples, ``(n,)``, or None.
        class_logits: Unnormalised log-probabilities of the classes, ``(rows, num_classes)``, from a discriminator with
            an auxiliary classifier; else None.
    """

    logits: Tensor
    features: Tensor
    labels: Tensor | None = None
    class_logits: Tensor | None = None

    def halves(self) -> tuple["Judgement", "Judgement"]:
        """The judgements of the first and of the second half of the samples."""
        parts = [[None, None] if field is None else field.chunk(2) for field in vars(self).values()]
        first, second = zip(*parts, strict=True)
        return Judgement(*first), Judgement(*second)
