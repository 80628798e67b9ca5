"""Which of the modes of stacked pictures a model has found, and how evenly it draws them."""

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
    """What `stacked_modes` found.

    Attributes:
        counts: Samples of each mode, 1,000 for ten classes a channel.
    """

    counts: tuple[int, ...]

    @property
    def samples(self) -> int:
        """Samples in all."""
        return sum(self.counts)

    @property
    def modes(self) -> int:
        """Modes with at least one sample."""
        return sum(count > 0 for count in self.counts)

    @property
    def kl(self) -> float:
        """KL divergence of the samples' modes from the uniform distribution, in nats."""
        return kl_from_uniform(self.counts)

    @property
    def kl_floor(self) -> float:
        r"""What a perfect sampler scores on average, about :math:`999 / 2n`, in nats."""
        return kl_from_uniform_floor(len(self.counts), self.samples)


def stacked_modes(labels: Tensor, modes: int = 1000) -> StackedModes:
    """Count the modes of stacked samples.

    The KL divergence is that of the samples from uniform modes, as in PacGAN: The power of two samples in generative
    adversarial networks, Lin et al. 2018 (https://arxiv.org/abs/1712.04086), section 4.2, which draws 26,000 samples.

    Args:
        labels: Mode of each sample, int64 ``(n,)``; see `stacked_classes`.
        modes: Modes that there are.

    Raises:
        InputError: There is no sample.
    """
    if not len(labels):
        raise InputError("no mode can be counted without samples: draw at least one")
    return StackedModes(tuple(torch.bincount(labels, minlength=modes).tolist()))


def stacked_classes(extractor: Extractor, batches: Iterable[Tensor]) -> Tensor:
    """The mode of each stack: its channels, classified one by one.

    Args:
        extractor: A classifier of the single pictures.
        batches: Stacks ``(n, 3, height, width)`` in [-1, 1].

    Returns:
        int64 ``(n,)``.
    """
    singles = (x.flatten(0, 1).unsqueeze(1) for x in batches)
    return stacked_labels(extractor.classes(singles).reshape(-1, CHANNELS), extractor.module.num_classes)
