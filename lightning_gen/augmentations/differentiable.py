"""Differentiable augmentation of both the real and the fake images that a discriminator reads."""

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

    Every operation has a second derivative, so gradient penalties can be computed before or after it.

    Paper: Differentiable Augmentation for Data-Efficient GAN Training, https://arxiv.org/abs/2006.10738, section 3.2

    Args:
        color: Whether to change brightness, saturation and contrast.
        translation: Largest shift as a share of the height and of the width, in [0, 1]; 0 for no translation.
        cutout: Sides of the rectangle as shares of the height and of the width, in [0, 1]; its centre is uniform in the
            image, so part of it may lie outside. 0 for no cutout.

    Raises:
        InputError: A share is outside [0, 1]; the samples are not images.
    """

    def __init__(self, color: bool = True, translation: float = 0.125, cutout: float = 0.5) -> None:
        super().__init__()
        for name, share in (("translation", translation), ("cutout", cutout)):
            require(self, name, share, SHARE, "a share of the size")
        self.color = color
        self.translation = translation
        self.cutout = cutout

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return augmented images, ``(n, c, h, w)``."""
        require_images(self, x)
        if self.color:
            brightness, saturation, contrast = uniform(3, x, generator).view(3, -1, 1, 1, 1)
            x = recolored(x, brightness - 0.5, 2 * saturation, contrast + 0.5)
        if self.translation:
            x = translated(x, *(integers(-reach, reach, x, generator) for reach in sides(x, self.translation)))
        if self.cutout:
            height, width = sides(x, self.cutout)
            # the centre of an odd rectangle is a pixel, that of an even one lies between two, or on the image's border
            top = integers(0, x.shape[2] - height % 2, x, generator) - height // 2
            left = integers(0, x.shape[3] - width % 2, x, generator) - width // 2
            x = x.masked_fill(within(x, top, left, height, width), 0)
        return x


def recolored(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Change the brightness, then the saturation, then the contrast of images.

    Args:
        x: Images, ``(n, c, h, w)``.
        brightness: Added to all channels, ``(n, 1, 1, 1)``.
        saturation: Factor of the distances from each pixel's grey, ``(n, 1, 1, 1)``.
        contrast: Factor of the distances from each image's mean, ``(n, 1, 1, 1)``.
    """
    x = x + brightness
    x = torch.lerp(x.mean(1, keepdim=True), x, saturation)
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast)


def translated(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift images ``(n, c, h, w)`` by whole pixels ``(n,)``, with zero padding."""
    rows = torch.arange(x.shape[2], device=x.device) - down[:, None]
    columns = torch.arange(x.shape[3], device=x.device) - right[:, None]
    moved = x.gather(2, rows.clamp(0, x.shape[2] - 1)[:, None, :, None].expand(x.shape))
    moved = moved.gather(3, columns.clamp(0, x.shape[3] - 1)[:, None, None, :].expand(x.shape))
    return moved.masked_fill(~within(x, down, right, x.shape[2], x.shape[3]), 0)


def within(x: Tensor, top: Tensor, left: Tensor, height: int | Tensor, width: int | Tensor) -> Tensor:
    """The mask ``(n, 1, h, w)`` of a rectangle in each image, whose first corner is at `top` and `left`, ``(n,)``; its
    sides are those of all rectangles, or of each one, ``(n, 1)``.
    """
    rows = torch.arange(x.shape[2], device=x.device) - top[:, None]
    columns = torch.arange(x.shape[3], device=x.device) - left[:, None]
    return ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None, :]


def sides(x: Tensor, share: float) -> tuple[int, int]:
    """A share of the height and of the width of images, in whole pixels."""
    return int(x.shape[2] * share + 0.5), int(x.shape[3] * share + 0.5)


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
            f"{type(augmentation).__name__} changes images and the samples have the shape {tuple(x.shape[1:])}: "
            "leave --model.augmentation out"
        )
