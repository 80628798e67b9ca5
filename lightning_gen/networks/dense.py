"""Fully connected networks for samples of any shape, such as points and small images."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from lightning_gen.networks.conditioning import (
    Concatenation,
    ConditionalSequential,
    DiscriminatorConditioning,
    GeneratorConditioning,
)
from lightning_gen.networks.decoder import Decoder
from lightning_gen.networks.discriminator import Discriminator, normalize_spectrally
from lightning_gen.networks.encoder import Encoder
from lightning_gen.networks.generator import Generator
from lightning_gen.networks.requirements import require_no_batch_norm, require_positive
from lightning_gen.ranges import SHARE, require
from lightning_gen.records import Shape


class DenseGenerator(Generator):
    """Widening linear layers without biases, each with BatchNorm and ReLU, and tanh at the end.

    BatchNorm has a shift, so the layers need no biases. Without it (`batch_norm=False`) they have biases.

    Args:
        shape: Shape of one sample, any.
        latent_dim: Width of the latents.
        widths: Widths of the hidden layers.
        batch_norm: Whether hidden layers are normalized.
        bounded: Whether tanh keeps samples in [-1, 1]: True for images, False for points.
        conditioning: How it is conditioned on the class; None for an unconditional generator.

    Raises:
        InputError: The conditioning acts on BatchNorm and `batch_norm` is False.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int = 100,
        widths: Sequence[int] = (256, 512, 1024),
        batch_norm: bool = True,
        bounded: bool = True,
        conditioning: GeneratorConditioning | None = None,
    ) -> None:
        super().__init__(shape, latent_dim, conditioning)
        require_positive(self, "widths", *widths)
        if not batch_norm:
            require_no_batch_norm(self, conditioning)
        self.widths = tuple(widths)
        self.batch_norm = batch_norm
        self.bounded = bounded
        sizes = (self.input_dim, *widths)
        layers = hidden(sizes, nn.ReLU, partial(self.make_batch_norm, dimensions=0) if batch_norm else None)
        layers += [nn.Linear(sizes[-1], prod(shape), bias=not batch_norm), nn.Unflatten(1, self.shape)]
        self.layers = ConditionalSequential(*layers, nn.Tanh() if bounded else nn.Identity())

    def draw(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map inputs ``(n, input_dim)`` to samples ``(n, *shape)``, in [-1, 1] where bounded."""
        return self.layers(x, labels)


class DenseDiscriminator(Discriminator):
    """Narrowing linear layers with leaky ReLU and no normalization, for critics and gradient penalties too.

    Args:
        shape: Shape of one sample, any.
        widths: Widths of the hidden layers.
        slope: Slope of the leaky ReLU for negative values, in [0, 1]; 0 is plain ReLU.
        spectral_norm: Whether all weights are divided by their largest singular value.
        packing: Samples that are concatenated along their channels and get one logit together.
        minibatch_std: Whether the standard deviation over the batch is one more feature.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator.

    Raises:
        InputError: Packing and conditioning cannot be combined, or a number is out of range.
    """

    def __init__(
        self,
        shape: Shape,
        widths: Sequence[int] = (1024, 512, 256, 128, 64, 32),
        slope: float = 0.2,
        spectral_norm: bool = False,
        packing: int = 1,
        minibatch_std: bool = False,
        conditioning: DiscriminatorConditioning | None = None,
    ) -> None:
        super().__init__(shape, packing, minibatch_std, conditioning)
        require_positive(self, "widths", *widths)
        self.widths = tuple(widths)
        require(self, "slope", slope, SHARE)
        self.slope = slope
        self.spectral_norm = spectral_norm
        sizes = (prod(self.input_shape), *widths)
        self.layers = nn.Sequential(nn.Flatten(), *hidden(sizes, lambda: nn.LeakyReLU(slope)))
        self.head = self.make_head(sizes[-1])
        if spectral_norm:
            normalize_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(rows, *input_shape)`` to the last hidden layer, ``(rows, widths[-1])``."""
        return self.layers(x)


class DenseEncoder(Encoder):
    """Linear layers with ReLU between them.

    Args:
        shape: Shape of one sample, any.
        features: Width of the features.
        widths: Widths of the hidden layers.
        activate_features: Whether a ReLU follows the last layer, which makes codes non-negative and sparse.
        conditioning: How it is conditioned on the class; None for an unconditional encoder.
    """

    def __init__(
        self,
        shape: Shape,
        features: int,
        widths: Sequence[int] = (512, 256),
        activate_features: bool = False,
        conditioning: Concatenation | None = None,
    ) -> None:
        super().__init__(shape, features, conditioning)
        require_positive(self, "widths", *widths)
        self.widths = tuple(widths)
        self.activate_features = activate_features
        sizes = (prod(self.input_shape), *widths)
        layers = [*hidden(sizes, nn.ReLU), nn.Linear(sizes[-1], features)]
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.ReLU() if activate_features else nn.Identity())

    def encode(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to features ``(n, features)``."""
        return self.layers(x)


class DenseDecoder(Decoder):
    """Linear layers with ReLU between them.

    Args:
        shape: Shape of one sample, any.
        latent_dim: Width of the codes.
        widths: Widths of the hidden layers; none makes the decoder linear.
        outputs: Channels, or dimensions, of the output; None for as many as a sample has.
        conditioning: How it is conditioned on the class; None for an unconditional decoder.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        widths: Sequence[int] = (256, 512),
        outputs: int | None = None,
        conditioning: Concatenation | None = None,
    ) -> None:
        super().__init__(shape, latent_dim, outputs, conditioning)
        require_positive(self, "widths", *widths)
        self.widths = tuple(widths)
        sizes = (self.input_dim, *widths)
        layers = [*hidden(sizes, nn.ReLU), nn.Linear(sizes[-1], prod(self.output_shape))]
        self.layers = nn.Sequential(*layers, nn.Unflatten(1, self.output_shape))

    def decode(self, code: Tensor) -> Tensor:
        """Map codes ``(n, input_dim)`` to outputs ``(n, *output_shape)``."""
        return self.layers(code)


def hidden(
    sizes: Sequence[int], activation: Callable[[], nn.Module], norm: Callable[[int], nn.Module] | None = None
) -> list[nn.Module]:
    """Make linear layers between successive sizes, each with an activation; they have biases where no norm follows."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers.append(nn.Linear(before, after, bias=norm is None))
        layers += [norm(after)] if norm is not None else []
        layers.append(activation())
    return layers
