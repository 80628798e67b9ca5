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
    """The layers for samples ``(channels, *sides)`` of one number of spatial dimensions.

    Attributes:
        dimensions: Number of spatial dimensions.
        noun: The name of such samples, in the plural.
        conv: Convolution.
        conv_transpose: Transposed convolution.
        batch_norm: BatchNorm.
        instance_norm: InstanceNorm.
        average_pool: Average pooling.
        max_pool: Max pooling.
        adaptive_average_pool: Average pooling to a given size.
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
    adaptive_average_pool: type[nn.AdaptiveAvgPool1d] | type[nn.AdaptiveAvgPool2d] | type[nn.AdaptiveAvgPool3d]
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
            nn.AdaptiveAvgPool1d,
            functional.conv1d,
            functional.conv_transpose1d,
            "linear",
        ),
        Layers(
            2,
            "images",
            nn.Conv2d,
            nn.ConvTranspose2d,
            nn.BatchNorm2d,
            nn.InstanceNorm2d,
            nn.AvgPool2d,
            nn.MaxPool2d,
            nn.AdaptiveAvgPool2d,
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
            nn.AdaptiveAvgPool3d,
            functional.conv3d,
            functional.conv_transpose3d,
            "trilinear",
        ),
    )
}
"""The layers by the number of dimensions."""

CONVOLUTIONS = tuple(kind for layers in LAYERS.values() for kind in (layers.conv, layers.conv_transpose))
"""Convolution layers of all dimensions."""

BATCH_NORMS = tuple(layers.batch_norm for layers in LAYERS.values())
"""BatchNorm layers of all dimensions; BatchNorm1d is for signals and for vectors."""

INSTANCE_NORMS = tuple(layers.instance_norm for layers in LAYERS.values())
"""InstanceNorm layers of all dimensions."""


MEMORY_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The channels-last memory formats by the number of dimensions of the weight; 1-D convolutions have none."""


@torch.no_grad()
def set_memory_format(module: nn.Module, channels_last: bool) -> None:
    """Set the memory format of convolution weights: channels last, or contiguous.

    Args:
        module: The network; its parameters stay the same objects.
        channels_last: Whether to use the channels-last format.
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
        InputError: The number of spatial dimensions is not 1, 2 or 3.
    """
    if len(shape) - 1 not in LAYERS:
        raise InputError(
            f"{type(network).__name__} needs images of shape (channels, height, width), signals of shape (channels, "
            f"length) or volumes, and got samples of shape {tuple(shape)}: use the Dense networks, which take any shape"
        )
    return LAYERS[len(shape) - 1]
