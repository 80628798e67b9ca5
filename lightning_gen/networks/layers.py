"""The layers of a network by the number of its spatial dimensions: 1 for signals, 2 for images, 3 for volumes.

Layers that are the same for all, such as GroupNorm, are not here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_gen.errors import InputError
from lightning_gen.records import Shape


@dataclass(frozen=True)
class Layers:
    """The layers for samples ``(channels, *sides)`` with so many sides.

    Attributes:
        dimensions: How many sides.
        noun: What such samples are called, in the plural.
        conv: Convolution.
        conv_transpose: Transposed convolution.
        batch_norm: BatchNorm.
        instance_norm: InstanceNorm.
        average_pool: Averages of blocks.
        max_pool: Maxima of blocks.
        convolve: Convolution as a function.
        convolve_transposed: Transposed convolution as a function.
        interpolation: The mode of linear interpolation, for ``torch.nn.Upsample``.
    """

    dimensions: int
    noun: str
    conv: type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]
    conv_transpose: type[nn.ConvTranspose1d] | type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]
    batch_norm: type[nn.BatchNorm1d] | type[nn.BatchNorm2d] | type[nn.BatchNorm3d]
    instance_norm: type[nn.InstanceNorm1d] | type[nn.InstanceNorm2d] | type[nn.InstanceNorm3d]
    average_pool: type[nn.AvgPool1d] | type[nn.AvgPool2d] | type[nn.AvgPool3d]
    max_pool: type[nn.MaxPool1d] | type[nn.MaxPool2d] | type[nn.MaxPool3d]
    convolve: Callable[..., Tensor]
    convolve_transposed: Callable[..., Tensor]
    interpolation: str


LAYERS = {
    layers.dimensions: layers
    for layers in (
        Layers(
            1,
            "signals",
            nn.Conv1d,
            nn.ConvTranspose1d,
            nn.BatchNorm1d,
            nn.InstanceNorm1d,
            nn.AvgPool1d,
            nn.MaxPool1d,
            functional.conv1d,
            functional.conv_transpose1d,
            "linear",
        ),
        Layers(
            2,
            "pictures",
            nn.Conv2d,
            nn.ConvTranspose2d,
            nn.BatchNorm2d,
            nn.InstanceNorm2d,
            nn.AvgPool2d,
            nn.MaxPool2d,
            functional.conv2d,
            functional.conv_transpose2d,
            "bilinear",
        ),
        Layers(
            3,
            "volumes",
            nn.Conv3d,
            nn.ConvTranspose3d,
            nn.BatchNorm3d,
            nn.InstanceNorm3d,
            nn.AvgPool3d,
            nn.MaxPool3d,
            functional.conv3d,
            functional.conv_transpose3d,
            "trilinear",
        ),
    )
}
"""The layers by the number of dimensions."""

CONVOLUTIONS = tuple(kind for layers in LAYERS.values() for kind in (layers.conv, layers.conv_transpose))
"""Convolutions of all dimensions, to ask whether a layer is one."""

BATCH_NORMS = tuple(layers.batch_norm for layers in LAYERS.values())
"""BatchNorm of all dimensions; that of signals is that of vectors too."""


MEMORY_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""How weights lie with their channels last, by their number of dimensions; those of signals have no such format."""


@torch.no_grad()
def set_memory_format(module: nn.Module, channels_last: bool) -> None:
    """Lay the weights of convolutions out with their channels last, or in the order of their dimensions.

    Args:
        module: Its weights stay the same parameters.
        channels_last: Which of both.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() in MEMORY_FORMATS:
            wanted = MEMORY_FORMATS[tensor.dim()] if channels_last else torch.contiguous_format
            tensor.data = tensor.data.to(memory_format=wanted)


def layers_for(network: nn.Module, shape: Shape) -> Layers:
    """The layers of a network for samples of a shape.

    Args:
        network: The network, for its name.
        shape: Shape of one sample, ``(channels, *sides)``.

    Raises:
        InputError: It has no side, or more than three.
    """
    if len(shape) - 1 not in LAYERS:
        raise InputError(
            f"{type(network).__name__} needs pictures of shape (channels, height, width), signals of shape (channels, "
            f"length) or volumes, and got samples of shape {tuple(shape)}: use the Dense networks, which take any shape"
        )
    return LAYERS[len(shape) - 1]
