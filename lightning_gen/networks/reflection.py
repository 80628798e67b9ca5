"""Reflected borders whose gradient is the same to the bit each time, where torch is asked for that on a GPU.

There the backward pass of torch's own reflection adds in no fixed order, so torch refuses it with
``--trainer.deterministic true``.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_gen.networks.layers import LAYERS


def reflection_padded(x: Tensor, amounts: Sequence[int]) -> Tensor:
    """Pad maps at both ends of each side by reflection; the outermost values are not repeated.

    Args:
        x: Maps ``(n, channels, *sides)``.
        amounts: How far for each side, less than the side.
    """
    if of_torch(x):
        return functional.pad(x, [amount for amount in reversed(amounts) for _ in range(2)], mode="reflect")
    return mirrored(x, amounts)


def mirrored(x: Tensor, amounts: Sequence[int]) -> Tensor:
    """The same, joined of slices; see `reflection_padded`."""
    for side, amount in enumerate(amounts, start=2):
        first, last = x.narrow(side, 1, amount), x.narrow(side, x.shape[side] - 1 - amount, amount)
        x = torch.cat([first.flip(side), x, last.flip(side)], side)
    return x


def of_torch(x: Tensor) -> bool:
    """Whether torch's own reflection of a tensor is allowed."""
    return x.device.type == "cpu" or not torch.are_deterministic_algorithms_enabled()


class Reflecting(nn.Module):
    """What is the same for the convolutions below."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, before, *sides)`` to ``(n, after, *sides)``."""
        if of_torch(x):
            return super().forward(x)
        amounts: Any = self.padding
        return LAYERS[len(amounts)].convolve(mirrored(x, amounts), self.weight, self.bias)


class ReflectingConv1d(Reflecting, nn.Conv1d):
    """A convolution of signals with reflected borders."""


class ReflectingConv2d(Reflecting, nn.Conv2d):
    """A convolution of images with reflected borders."""


class ReflectingConv3d(Reflecting, nn.Conv3d):
    """A convolution of volumes with reflected borders."""


REFLECTING = {1: ReflectingConv1d, 2: ReflectingConv2d, 3: ReflectingConv3d}
"""The convolutions by the number of spatial dimensions."""


def reflecting(dimensions: int, before: int, after: int, kernel: int) -> nn.Module:
    """Make a convolution of stride 1 that keeps the sides of a map by reflecting its border.

    Args:
        dimensions: Number of spatial dimensions.
        before: Channels of the map.
        after: Channels of the output.
        kernel: Side of the kernel, odd.
    """
    return REFLECTING[dimensions](before, after, kernel, padding=kernel // 2, padding_mode="reflect")
