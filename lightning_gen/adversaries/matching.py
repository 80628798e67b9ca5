"""Distribution matching: which samples are real and which are fake in one pass through an autoencoder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from lightning_gen.deprecation import FormerNames, accepts_former
from lightning_gen.errors import InputError
from lightning_gen.recording import Recorded
from lightning_gen.records import RealFakePair, Reconstruction, Shape
from lightning_gen.upgrades import ARGUMENTS

Decode: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
"""Codes ``(n, latent_dim, ...)`` and their classes ``(n,)`` or None to samples ``(n, *shape)``: a decoder."""


class DistributionMatching(Recorded, FormerNames, ABC):
    """Which samples are real and which are fake in a pass through an autoencoder.

    Attributes:
        matches_codes: Whether the discriminator reads codes, and not samples.
        needs_prior: Whether it draws from the bottleneck's prior.
        stop_encoder_gradient: Whether the adversarial loss trains the decoder alone.
    """

    former_names: ClassVar[Mapping[str, str]] = {
        **ARGUMENTS["lightning_gen.adversaries.ReconstructionMatching"],
        "judges_codes": "matches_codes",
        "judged_shape": "discriminator_shape",
    }

    matches_codes: ClassVar[bool] = False
    needs_prior: ClassVar[bool] = False
    stop_encoder_gradient: bool = False

    def discriminator_shape(self, shape: Shape, latent_dim: int) -> Shape:
        """Shape that the discriminator must be built for.

        Args:
            shape: Shape of one sample.
            latent_dim: Width of the code. Where the code is a map, each position is one code.
        """
        return (latent_dim,) if self.matches_codes else tuple(shape)

    @abstractmethod
    def __call__(self, record: Reconstruction, decode: Decode, generator: torch.Generator) -> RealFakePair:
        """Return the real and the fake samples of a pass.

        Args:
            record: The pass.
            decode: The decoder, for codes other than those of the pass.
            generator: Source of whatever is drawn.
        """


class PriorMatching(DistributionMatching):
    """Samples of the prior are real and codes are fake, so that the codes take the distribution of the prior.

    Paper: Adversarial Autoencoders, https://arxiv.org/abs/1511.05644, section 2. There the encoder has two updates, one
    for the reconstruction and one for the adversarial loss; here one update minimizes the sum of both.
    """

    matches_codes = True
    needs_prior = True

    def __call__(self, record: Reconstruction, decode: Decode, generator: torch.Generator) -> RealFakePair:
        """Return as many prior samples as codes, and the codes."""
        code = record.code.sample
        drawn = prior_codes(record).to(code)
        labels = labels_at_positions(record.labels, code)
        return RealFakePair(positions(drawn).detach(), positions(code), labels, labels)


class IndependenceMatching(DistributionMatching):
    """Codes whose dimensions were shuffled over the batch are real and codes are fake: dimensions become independent.

    With the objective `DensityRatio` the adversarial loss of the autoencoder is the total correlation of its codes,
    KL(q(z) || Π q(z_d)), in nats; the weight is the paper's gamma.

    Paper: Disentangling by Factorising, https://arxiv.org/abs/1802.05983, Algorithms 1 and 2. There the shuffled codes
    are those of a second batch; here they are those of the same batch, so real and fake codes have exactly equal
    marginals, differ by dependence alone, and each batch is encoded once.
    """

    matches_codes = True

    def __call__(self, record: Reconstruction, decode: Decode, generator: torch.Generator) -> RealFakePair:
        """Return the codes with each dimension shuffled, and the codes."""
        code = positions(record.code.sample)
        labels = labels_at_positions(record.labels, record.code.sample)
        return RealFakePair(shuffled(code.detach(), generator), code, labels, labels)


class ReconstructionMatching(DistributionMatching):
    """Samples are real and their reconstructions are fake, which makes reconstructions sharper.

    Paper: Taming Transformers for High-Resolution Image Synthesis, https://arxiv.org/abs/2012.09841, equation 5

    Args:
        stop_encoder_gradient: Whether the adversarial loss trains the decoder alone.
    """

    @accepts_former(ARGUMENTS["lightning_gen.adversaries.ReconstructionMatching"])
    def __init__(self, stop_encoder_gradient: bool = False) -> None:
        self.stop_encoder_gradient = stop_encoder_gradient

    def __call__(self, record: Reconstruction, decode: Decode, generator: torch.Generator) -> RealFakePair:
        """Return the samples and their reconstructions."""
        return RealFakePair(record.x.detach(), record.samples, record.labels, record.labels)


class GenerationMatching(DistributionMatching):
    """Samples are real; their reconstructions, and as many samples decoded from prior codes, are fake.

    Both kinds of fake samples together have the same weight as the real ones.

    Paper: Autoencoding beyond pixels using a learned similarity metric, https://arxiv.org/abs/1512.09300, Algorithm 1

    Args:
        stop_encoder_gradient: Whether the adversarial loss trains the decoder alone, as in the paper; this takes one
            more backward pass through discriminator and decoder.
    """

    needs_prior = True

    @accepts_former(ARGUMENTS["lightning_gen.adversaries.GenerationMatching"])
    def __init__(self, stop_encoder_gradient: bool = True) -> None:
        self.stop_encoder_gradient = stop_encoder_gradient

    def __call__(self, record: Reconstruction, decode: Decode, generator: torch.Generator) -> RealFakePair:
        """Return the samples, and reconstructions followed by generated samples."""
        generated = decode(prior_codes(record).to(record.code.sample), record.labels)
        labels = None if record.labels is None else record.labels.repeat(2)
        return RealFakePair(record.x.detach(), torch.cat([record.samples, generated]), record.labels, labels)


def prior_codes(record: Reconstruction) -> Tensor:
    """As many codes from the prior as a pass has.

    Raises:
        InputError: The bottleneck has no prior.
    """
    if record.draw_prior is None:
        raise InputError("there is no prior to draw codes from: use GaussianBottleneck, or give the bottleneck a prior")
    return record.draw_prior(len(record.code.sample))


def positions(code: Tensor) -> Tensor:
    """The codes of all positions of maps, ``(n · h · w, latent_dim)``; codes that are no maps unchanged."""
    return code if code.ndim == 2 else code.flatten(2).mT.reshape(-1, code.shape[1])


def labels_at_positions(labels: Tensor | None, code: Tensor) -> Tensor | None:
    """The class of each position of codes, or None."""
    return None if labels is None else labels.repeat_interleave(code[0, 0].numel())


def shuffled(code: Tensor, generator: torch.Generator) -> Tensor:
    """Codes ``(n, latent_dim)`` with each dimension permuted over the batch by a permutation of its own."""
    order = torch.rand(code.shape, generator=generator, device=generator.device).argsort(dim=0)
    return code.gather(0, order.to(code.device))
