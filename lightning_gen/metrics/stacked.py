"""Which modes of stacked images a model covers, and how uniformly."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.data.stacked import CHANNELS, stacked_labels
from lightning_gen.errors import InputError
from lightning_gen.metrics.counts import kl_from_uniform, kl_from_uniform_floor
from lightning_gen.metrics.extractor import Extractor


@dataclass(frozen=True)
class StackedModes:
    """The result of `stacked_modes`.

    Attributes:
        counts: Number of samples of each mode; there are 1,000 modes for ten classes a channel.
    """

    counts: tuple[int, ...]

    @property
    def samples(self) -> int:
        """Number of samples."""
        return sum(self.counts)

    @property
    def modes(self) -> int:
        """Number of modes with at least one sample."""
        return sum(count > 0 for count in self.counts)

    @property
    def kl(self) -> float:
        """KL divergence of the samples' modes from the uniform distribution, in nats."""
        return kl_from_uniform(self.counts)

    @property
    def kl_floor(self) -> float:
        r"""The expectation for a perfect sampler, about :math:`999 / 2n`, in nats."""
        return kl_from_uniform_floor(len(self.counts), self.samples)


def stacked_modes(labels: Tensor, modes: int = 1000) -> StackedModes:
    """Count the modes of stacked samples.

    The KL divergence of the samples' modes from the uniform distribution is that of PacGAN: The power of two samples in
    generative adversarial networks, Lin et al. 2018 (https://arxiv.org/abs/1712.04086), section 4.2, with 26,000
    samples.

    Args:
        labels: Mode of each sample, int64 ``(n,)``; see `stacked_classes`.
        modes: Number of modes.

    Raises:
        InputError: There is no sample.
    """
    if not len(labels):
        raise InputError("no mode can be counted without samples: draw at least one")
    return StackedModes(tuple(torch.bincount(labels, minlength=modes).tolist()))


def stacked_classes(extractor: Extractor, batches: Iterable[Tensor]) -> Tensor:
    """The mode of each stacked image: the classes of its channels.

    Args:
        extractor: A classifier of the single images.
        batches: Stacks ``(n, 3, height, width)`` in [-1, 1].

    Returns:
        int64 ``(n,)``.
    """
    singles = (x.flatten(0, 1).unsqueeze(1) for x in batches)
    return stacked_labels(extractor.classes(singles).reshape(-1, CHANNELS), extractor.module.num_classes)
