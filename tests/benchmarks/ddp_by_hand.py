"""The training of a GAN by hand on several processes: what one would write around the loop of one process."""

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
    """Says which method of a network its forward is: DistributedDataParallel counts passes of `forward` only."""

    def __init__(self, networks: dict[str, nn.Module], passes: Callable[..., Any]) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        self.forward = passes


class DDPByHand(ReferenceGAN):
    """One DistributedDataParallel a network, as one would write it in plain PyTorch.

    Passes that train nothing go round it. Statistics of BatchNorm stay each process's own, as in the library: a
    broadcast of them before each pass is left out.

    Raises:
        NotImplementedError: The module has a part that the processes would have to agree on.
    """

    def __init__(self, module: GANModule, batches: Iterator[Real], rng: torch.Generator) -> None:
        if isinstance(module.augmentation, AdaptiveAugmentation):
            raise NotImplementedError("not written by hand for several processes: adaptive augmentation")
        super().__init__(module, batches, rng)
        options = {"broadcast_buffers": False, "gradient_as_bucket_view": True}
        self._generate = DistributedDataParallel(self.generator, **options)
        self._judge = DistributedDataParallel(
            Passes({"discriminator": self.discriminator}, self.discriminator), **options
        )

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """The pass of the generator that trains it."""
        return self._generate(latents, labels)

    def judge(self, x: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """A pass of the discriminator that trains it."""
        return self._judge(x, labels)


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
        """The pass of the generator that trains it."""
        return self._whole("generator", latents, labels)

    def judge(self, x: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """A pass of the discriminator that trains it."""
        return self._whole("discriminator", x, labels)
