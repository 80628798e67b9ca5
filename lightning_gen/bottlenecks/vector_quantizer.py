"""Quantizers with learned codebooks: one, or several in sequence."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from lightning_gen.bottlenecks.base import require_features
from lightning_gen.bottlenecks.codebook import CodebookLearning, MovingAverage
from lightning_gen.bottlenecks.codebook_base import Codebook
from lightning_gen.bottlenecks.quantizer import Quantizer, quantized, require_indices
from lightning_gen.bottlenecks.shared_sampling import Total
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT, SHARE, require
from lightning_gen.records import Code, Quantization
from lightning_gen.terms import at_least_float32

CHECK_EVERY = 100
"""Training batches between two checks that features are finite: a check waits for the device, and a run that has
diverged does not recover."""


class CodebookQuantizer(Quantizer):
    """Quantizes features with codebooks in sequence: each one reads the residual that those before it left.

    A code is the sum of one vector of each codebook. The first training batch initialises the codebooks by k-means;
    until then they hold small random numbers.

    Args:
        latent_dim: Width of the code, and of the features.
        codes: Vectors in each codebook, at least 2.
        learning: How the codebooks are learned.
        depth: Number of codebooks, at least 1.
        normalized: Whether features and codes are divided by their norms.

    Raises:
        InputError: There are fewer than 2 codes, or no codebook.
    """

    started: Tensor
    dropout: float = 0.0

    def __init__(
        self, latent_dim: int, codes: int, learning: CodebookLearning | None, depth: int, normalized: bool = False
    ) -> None:
        super().__init__(latent_dim)
        name = type(self).__name__
        if codes not in COUNT or codes < 2:
            raise InputError(f"{name} cannot tell anything apart with codes {codes}: give at least 2")
        if depth not in COUNT:
            raise InputError(f"{name} cannot quantize with depth {depth}: give at least 1 codebook")
        self.codes = codes
        self.learning = learning
        self.depth = depth
        self.normalized = normalized
        plan = learning or MovingAverage()
        self.codebooks = nn.ModuleList(plan.codebook(codes, latent_dim) for _ in range(depth))
        for codebook in self.each_codebook():
            codebook.normalized = normalized
        self.register_buffer("started", torch.tensor(False))
        self._started: bool | None = None
        self._batches = 0
        self.register_load_state_dict_post_hook(read_started_again)

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Map features ``(n, latent_dim, ...)`` to a code of the same shape.

        It is deterministic but for the dropout of codebooks in training.
        """
        require_features(self, features)
        found = self.quantizations(features)
        vectors = [each.vectors.detach() for each in found]
        if self.dropout and self.training and generator is not None:
            kept = kept_codebooks(len(features), self.depth, self.dropout, generator).to(features.device)
            masks = kept.view(self.depth, -1, *[1] * (features.ndim - 1))
            found = tuple(map(without, found, masks))
            vectors = [each * mask for each, mask in zip(vectors, masks, strict=True)]
        return quantized(found[0].features, added(vectors), found, features.dtype)

    @torch.no_grad()
    def codes_of(self, indices: Sequence[Tensor]) -> Tensor:
        """The sum of the vectors at indices ``(n, ...)``, one tensor for each codebook."""
        require_indices(self, indices, self.depth)
        pairs = zip(self.each_codebook(), indices, strict=True)
        return added(codebook(each) for codebook, each in pairs).contiguous()

    def quantizations(self, features: Tensor) -> tuple[Quantization, ...]:
        """Quantize features ``(n, latent_dim, ...)`` with each codebook in sequence, in float32.

        A residual is a difference from detached codes, so that each one has a gradient to the encoder.
        """
        residual, found = at_least_float32(features), list[Quantization]()
        if self.normalized:
            residual = normalize(residual, dim=1)
        for codebook in self.each_codebook():
            if found:
                residual = residual - found[-1].vectors.detach()
            indices = codebook.nearest(residual)
            found.append(Quantization(residual, codebook(indices), indices, self.codes, codebook.table))
        return tuple(found)

    @torch.no_grad()
    def update_codebook(self, code: Code, generator: torch.Generator, total: Total) -> None:
        """Initialise the codebooks with the first batch and update them with later ones; not in evaluation mode.

        Features are checked to be finite before the initialisation, in the first batch of a run and in every hundredth
        after it; between the checks features that are not finite are skipped.

        Raises:
            InputError: The first batch has fewer vectors than a codebook, or the features are not finite.
        """
        if not self.training:
            return
        if self._batches % CHECK_EVERY == 0 or not self.has_started():
            require_finite(code.quantizations[0].features, total)
        self._batches += 1
        if not self.has_started():
            self.start(code.quantizations[0].features, generator, total)
            return
        for codebook, each in zip(self.each_codebook(), code.quantizations, strict=True):
            codebook.update(each.features, each.indices, generator, total)

    def has_started(self) -> bool:
        """Whether the codebooks are initialised; read from the device once a run, and again after a load."""
        if self._started is None:
            self._started = bool(self.started)
        return self._started

    def start(self, features: Tensor, generator: torch.Generator, total: Total) -> None:
        """Initialise each codebook with the residuals of features ``(n, latent_dim, ...)`` that it reads."""
        residual = features
        for codebook in self.each_codebook():
            codebook.start(residual, generator, total)
            residual = residual - codebook(codebook.nearest(residual))
        self.started.fill_(True)
        self._started = True

    @torch.no_grad()
    def quantize(self, code: Tensor) -> Tensor:
        """Quantize codes ``(n, latent_dim, ...)`` in the same way as features; without a gradient."""
        return self(code).mean

    def each_codebook(self) -> list[Codebook]:
        """The codebooks, the one that reads the features first."""
        return cast(list[Codebook], list(self.codebooks))


