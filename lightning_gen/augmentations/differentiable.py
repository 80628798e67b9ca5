"""Differentiable augmentation of both the real and the fake samples that a discriminator reads."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_gen.augmentations.base import Augmentation
from lightning_gen.errors import InputError
from lightning_gen.ranges import SHARE, require


class DiffAugment(Augmentation):
    """Changes the colours of images, shifts them, and cuts a rectangle out, with other random numbers for each image.

    In this order: brightness ``x + U(-0.5, 0.5)``, saturation (distance from the pixel's grey) ``* U(0, 2)``, contrast
    (distance from the image's mean) ``* U(0.5, 1.5)``, translation, cutout. Pixels that are shifted in or cut out are
    0, the middle grey of images in [-1, 1], as in the authors' code. Saturation does not change images with one
    channel. Nothing is clamped, because a clamp would remove gradients: images may leave [-1, 1].

    Volumes are changed likewise. Signals, which the paper does not treat, are multiplied by a gain U(0.5, 1.5) and by
    -1 with probability 1/2 in place of brightness, saturation and contrast.

    Every operation has a second derivative, so gradient penalties can be computed before or after it.

    Paper: Differentiable Augmentation for Data-Efficient GAN Training, https://arxiv.org/abs/2006.10738, section 3.2

    Args:
        color: Whether to change brightness, saturation and contrast, or the gain and the sign.
        translation: Largest shift as a share of each side, in [0, 1]; 0 for no translation.
        cutout: Sides of the rectangle as shares of those of a sample, in [0, 1]; its centre is uniform in the sample,
            so part of it may lie outside. 0 for no cutout.

    Raises:
        InputError: A share is outside [0, 1]; the samples have no side, such as points.
    """

    def __init__(self, color: bool = True, translation: float = 0.125, cutout: float = 0.5) -> None:
        super().__init__()
        for name, share in (("translation", translation), ("cutout", cutout)):
            require(self, name, share, SHARE, "a share of the size")
        self.color = color
        self.translation = translation
        self.cutout = cutout

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return augmented samples, ``(n, c, *sides)``."""
        if x.dim() < 3:
            raise InputError(
                f"DiffAugment changes images, signals and volumes and the samples have the shape {tuple(x.shape[1:])}: "
                "leave --model.augmentation out"
            )
        if self.color:
            x = (rescaled if x.dim() == 3 else with_other_colors)(x, generator)
        if self.translation:
            x = translated(x, *(integers(-reach, reach, x, generator) for reach in shares(x, self.translation)))
        if self.cutout:
            sizes = shares(x, self.cutout)
            # the centre of an odd rectangle is a pixel, that of an even one lies between two, or on the image's border
            corners = [
                integers(0, side - size % 2, x, generator) - size // 2
                for side, size in zip(x.shape[2:], sizes, strict=True)
            ]
            x = x.masked_fill(within(x, corners, sizes), 0)
        return x


def with_other_colors(x: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness, saturation and contrast of images or volumes ``(n, c, *sides)`` at random."""
    brightness, saturation, contrast = uniform(3, x, generator).view(3, -1, *[1] * (x.dim() - 1))
    return recolored(x, brightness - 0.5, 2 * saturation, contrast + 0.5)


def rescaled(x: Tensor, generator: torch.Generator) -> Tensor:
    """Multiply signals ``(n, c, length)`` by a random gain and sign."""
    gain, sign = uniform(2, x, generator).view(2, -1, 1, 1)
    return x * (gain + 0.5) * torch.where(sign < 0.5, -1.0, 1.0).to(x)


def recolored(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Change the brightness, then the saturation, then the contrast of images.

    Args:
        x: Images or volumes, ``(n, c, *sides)``.
        brightness: Added to all channels, ``(n, 1, ...)``.
        saturation: Factor of the distances from each pixel's grey, ``(n, 1, ...)``.
        contrast: Factor of the distances from each image's mean, ``(n, 1, ...)``.
    """
    x = x + brightness
    x = torch.lerp(x.mean(1, keepdim=True), x, saturation)
    return torch.lerp(x.mean(tuple(range(1, x.dim())), keepdim=True), x, contrast)


def translated(x: Tensor, *shifts: Tensor) -> Tensor:
    """Shift samples ``(n, c, *sides)`` by whole places ``(n,)`` on each side, with zero padding."""
    moved = x
    for axis, shift in enumerate(shifts, start=2):
        places = torch.arange(x.shape[axis], device=x.device) - shift[:, None]
        moved = moved.gather(axis, along(axis, x, places.clamp(0, x.shape[axis] - 1)).expand(x.shape))
    return moved.masked_fill(~within(x, shifts, x.shape[2:]), 0)


def within(x: Tensor, corners: Sequence[Tensor], sizes: Sequence[int | Tensor]) -> Tensor:
    """The mask ``(n, 1, *sides)`` of a rectangle in each sample.

    Args:
        x: Samples ``(n, c, *sides)``.
        corners: The first place of each rectangle, ``(n,)``, on each side.
        sizes: The sides of all rectangles, or of each one, ``(n, 1)``.
    """
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for axis, (corner, size) in enumerate(zip(corners, sizes, strict=True), start=2):
        places = torch.arange(x.shape[axis], device=x.device) - corner[:, None]
        inside = inside & along(axis, x, (places >= 0) & (places < size))
    return inside


def along(axis: int, x: Tensor, values: Tensor) -> Tensor:
    """Values ``(n, side)`` as a tensor that can be broadcast to x, along one of its sides."""
    shape = [len(values), *[1] * (x.dim() - 1)]
    shape[axis] = values.shape[1]
    return values.view(shape)


def shares(x: Tensor, share: float) -> list[int]:
    """A share of each side of samples, in whole places."""
    return [int(side * share + 0.5) for side in x.shape[2:]]


def uniform(rows: int, x: Tensor, generator: torch.Generator) -> Tensor:
    """Sample U(0, 1), ``(rows, n)`` for n images, in their type and on their device."""
    return torch.rand(rows, len(x), generator=generator, device=generator.device).to(x)


def integers(low: int, high: int, x: Tensor, generator: torch.Generator) -> Tensor:
    """Sample an integer from `low` to `high`, both inclusive, for each image, ``(n,)``."""
    return torch.randint(low, high + 1, (len(x),), generator=generator, device=generator.device).to(x.device)


def require_images(augmentation: Augmentation, x: Tensor) -> None:
    """Check that samples are images.

    Raises:
        InputError: They are something else.
    """
    if x.dim() != 4:
        raise InputError(
            f"{type(augmentation).__name__} changes images and the samples have the shape {tuple(x.shape[1:])}: take "
            "DiffAugment, which changes signals and volumes too, or leave --model.augmentation out"
        )
