"""Sequences of layers at several sizes, the finest of which may compute in bfloat16."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call


class Stages(nn.Sequential):
    """A sequence of layers, some of which compute in bfloat16.

    Such a layer gets its input and its weights cast to bfloat16, by operations that gradients pass. Weights, their
    gradients and the optimizer's state stay as they are, usually float32, and so do the other layers. Autocast takes no
    part, so a gradient penalty uses the pass that the logits come from.

    Attributes:
        narrow: For each layer, whether it computes in bfloat16; empty for none.
    """

    narrow: tuple[bool, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        """Pass ``x`` through all layers; the output has the type of ``x`` where some compute in bfloat16."""
        if not any(self.narrow):
            return super().forward(x)
        wide = x.dtype
        for layer, narrow in zip(self, self.narrow, strict=True):
            x = in_bfloat16(layer, x) if narrow else layer(x.to(wide))
        return x.to(wide)


def staged(layers: Sequence[tuple[int, nn.Module]], bfloat16_sizes: int) -> Stages:
    """Make a sequence of layers.

    Args:
        layers: Layers in their order, each with the index of its size, from 0 for the finest on.
        bfloat16_sizes: Number of finest sizes whose layers compute in bfloat16; those of the smallest never do.
    """
    smallest = max(size for size, _ in layers)
    stages = Stages(*(layer for _, layer in layers))
    stages.narrow = tuple(size < min(bfloat16_sizes, smallest) for size, _ in layers)
    return stages


def in_bfloat16(layer: nn.Module, x: Tensor) -> Tensor:
    """Call a layer with its weights and its input cast to bfloat16."""
    weights = {name: weight.to(torch.bfloat16) for name, weight in layer.named_parameters()}
    return functional_call(layer, weights, (x.to(torch.bfloat16),))
