"""Layers that change the sides of maps without a checkerboard and, some of them, without aliasing.

A transposed convolution whose kernel is no multiple of its stride gives neighbouring pixels different numbers of taps,
which draws a checkerboard: Deconvolution and Checkerboard Artifacts, https://doi.org/10.23915/distill.00003
"""

from torch import Tensor, nn
from torch.nn import functional

from lightning_gen.networks.layers import Layers
from lightning_gen.networks.reflection import reflection_padded
from lightning_gen.records import Shape


class NearestConvolution(nn.Module):
    """Enlarges a map to twice its sides by its nearest pixels, then convolves it: kernel 3.

    Args:
        before: Channels of the map.
        after: Channels of the output.
        layers: The layers for the number of spatial dimensions.
        odd: For each side 1 if the output is one line shorter there than twice the map; None if nowhere.
        bias: Whether the convolution has a bias.
    """

    def __init__(self, before: int, after: int, layers: Layers, odd: Shape | None = None, bias: bool = True) -> None:
        super().__init__()
        # negative padding crops; torch counts sides from the last on
        self.crop = [each for side in reversed(odd) for each in (0, -side)] if odd and any(odd) else None
        self.conv = layers.conv(before, after, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, before, *sides)`` to ``(n, after, *(2 · sides - odd))``."""
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        if self.crop is not None:
            x = functional.pad(x, self.crop)
        return self.conv(x)


class BlurredHalving(nn.Module):
    """Halves the sides of a map after a blur by the binomial filter 1, 2, 1, with reflected borders.

    The sides are even, of at least 2. Paper: Making Convolutional Networks Shift-Invariant Again,
    https://arxiv.org/abs/1904.11486, section 3.2

    Args:
        layers: The layers for the number of spatial dimensions.
    """

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        self.padding = [1] * layers.dimensions
        # two means of two pixels each are the filter 1, 2, 1
        self.blur = nn.Sequential(layers.average_pool(2, 1), layers.average_pool(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` to ``(n, channels, *(sides / 2))``."""
        return self.blur(reflection_padded(x, self.padding))
