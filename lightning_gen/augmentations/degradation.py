"""Degradations, which make the source of a translation from an image: a model learns the way back to the image."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lightning_gen.errors import InputError
from lightning_gen.ranges import ABOVE_0, COUNT, FROM_0, require
from lightning_gen.recording import Recorded
from lightning_gen.records import Shape

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601."""
REACH = 3
"""Standard deviations after which a Gaussian is cut off."""


class Degradation(Recorded, nn.Module, ABC):
    """Makes a source of each sample, which may have another shape than the sample."""

    def source_shape(self, target_shape: Shape) -> Shape:
        """The shape of the source of a sample; by default that of the sample.

        Args:
            target_shape: Shape of the sample, ``(channels, height, width)`` for images.

        Raises:
            InputError: Samples of this shape cannot be degraded.
        """
        return target_shape

    @abstractmethod
    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the sources ``(n, *source_shape)`` of samples; the input is not changed in place.

        Args:
            x: Samples, ``(n, *target_shape)``; images in [-1, 1].
            generator: Source of all random numbers.
        """


class Degradations(Degradation):
    """Several degradations, one after another: blur, then downsample, then add noise.

    Args:
        steps: The degradations in their order, at least one.

    Raises:
        InputError: There is none.
    """

    def __init__(self, steps: Sequence[Degradation]) -> None:
        super().__init__()
        if not steps:
            raise InputError("Degradations has no steps: give at least one degradation")
        self._steps = nn.ModuleList(steps)

    def source_shape(self, target_shape: Shape) -> Shape:
        """The shape after the last step."""
        for step in self._steps:
            target_shape = step.source_shape(target_shape)  # type: ignore[operator]
        return target_shape

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return x after all steps."""
        for step in self._steps:
            x = step(x, generator)
        return x


