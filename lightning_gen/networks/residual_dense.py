"""Fully connected residual networks without normalization, for points; each block starts as the identity."""

from math import prod

from torch import Tensor, nn

from lightning_gen.networks.conditioning import DiscriminatorConditioning, GeneratorConditioning
from lightning_gen.networks.discriminator import Discriminator
from lightning_gen.networks.generator import Generator
from lightning_gen.networks.requirements import require_no_batch_norm, require_positive
from lightning_gen.ranges import SHARE, require
from lightning_gen.records import Shape


class ResidualDenseGenerator(Generator):
    """A linear layer, residual blocks, ReLU, and a linear layer.

    The blocks start as the identity, as in Fixup Initialization (https://arxiv.org/abs/1901.09321), so BatchNorm is not
    needed. On mixtures of Gaussians ReLU leaves fewer
    samples between the modes than a leaky one.

    Args:
        shape: Shape of one sample, any.
        latent_dim: Width of the latents.
        width: Width of all hidden layers.
        blocks: Residual blocks, of two linear layers each.
        slope: Slope of the leaky ReLU for negative values; 0 is plain ReLU.
        bounded: Whether tanh keeps samples in [-1, 1]: True for images, False for points.
        conditioning: How it is conditioned on the class; None for an unconditional generator.

    Raises:
        InputError: The conditioning acts on BatchNorm, which the network does not have.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int = 100,
        width: int = 128,
        blocks: int = 3,
        slope: float = 0.0,
        bounded: bool = False,
        conditioning: GeneratorConditioning | None = None,
    ) -> None:
        super().__init__(shape, latent_dim, conditioning)
        require_no_batch_norm(self, conditioning)
        require_positive(self, "width", width)
        require_positive(self, "blocks", blocks)
        self.width = width
        self.blocks = blocks
        require(self, "slope", slope, SHARE)
        self.slope = slope
        self.bounded = bounded
        layers = [*residual(self.input_dim, width, blocks, slope), nn.Linear(width, prod(shape))]
        self.layers = nn.Sequential(*layers, nn.Unflatten(1, self.shape), nn.Tanh() if bounded else nn.Identity())

    def draw(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map inputs ``(n, input_dim)`` to samples ``(n, *shape)``, in [-1, 1] where bounded."""
        return self.layers(x)


class ResidualDenseDiscriminator(Discriminator):
    """A linear layer, residual blocks, leaky ReLU, and one linear map to a logit, which depends on one sample alone.

    Args:
        shape: Shape of one sample, any.
        width: Width of all hidden layers.
        blocks: Residual blocks, of two linear layers each.
        slope: Slope of the leaky ReLU for negative values; 0 is plain ReLU.
        packing: Samples that are concatenated along their channels and get one logit together.
        minibatch_std: Whether the standard deviation over the batch is one more feature.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator.

    Raises:
        InputError: Packing and conditioning cannot be combined.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 128,
        blocks: int = 3,
        slope: float = 0.2,
        packing: int = 1,
        minibatch_std: bool = False,
        conditioning: DiscriminatorConditioning | None = None,
    ) -> None:
        super().__init__(shape, packing, minibatch_std, conditioning)
        require_positive(self, "width", width)
        require_positive(self, "blocks", blocks)
        self.width = width
        self.blocks = blocks
        require(self, "slope", slope, SHARE)
        self.slope = slope
        self.layers = nn.Sequential(nn.Flatten(), *residual(prod(self.input_shape), width, blocks, slope))
        self.head = self.make_head(width)

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(rows, *input_shape)`` to the last hidden layer, ``(rows, width)``."""
        return self.layers(x)


class DenseBlock(nn.Module):
    """x + W0 act(W act(x) + b) + b0; W0 and b0 start at 0, so the block starts as the identity.

    Args:
        width: Width of the vectors.
        slope: Slope of the leaky ReLU.
    """

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        last = nn.Linear(width, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.branch = nn.Sequential(nn.LeakyReLU(slope), nn.Linear(width, width), nn.LeakyReLU(slope), last)

    def forward(self, x: Tensor) -> Tensor:
        """Map vectors ``(n, width)`` to vectors ``(n, width)``."""
        return x + self.branch(x)


def residual(before: int, width: int, blocks: int, slope: float) -> list[nn.Module]:
    """Make a linear layer from `before` to `width` numbers, the residual blocks and the last activation."""
    return [nn.Linear(before, width), *(DenseBlock(width, slope) for _ in range(blocks)), nn.LeakyReLU(slope)]
