"""The networks of DCGAN, for images from 8 x 8 pixels, signals and volumes.

Paper: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks,
https://arxiv.org/abs/1511.06434
"""

from math import prod
from typing import cast

from torch import Tensor, nn

from lightning_gen.networks.conditioning import ConditionalSequential, DiscriminatorConditioning, GeneratorConditioning
from lightning_gen.networks.discriminator import Discriminator, normalize_spectrally
from lightning_gen.networks.generator import Generator
from lightning_gen.networks.layers import BATCH_NORMS, CONVOLUTIONS, INSTANCE_NORMS
from lightning_gen.networks.pyramid import Striding, pyramid
from lightning_gen.records import Shape


class DCGANGenerator(Generator):
    """Transposed convolutions with BatchNorm and ReLU, and tanh at the end.

    At 64 x 64 this is the network of PyTorch's DCGAN tutorial, parameter for parameter. The paper's is twice as wide,
    `width=128`, with maps of 1024, 512, 256 and 128 channels, and has kernels of 5 x 5 where those here are 4 x 4.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        latent_dim: Width of the latents.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.
        conditioning: How it is conditioned on the class; None for an unconditional generator.
        stride: Factor by which each level divides the sides; 4 or 8 for long signals.
        taps: Kernels span so many strides: each output of a transposed convolution depends on as many places.

    Raises:
        InputError: The shape has no side, more than three or one below 8.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int = 100,
        width: int = 64,
        conditioning: GeneratorConditioning | None = None,
        stride: int = 2,
        taps: int = 2,
    ) -> None:
        super().__init__(shape, latent_dim, conditioning)
        self.width = width
        self.stride = stride
        self.taps = taps
        levels = pyramid(self, shape, width, striding=Striding(stride, taps))
        layers = [nn.Linear(self.input_dim, prod(levels.top), bias=False), nn.Unflatten(1, levels.top)]
        for i in reversed(levels.levels):
            layers += [self.make_batch_norm(levels.channels[i + 1]), nn.ReLU(inplace=True), levels.up(i, bias=False)]
        self.layers = ConditionalSequential(*layers, nn.Tanh())
        self.layers.apply(init_weights)

    def draw(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map inputs ``(n, input_dim)`` to images ``(n, *shape)`` in [-1, 1]."""
        return self.layers(x, labels)


class DCGANDiscriminator(Discriminator):
    """Strided convolutions with BatchNorm and leaky ReLU, and one linear map of the last features to a logit.

    At 64 x 64 this is the network of PyTorch's DCGAN tutorial, parameter for parameter. That of the authors' code is
    twice as wide, `width=128`, and has kernels of 5 x 5 where those here are 4 x 4.

    With BatchNorm a logit depends on the other samples of the batch, but gradient penalties are defined for single
    samples: set `batch_norm=False` with them, as WGAN-GP does. The convolutions then have biases.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.
        batch_norm: Whether every hidden map but the first is normalized.
        spectral_norm: Whether all weights are divided by their largest singular value.
        packing: Samples that are concatenated along their channels and get one logit together.
        minibatch_std: Whether the standard deviation over the batch is one more feature.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator.
        stride: Factor by which each level divides the sides; 4 or 8 for long signals.
        taps: Kernels span so many strides: each output of a transposed convolution depends on as many places.

    Raises:
        InputError: The shape has no side, more than three or one below 8, or packing and conditioning cannot be
            combined.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 64,
        batch_norm: bool = True,
        spectral_norm: bool = False,
        packing: int = 1,
        minibatch_std: bool = False,
        conditioning: DiscriminatorConditioning | None = None,
        stride: int = 2,
        taps: int = 2,
    ) -> None:
        super().__init__(shape, packing, minibatch_std, conditioning)
        self.width = width
        self.stride = stride
        self.taps = taps
        self.batch_norm = batch_norm
        self.spectral_norm = spectral_norm
        levels = pyramid(self, self.input_shape, width, striding=Striding(stride, taps))
        layers: list[nn.Module] = []
        for i in levels.levels:
            layers.append(levels.down(i, bias=not batch_norm))
            layers += [levels.layers.batch_norm(levels.channels[i + 1])] if batch_norm and i > 0 else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers)
        self.head = self.make_head(prod(levels.top), bias=not batch_norm)
        self.apply(init_weights)
        if spectral_norm:
            normalize_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(rows, *input_shape)`` to the smallest map, ``(rows, channels, *sides)``."""
        return self.layers(x)


def init_weights(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02²) as in section 4 of the paper, gains from N(1, 0.02²), and set biases to 0."""
    gains = isinstance(module, (*BATCH_NORMS, *INSTANCE_NORMS))
    if isinstance(module, (nn.Linear, *CONVOLUTIONS)) or (gains and module.affine):
        weight, bias = cast(Tensor, module.weight), cast(Tensor | None, module.bias)
        nn.init.normal_(weight, float(gains), 0.02)
        if bias is not None:
            nn.init.zeros_(bias)