class Downsampling(Degradation):
    """Makes images smaller by a whole factor with an antialiased bicubic filter, and rounds them to 8 bits.

    Rounded and clamped, a source is what a file of the small image holds. The filter is Keys' with a = -0.5, widened by
    the factor, as in Pillow and in MATLAB's ``imresize``, by which the benchmarks of super-resolution are made. It
    differs from MATLAB's along the border alone: within two pixels of the small image MATLAB repeats the large one as
    in a mirror, and torch leaves out what lies outside and divides by the sum of the other weights. (torch's bicubic
    *without* antialiasing is another filter altogether: figures made with one do not hold for the other.)

    Paper: Cubic Convolution Interpolation for Digital Image Processing, https://doi.org/10.1109/TASSP.1981.1163711

    Args:
        factor: By how much the sides become shorter, at least 1.

    Raises:
        InputError: The factor is below 1; later: the samples are not images, or a side is no multiple of the factor.
    """

    def __init__(self, factor: int = 4) -> None:
        super().__init__()
        require(self, "factor", factor, COUNT, "a whole number")
        self.factor = factor

    def source_shape(self, target_shape: Shape) -> Shape:
        """``(channels, height / factor, width / factor)``."""
        channels, *sides = image_shape(self, target_shape)
        for side in sides:
            if side % self.factor:
                near = max(1, round(side / self.factor)) * self.factor
                raise InputError(
                    f"Downsampling by {self.factor} needs sides that are multiples of {self.factor}, not {side}: set "
                    f"--data.size to one, such as {near}"
                )
        return channels, *(side // self.factor for side in sides)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return small images, each value one of the 256 between -1 and 1."""
        size = self.source_shape(tuple(x.shape[1:]))[1:]
        small = interpolate(x, size, mode="bicubic", antialias=True)
        return ((small + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1


class Grey(Degradation):
    """Keeps the luma of colours, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as in JPEG and in Pillow's mode L).

    It is computed of the values as files store them, without undoing their gamma.

    Raises:
        InputError: The samples are not images with 3 channels.
    """

    def source_shape(self, target_shape: Shape) -> Shape:
        """``(1, height, width)``."""
        channels, *sides = image_shape(self, target_shape)
        if channels != 3:
            raise InputError(
                f"Grey takes the colours from images with 3 channels, not {channels}: set --data.channels 3"
            )
        return 1, *sides

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the luma, ``(n, 1, height, width)``."""
        self.source_shape(tuple(x.shape[1:]))
        return luma(x)


class Blur(Degradation):
    """Blurs images by a Gaussian; beyond their borders images go on as in a mirror, whose axis is the last pixel.

    The Gaussian is cut off after three standard deviations, and its weights are divided by their sum.

    Args:
        sigma: Standard deviation in pixels; or two, between which that of each image is uniform. 0 changes nothing.

    Raises:
        InputError: A standard deviation is negative, or two are not in order; later: the samples are not images.
    """

    def __init__(self, sigma: float | tuple[float, float] = 1.0) -> None:
        super().__init__()
        self._ends = ends(self, "sigma", sigma)
        self.sigma = sigma

    def source_shape(self, target_shape: Shape) -> Shape:
        """The shape of the image."""
        return image_shape(self, target_shape)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return blurred images."""
        self.source_shape(tuple(x.shape[1:]))
        low, high = self._ends
        reach = math.ceil(REACH * high)
        if not reach:
            return x.clone()
        sigma = between(low, high, len(x), generator).to(x)[:, None]
        offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
        # sigma 0: all weight on the middle, where 0 / tiny is 0
        weights = torch.exp(-0.5 * (offsets / sigma.clamp(min=torch.finfo(x.dtype).tiny ** 0.5)) ** 2)
        weights = weights * (offsets.abs() <= (REACH * sigma).ceil())
        weights = (weights / weights.sum(1, keepdim=True))[..., None, None, None]
        for axis in (2, 3):
            side = x.shape[axis]
            wide = x.index_select(axis, mirrored(torch.arange(-reach, side + reach, device=x.device), side))
            # no convolution: it would round to bfloat16 or TF32 where a run allows these
            x = sum(weights[:, k] * wide.narrow(axis, k, side) for k in range(2 * reach + 1))  # type: ignore[assignment]
        return x


class Edges(Degradation):
    """Draws the outlines of images, dark on white, ``(1, height, width)``.

    A pixel is 1 (white) - 2 · min(1, gain · |∇Y|), where ∇Y is the gradient of the luma Y per pixel, in units of the
    range from black to white, by Sobel's filter; pixels beyond a border are those of the border. At a step from black
    to white |∇Y| is 1/2 on both sides of it.

    Args:
        gain: The inverse of the gradient that is drawn black. With the default that is a step by a third of the range.

    Raises:
        InputError: `gain` is not above 0; later: the samples are not images with 1 or 3 channels.
    """

    def __init__(self, gain: float = 6.0) -> None:
        super().__init__()
        require(self, "gain", gain, ABOVE_0)
        self.gain = gain

    def source_shape(self, target_shape: Shape) -> Shape:
        """``(1, height, width)``."""
        channels, *sides = image_shape(self, target_shape)
        if channels not in (1, 3):
            raise InputError(
                f"Edges draws images with 1 or 3 channels, not {channels}: set --data.channels to 1 or to 3"
            )
        return 1, *sides

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return drawings in [-1, 1]."""
        self.source_shape(tuple(x.shape[1:]))
        y = x if x.shape[1] == 1 else luma(x)
        y = nn.functional.pad(y / 2, (1, 1, 1, 1), mode="replicate")
        across, down = (smoothed(difference(y, 5 - axis), axis) for axis in (2, 3))
        return 1 - 2 * (self.gain * torch.hypot(across, down)).clamp(max=1)


def luma(x: Tensor) -> Tensor:
    """The luma ``(n, 1, height, width)`` of images ``(n, 3, height, width)``, in their range."""
    red, green, blue = (weight * x[:, channel, None] for channel, weight in enumerate(LUMA))
    return red + green + blue


def difference(y: Tensor, axis: int) -> Tensor:
    """The central difference along an axis, per pixel; the axis becomes shorter by 2."""
    side = y.shape[axis] - 2
    return (y.narrow(axis, 2, side) - y.narrow(axis, 0, side)) / 2


def smoothed(y: Tensor, axis: int) -> Tensor:
    """The mean along an axis with weights 1/4, 1/2, 1/4; the axis becomes shorter by 2."""
    side = y.shape[axis] - 2
    return y.narrow(axis, 0, side) / 4 + y.narrow(axis, 1, side) / 2 + y.narrow(axis, 2, side) / 4


def mirrored(positions: Tensor, side: int) -> Tensor:
    """The pixels 0 to side - 1 that are seen at any positions, where both borders are mirrors."""
    if side == 1:
        return torch.zeros_like(positions)
    period = 2 * (side - 1)
    positions = positions.remainder(period)
    return torch.minimum(positions, period - positions)


def image_shape(degradation: Degradation, shape: Shape) -> Shape:
    """The shape of samples, which must be images.

    Raises:
        InputError: They are something else.
    """
    if len(shape) != 3:
        raise InputError(
            f"{type(degradation).__name__} degrades images and the samples have the shape {tuple(shape)}: give images, "
            "or another --model.degradation"
        )
    return shape


def ends(part: object, name: str, value: float | Sequence[float]) -> tuple[float, float]:
    """Both ends of an argument that is a number of at least 0, or two numbers between which one is drawn.

    Raises:
        InputError: A number is negative, or they are not two in order.
    """
    given = tuple(value) if isinstance(value, Sequence) else (value, value)
    for end in given:
        require(part, name, end, FROM_0)
    if len(given) != 2 or given[0] > given[1]:
        raise InputError(f"{type(part).__name__} cannot have {name} {value}: give a number, or the least and the most")
    return given


def between(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    """Sample U(low, high), ``(count,)``."""
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)