class VectorQuantizer(CodebookQuantizer):
    """The bottleneck of the VQ-VAE: the nearest vector of a codebook, with a straight-through gradient.

    The objective needs the term `Commitment`, and `CodebookDistance` where the codebook learns by gradient.

    With `normalized` features and codes are divided by their norms before they are compared, and the code is a vector
    of norm 1: the nearest one is that of the largest cosine. With a small `latent_dim`, such as 8, more codes of a
    large codebook are used.

    Papers: Neural Discrete Representation Learning, https://arxiv.org/abs/1711.00937, section 3.1; for normalized codes
    Vector-quantized Image Modeling with Improved VQGAN, https://arxiv.org/abs/2110.04627, section 3.2, and
    Autoregressive Model Beats Diffusion: Llama for Scalable Image Generation, https://arxiv.org/abs/2406.06525

    Args:
        latent_dim: Width of the code, and of the features.
        codes: Vectors in the codebook, at least 2. The first training batch must have at least as many positions.
        learning: How the codebook is learned: `MovingAverage` or `GradientDescent`; None for the former.
        normalized: Whether features and codes are divided by their norms.

    Raises:
        InputError: There are fewer than 2 codes.
    """

    def __init__(
        self,
        latent_dim: int = 64,
        codes: int = 512,
        learning: CodebookLearning | None = None,
        normalized: bool = False,
    ) -> None:
        super().__init__(latent_dim, codes, learning, depth=1, normalized=normalized)


class ResidualQuantizer(CodebookQuantizer):
    """Several codebooks, each of which quantizes the residual of those before it: codes^depth codes from few vectors.

    Each depth has a codebook of its own, as in SoundStream; in the RQ-VAE all depths share one. The objective needs the
    term `Commitment`, which reaches the encoder at every depth, and `CodebookDistance` if codebooks learn by gradient.

    With `dropout` the decoder learns to read fewer codebooks, so that one model has several rates: in training a sample
    keeps, with that probability, only its first codebooks, whose number is uniform from 1 to `depth`. A codebook that
    a sample lost gets no loss from it. SoundStream drops in every sample.

    Papers: Autoregressive Image Generation using Residual Quantization, https://arxiv.org/abs/2203.01941, section
    3.1; SoundStream: An End-to-End Neural Audio Codec, https://arxiv.org/abs/2107.03312, section III.C

    Args:
        latent_dim: Width of the code, and of the features.
        codes: Vectors in each codebook, at least 2. The first training batch must have at least as many positions.
        learning: How the codebooks are learned: `MovingAverage` or `GradientDescent`; None for the former.
        depth: Number of codebooks, at least 1.
        dropout: Probability with which a sample keeps some of its codebooks alone, in [0, 1].

    Raises:
        InputError: There are fewer than 2 codes, or no codebook, or the probability is out of range.
    """

    def __init__(
        self,
        latent_dim: int = 64,
        codes: int = 512,
        learning: CodebookLearning | None = None,
        depth: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(latent_dim, codes, learning, depth)
        require(self, "dropout", dropout, SHARE, "a probability")
        self.dropout = dropout


def kept_codebooks(n: int, depth: int, dropout: float, generator: torch.Generator) -> Tensor:
    """Which codebooks each of n samples keeps, bool ``(depth, n)``: all, or a random number of the first ones."""
    coin, share = torch.rand(2, n, generator=generator, device=generator.device)
    count = torch.where(coin < dropout, 1 + (share * depth).long(), depth)
    return torch.arange(depth, device=count.device)[:, None] < count


def without(found: Quantization, kept: Tensor) -> Quantization:
    """A quantization in which the samples that are not kept have their codes as features, and so no distance."""
    return replace(found, features=torch.where(kept, found.features, found.vectors.detach()))


def added(vectors: Iterable[Tensor]) -> Tensor:
    """The sum of the vectors of all codebooks, added in their order."""
    return reduce(torch.add, vectors)


def read_started_again(quantizer: nn.Module, _: Any) -> None:
    """Let a quantizer read from the device again whether it is initialised, after a state was loaded."""
    cast(CodebookQuantizer, quantizer)._started = None


def require_finite(features: Tensor, total: Total) -> None:
    """Check features on all devices.

    Raises:
        InputError: Some are not finite, on any device.
    """
    if total((~features.isfinite()).sum()) > 0:
        raise InputError(
            "the encoder's features are no longer finite and would spoil the codebook: lower the learning rate, "
            "--model.optimizer.lr, or clip the gradient, --trainer.gradient_clip_val 1"
        )
