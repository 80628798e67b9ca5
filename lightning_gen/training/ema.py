"""Exponential moving average of the weights of networks, in images."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.spectral_norm import SpectralNorm

from lightning_gen import private
from lightning_gen.errors import InputError
from lightning_gen.ranges import ABOVE_0, FROM_0, require
from lightning_gen.schedules import Schedule


@dataclass(frozen=True)
class Tensors:
    """The tensors of a network, collected once for all steps.

    Attributes:
        weights: Its parameters.
        buffers: Its buffers.
    """

    weights: list[Tensor]
    buffers: list[Tensor]

    @classmethod
    def of(cls, network: nn.Module) -> "Tensors":
        """Those of a network that no longer moves to another device."""
        return cls(list(network.parameters()), list(network.buffers()))


POWER_ITERATIONS = 15
"""Power iterations for the singular vectors of an average: as many as torch's initialisation makes."""


@torch.no_grad()
def update_singular_vectors(average: nn.Module) -> None:
    """Replace singular vectors that were copied from the trained network by those of the averaged weights.

    Spectral normalization keeps the singular vectors of the largest singular value as buffers, and those of the trained
    weights are not those of the average. Both implementations of torch are supported; other networks stay unchanged.

    Args:
        average: The network that holds the average.
    """
    for part in average.modules():
        for hook in private.forward_pre_hooks(part):
            if isinstance(hook, SpectralNorm):
                for _ in range(POWER_ITERATIONS):
                    hook.compute_weight(part, do_power_iteration=True)
        chains: Any = part.parametrizations if is_parametrized(part) else {}
        for name, chain in chains.items():
            norms = [each for each in chain if isinstance(each, private.SpectralParametrization)]
            modes = [norm.training for norm in norms]
            for norm in norms:
                norm.train()
            for _ in range(POWER_ITERATIONS if norms else 0):
                getattr(part, name)
            for norm, mode in zip(norms, modes, strict=True):
                norm.train(mode)


@dataclass(frozen=True)
class EMA:
    """How the weights that sampling uses follow the weights that are trained.

    After an update that used `images` images the average moves by ``average += (1 - decay) * (weights - average)`` with
    ``decay = 0.5 ** (images / half_life)``, so the same half-life means the same whatever the batch size, the number
    of discriminator updates or of devices. Early in training the half-life is ``ramp_up * images_seen`` where that is
    shorter, so that the average does not remember the initial weights (Karras et al. 2020, Training Generative
    Adversarial Networks with Limited Data, https://arxiv.org/abs/2006.06676, where it is half of the weights' memory
    and called `ema_rampup`). So with 10,000 and 0.05 the half-life is 0.05 of the images seen until 200,000 images, and
    10,000 from then on. Averaging for GANs: Yazıcı et al. 2019, https://arxiv.org/abs/1806.04498.

    Attributes:
        half_life_images: Images after which a weight's share in the average has halved, above 0; or a schedule.
        ramp_up: Fraction of the images seen so far that bounds the half-life, above 0; None for no bound.

    Raises:
        InputError: A value is not positive, or not finite.
    """

    half_life_images: float | Schedule = 10_000.0
    ramp_up: float | None = 0.05

    def __post_init__(self) -> None:
        if isinstance(self.half_life_images, Schedule):
            require(self, "half_life_images", self.half_life_images, FROM_0, "a schedule")
        elif self.half_life_images not in ABOVE_0:
            raise InputError(
                f"ema.half_life_images must be above 0, not {self.half_life_images}: to switch the average off, set "
                "--model.ema null"
            )
        if self.ramp_up is not None and self.ramp_up not in ABOVE_0:
            raise InputError(f"ema.ramp_up must be above 0 or null, not {self.ramp_up}")

    def decay(self, images: int, images_seen: int) -> float:
        """Share of the average that is kept by an update that used `images` images, after `images_seen` in all."""
        half_life = self.half_life_images
        if isinstance(half_life, Schedule):
            half_life = half_life(images_seen)
        if self.ramp_up is not None:
            half_life = min(half_life, self.ramp_up * images_seen)
        return 0.5 ** (images / max(half_life, 1e-8))

    @torch.no_grad()
    def update(self, average: Tensors, source: Tensors, images: int, images_seen: int) -> None:
        """Move `average` towards `source`; buffers (BatchNorm's statistics) are copied, see `update_singular_vectors`.

        Args:
            average: The network that holds the average, in float32.
            source: The network that is trained, of the same structure.
            images: Images that the update of `source` used, over all devices.
            images_seen: Images seen in all, this update included.
        """
        private.lerp_all(average.weights, source.weights, 1.0 - self.decay(images, images_seen))
        if average.buffers:
            private.copy_all(average.buffers, source.buffers)
