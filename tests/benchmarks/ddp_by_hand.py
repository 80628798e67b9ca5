"""The reference loop of a GAN on several processes, by DistributedDataParallel."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lightning_gen import GANModule
from lightning_gen.augmentations import AdaptiveAugmentation
from lightning_gen.bench.data import Real
from lightning_gen.bench.reference_gan import ReferenceGAN
from lightning_gen.records import DiscriminatorOutput


class Passes(nn.Module):
    """Calls a function as its forward pass: DistributedDataParallel supports passes of `forward` only."""

    def __init__(self, networks: dict[str, nn.Module], passes: Callable[..., Any]) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        self.forward = passes


class DDPByHand(ReferenceGAN):
    """One DistributedDataParallel for each network, in plain PyTorch.

    Passes that train nothing do not use it. Each process keeps its own BatchNorm statistics, as in the library: they
    are not broadcast before each pass.

    Raises:
        NotImplementedError: The module has a part whose state the processes would have to share.
    """

    def __init__(self, module: GANModule, batches: Iterator[Real], rng: torch.Generator) -> None:
        if isinstance(module.augmentation, AdaptiveAugmentation):
            raise NotImplementedError("the reference loop of several processes has no adaptive augmentation")
        super().__init__(module, batches, rng)
        options = {"broadcast_buffers": False, "gradient_as_bucket_view": True}
        self._generate = DistributedDataParallel(self.generator, **options)
        self._discriminate = DistributedDataParallel(self.discriminator, **options)

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """A training pass of the generator."""
        return self._generate(latents, labels)

    def discriminate(self, x: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """A training pass of the discriminator."""
        return self._discriminate(x, labels)


class WholeDDPByHand(ReferenceGAN):
    """One DistributedDataParallel around both networks: Lightning's ``strategy=ddp_find_unused_parameters_true``."""

    def __init__(self, module: GANModule, batches: Iterator[Real], rng: torch.Generator) -> None:
        super().__init__(module, batches, rng)
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        passes = {"generator": self.generator, "discriminator": self.discriminator}
        self._whole = DistributedDataParallel(
            Passes(networks, lambda name, *inputs: passes[name](*inputs)),
            broadcast_buffers=False,
            find_unused_parameters=True,
        )

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """A training pass of the generator."""
        return self._whole("generator", latents, labels)

    def discriminate(self, x: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """A training pass of the discriminator."""
        return self._whole("discriminator", x, labels)
