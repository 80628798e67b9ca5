"""Corruptions, which a denoising autoencoder learns to undo.

Paper: Stacked Denoising Autoencoders, https://www.jmlr.org/papers/v11/vincent10a.html, section 3
"""

from abc import ABC
from math import prod

import torch
from torch import Tensor

from lightning_gen.augmentations.base import Augmentation
from lightning_gen.augmentations.degradation import Degradation, between, ends, image_shape
from lightning_gen.augmentations.differentiable import within
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT, FINITE, FROM_0, SHARE, require
from lightning_gen.records import Corrupted, Shape


class Corruption(Augmentation, Degradation, ABC):
    """Corrupts samples at random and keeps their shape; a corrupted sample may also be the source of a translation."""

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Return corrupted samples and the mask of their hidden part; see `forward`."""
        return Corrupted(self(x, generator))


class GaussianNoise(Corruption):
    """Adds independent Gaussian noise. Nothing is clamped, so images may leave [-1, 1].

    Args:
        scale: Standard deviation in units of the data; the range of images has the width 2, so 0.1 is 12.75 of 255 grey
            levels.

    Raises:
        InputError: The scale is negative.
    """

    def __init__(self, scale: float = 0.1) -> None:
        super().__init__()
        require(self, "scale", scale, FROM_0, "a standard deviation")
        self.scale = scale

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return x + scale · eps with eps ~ N(0, I)."""
        noise = torch.randn(x.shape, generator=generator, device=generator.device)
        return x + self.scale * noise.to(x)


class Masking(Corruption):
    """Replaces a share of the pixels, in all channels, or of the coordinates of points, by one value.

    Args:
        fraction: Probability of each pixel to be replaced, in [0, 1].
        value: The value of replaced pixels; -1 is black.

    Raises:
        InputError: The fraction is outside [0, 1].
    """

    def __init__(self, fraction: float = 0.25, value: float = -1.0) -> None:
        super().__init__()
        require(self, "fraction", fraction, SHARE, "one")
        self.fraction = fraction
        require(self, "value", value, FINITE)
        self.value = value

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return x with each pixel replaced by `value` with probability `fraction`."""
        return self.corrupt(x, generator).x

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Return x with each pixel replaced by `value` with probability `fraction`, and the mask of replaced pixels."""
        hidden = uniform_per_pixel(x, generator) < self.fraction
        return Corrupted(x.masked_fill(hidden, self.value), hidden)


class PatchMasking(Corruption):
    """Hides square patches of an image, cubes of a volume or spans of a signal, the same number in each sample.

    If a side is not a multiple of `size`, the last patch is smaller. Hidden patches are filled with one value in all
    channels, for encoders such as convolutions that cannot leave patches out.

    Paper: Masked Autoencoders Are Scalable Vision Learners, https://arxiv.org/abs/2111.06377, section 3

    Args:
        fraction: Share of the patches to hide, in [0, 1]; round(fraction · patches) are hidden.
        size: Side of a patch in pixels, at least 1.
        value: The value of hidden pixels; 0 is grey.

    Raises:
        InputError: The fraction is outside [0, 1], or the size is below 1.
    """

    def __init__(self, fraction: float = 0.75, size: int = 4, value: float = 0.0) -> None:
        super().__init__()
        require(self, "fraction", fraction, SHARE, "one")
        if size not in COUNT:
            raise InputError(f"PatchMasking cannot have size {size}: give patches of at least 1 pixel")
        self.fraction = fraction
        self.size = size
        require(self, "value", value, FINITE)
        self.value = value

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return x with patches replaced by `value`."""
        return self.corrupt(x, generator).x

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Return x with patches replaced by `value`, and the mask of hidden pixels, ``(n, 1, *sides)``.

        Raises:
            InputError: The samples are points.
        """
        if x.dim() < 3:
            raise InputError(f"PatchMasking hides patches of images and got {tuple(x.shape)}: use Masking for points")
        grid = [-(-side // self.size) for side in x.shape[2:]]
        patches = prod(grid)
        order = torch.rand(len(x), patches, generator=generator, device=generator.device).argsort(1)
        hidden = (order < round(self.fraction * patches)).view(len(x), 1, *grid).to(x.device)
        for axis, side in enumerate(x.shape[2:], start=2):
            hidden = hidden.repeat_interleave(self.size, axis).narrow(axis, 0, side)
        return Corrupted(x.masked_fill(hidden, self.value), hidden)


class Hole(Corruption):
    """Hides one rectangle of each image, anywhere inside of it, for inpainting.

    As in the paper the hole is filled with one value in all channels and the mask is no further channel. So an image
    from a file, in which a user has painted over what is to be replaced, is a source as it is; and a network need not
    be told of a rectangle of one value.

    Paper: Context Encoders: Feature Learning by Inpainting, https://arxiv.org/abs/1604.07379, section 3.3

    Args:
        side: Height and width of the hole as a share of those of the image, in [0, 1]; or two, between which both are
            drawn for each image, one by one. Sides are rounded to whole pixels.
        value: The value of hidden pixels; 0 is grey, about the mean of images, which the paper takes.

    Raises:
        InputError: A share is outside [0, 1], or two are not in order; later: the samples are not images.
    """

    def __init__(self, side: float | tuple[float, float] = 0.5, value: float = 0.0) -> None:
        super().__init__()
        self._ends = ends(self, "side", side)
        for share in self._ends:
            require(self, "side", share, SHARE, "a share")
        self.side = side
        require(self, "value", value, FINITE)
        self.value = value

    def source_shape(self, target_shape: Shape) -> Shape:
        """The shape of the image."""
        return image_shape(self, target_shape)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return x with a rectangle of each image replaced by `value`."""
        return self.corrupt(x, generator).x

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Return x with a rectangle of each image replaced by `value`, and the mask of hidden pixels, ``(n, 1, h, w)``.

        Raises:
            InputError: The samples are not images.
        """
        self.source_shape(tuple(x.shape[1:]))
        sizes = [(between(*self._ends, len(x), generator) * side).round() for side in x.shape[2:]]
        corners = [
            ((side - size + 1) * between(0, 1, len(x), generator)).floor().minimum(side - size)
            for side, size in zip(x.shape[2:], sizes, strict=True)
        ]
        hidden = within(x, [each.to(x.device) for each in corners], [each.to(x.device)[:, None] for each in sizes])
        return Corrupted(x.masked_fill(hidden, self.value), hidden)


class SaltAndPepper(Corruption):
    """Sets a share of the pixels, in all channels, to black or white with equal probability. For images in [-1, 1].

    Args:
        fraction: Probability of each pixel to be replaced, in [0, 1].

    Raises:
        InputError: The fraction is outside [0, 1].
    """

    def __init__(self, fraction: float = 0.1) -> None:
        super().__init__()
        require(self, "fraction", fraction, SHARE, "one")
        self.fraction = fraction

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return x with each pixel set to -1 or to 1 with probability `fraction` / 2 each."""
        u = uniform_per_pixel(x, generator)
        return x.masked_fill(u < self.fraction, 1.0).masked_fill(u < self.fraction / 2, -1.0)


def uniform_per_pixel(x: Tensor, generator: torch.Generator) -> Tensor:
    """Sample U(0, 1) for each pixel ``(n, 1, h, w)`` of images, or for each coordinate ``(n, d)`` of points."""
    size = x.shape if x.dim() < 3 else (len(x), 1, *x.shape[2:])
    return torch.rand(size, generator=generator, device=generator.device).to(x.device)
