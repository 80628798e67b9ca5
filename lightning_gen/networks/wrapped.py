"""Plain modules of torch as networks: a wrapper adds the sizes that a LightningModule of this library asks for.

The sizes of an output are found by one pass over two inputs of zeros, in evaluation mode and without a gradient.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gen.contexts import evaluating
from lightning_gen.errors import InputError
from lightning_gen.networks.decoder import Decoder
from lightning_gen.networks.discriminator import Discriminator
from lightning_gen.networks.encoder import Encoder
from lightning_gen.networks.generator import Generator
from lightning_gen.networks.requirements import require_labels, require_positive
from lightning_gen.networks.translator import Translator
from lightning_gen.records import DiscriminatorOutput, Shape


class Wrapped:
    """What all wrappers share: the network, and the classes that it is called with."""

    network: nn.Module
    _num_classes: int | None

    @property
    def num_classes(self) -> int | None:
        """Number of classes that the network is called with; None if it is unconditional."""
        return self._num_classes

    def call(self, x: Tensor, labels: Tensor | None) -> Any:
        """What the network returns for inputs, and for their classes where it is conditional.

        Raises:
            InputError: It is conditional and the classes are missing.
        """
        return self.network(x) if self.num_classes is None else self.network(x, require_labels(self.network, labels))


class WrappedGenerator(Wrapped, Generator):
    """A module that maps latents to samples, as a generator.

    Args:
        network: Maps latents ``(n, latent_dim)`` to samples ``(n, *shape)``; images in [-1, 1], so end it with Tanh.
        latent_dim: Width of the latents.
        num_classes: Number of classes, for a network that is called with latents and classes ``(n,)``; None for one
            that is called with latents alone.

    Raises:
        InputError: The network fails on two latents of zeros, or returns no samples.
    """

    def __init__(self, network: nn.Module, latent_dim: int, num_classes: int | None = None) -> None:
        super().__init__(output_shape(network, "latents", (latent_dim,), num_classes), latent_dim)
        self.network = network
        self._num_classes = num_classes

    def draw(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map latents ``(n, latent_dim)``, and classes ``(n,)`` or None, to samples ``(n, *shape)``."""
        return self.call(x, labels)


class WrappedDiscriminator(Wrapped, Discriminator):
    """A module that maps samples to logits, as a discriminator.

    Args:
        network: Maps samples ``(n, *shape)`` to logits, positive for real: ``(n,)``, ``(n, 1)`` or a map of them for
            each sample; or to a `DiscriminatorOutput`, or to several of either. It ends without a sigmoid.
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        num_classes: Number of classes, for a network that is called with samples and classes ``(n,)``; None for one
            that is called with samples alone.

    Raises:
        InputError: The network fails on two samples of zeros.
    """

    def __init__(self, network: nn.Module, shape: Shape, num_classes: int | None = None) -> None:
        super().__init__(shape)
        output_of(network, "samples", self.shape, num_classes)
        self.network = network
        self._num_classes = num_classes

    def forward(self, x: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Map samples ``(n, *shape)``, of classes ``(n,)`` where it is conditional, to what the network returns."""
        return self.call(self.prepare(x, self.shape, "shape", None), labels)

    def features(self, x: Tensor) -> Tensor:
        """The logits: the network does not say what it computes them from."""
        return self.network(x)


class WrappedEncoder(Wrapped, Encoder):
    """A module that maps samples to features, as an encoder.

    Args:
        network: Maps samples ``(n, *shape)`` to as many features as the bottleneck takes, its `features`:
            ``(n, features)``, or maps ``(n, features, height, width)``.
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        num_classes: Number of classes, for a network that is called with samples and classes ``(n,)``; None for one
            that is called with samples alone.

    Raises:
        InputError: The network fails on two samples of zeros, or returns no features.
    """

    def __init__(self, network: nn.Module, shape: Shape, num_classes: int | None = None) -> None:
        features, *map_size = output_shape(network, "samples", tuple(shape), num_classes)
        super().__init__(shape, features)
        self.network = network
        self._num_classes = num_classes
        self._map_size = tuple(map_size)

    @property
    def map_size(self) -> Shape:
        """The sides of the features where they are maps; empty where they are vectors."""
        return self._map_size

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map samples ``(n, *shape)``, of classes ``(n,)`` where it is conditional, to ``(n, features, *map_size)``."""
        return self.call(self.prepare(x, self.shape, "shape", None), labels)

    def encode(self, x: Tensor) -> Tensor:
        """Map samples ``(n, *shape)`` to features ``(n, features, *map_size)``."""
        return self.network(x)


class WrappedDecoder(Wrapped, Decoder):
    """A module that maps codes to the parameters of a likelihood, as a decoder.

    Args:
        network: Maps codes ``(n, latent_dim, *map_size)`` to outputs ``(n, outputs, ...)``, without an activation after
            its last layer: a likelihood has its own.
        latent_dim: Width of the codes.
        shape: Shape of one sample; None for that of an output.
        map_size: The sides of the codes where they are maps; empty where they are vectors.
        num_classes: Number of classes, for a network that is called with codes and classes ``(n,)``; None for one that
            is called with codes alone.

    Raises:
        InputError: The network fails on two codes of zeros, or returns no samples.
    """

    def __init__(
        self,
        network: nn.Module,
        latent_dim: int,
        shape: Shape | None = None,
        map_size: Shape = (),
        num_classes: int | None = None,
    ) -> None:
        returned = output_shape(network, "codes", (latent_dim, *map_size), num_classes)
        super().__init__(shape or returned, latent_dim, returned[0])
        self.network = network
        self._map_size = tuple(map_size)
        self._num_classes = num_classes

    @property
    def map_size(self) -> Shape:
        """The sides of the codes where they are maps; empty where they are vectors."""
        return self._map_size

    def forward(self, code: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map codes ``(n, latent_dim, *map_size)``, and classes ``(n,)`` where it is conditional, to outputs."""
        return self.call(self.prepare(code, (self.latent_dim, *self.map_size), "latent_dim", None), labels)

    def decode(self, code: Tensor) -> Tensor:
        """Map codes ``(n, latent_dim, *map_size)`` to outputs ``(n, *output_shape)``."""
        return self.network(code)


class WrappedTranslator(Translator):
    """A module that maps images to images, as a translator.

    Args:
        network: Maps sources ``(n, *shape)`` to translations ``(n, target_channels, *(scale · sides))``, with a whole
            number `scale`; images in [-1, 1], so end it with Tanh.
        shape: Shape of one source, ``(channels, height, width)``, or of a signal or volume.
        multiple_of: The sides of a source may differ from those of `shape` by multiples of this number; None: only
            those of `shape` are accepted.
        least_side: The smallest side that it accepts, where it accepts other sides than those of `shape`.

    Raises:
        InputError: The network fails on two sources of zeros, or its translations have no sides, or sides that are no
            multiple of those of a source.
    """

    def __init__(self, network: nn.Module, shape: Shape, multiple_of: int | None = None, least_side: int = 1) -> None:
        channels, *sides = output_shape(network, "sources", tuple(shape), None)
        super().__init__(shape, channels)
        require_positive(self, "multiple_of", 1 if multiple_of is None else multiple_of)
        require_positive(self, "least_side", least_side)
        self.network = network
        self._scale = scale_of(network, tuple(shape[1:]), tuple(sides))
        self._multiple_of = multiple_of
        self._least_side = least_side

    @property
    def scale(self) -> int:
        """How many times as long as those of a source the sides of a translation are."""
        return self._scale

    @property
    def multiple_of(self) -> int | None:
        """The sides of a source may differ from those of `shape` by multiples of this number; None: they may not."""
        return self._multiple_of

    @property
    def least_side(self) -> int:
        """The smallest side that it accepts, where it accepts other sides than those of `shape`."""
        return self._least_side

    def translate(self, x: Tensor) -> Tensor:
        """Map sources ``(n, channels, *sides)`` to what the network returns for them."""
        return self.network(x)


def scale_of(network: nn.Module, sides: Shape, translated: Shape) -> int:
    """How many times as long as those of a source the sides of its translation are.

    Raises:
        InputError: They are not all the same whole number of times as long, or there are none.
    """
    scale = translated[0] // sides[0] if sides and translated else 0
    if scale < 1 or translated != tuple(scale * side for side in sides):
        source, got = (" x ".join(map(str, each)) or "none" for each in (sides, translated))
        raise InputError(
            f"{type(network).__name__} returns translations with sides {got} for sources with sides {source}: let it "
            "return the same sides, or all a whole number of times as long"
        )
    return scale


def output_of(network: nn.Module, inputs: str, shape: Shape, num_classes: int | None) -> Any:
    """What a network returns for two inputs of zeros, of class 0 where it is conditional.

    Args:
        network: The network.
        inputs: What its inputs are called.
        shape: Shape of one input.
        num_classes: Number of classes; None for a network that is called without them.

    Raises:
        InputError: It raises an error.
    """
    require_positive(network, f"{inputs} of shape", *shape)
    weight = next(network.parameters(), torch.zeros(()))
    x = torch.zeros(2, *shape, device=weight.device, dtype=weight.dtype)
    labels = [] if num_classes is None else [torch.zeros(2, dtype=torch.int64, device=weight.device)]
    try:
        with torch.no_grad(), evaluating(network), torch.random.fork_rng([weight.device] if weight.is_cuda else []):
            return network(x, *labels)
    except Exception as error:  # a network may raise any error for inputs that it is not made for
        got = ", ".join(map(str, x.shape))
        raise InputError(
            f"{type(network).__name__} fails on {inputs} of shape ({got}): {first_line(error)}: build it for that shape"
        ) from error


def output_shape(network: nn.Module, inputs: str, shape: Shape, num_classes: int | None) -> Shape:
    """Shape of what a network returns for one input; for the arguments, see `output_of`.

    Raises:
        InputError: It raises an error, or does not return one tensor with a row for each input.
    """
    output = output_of(network, inputs, shape, num_classes)
    if not isinstance(output, Tensor) or output.ndim < 2 or len(output) != 2:
        got = tuple(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise InputError(
            f"{type(network).__name__} returns {got} for 2 {inputs}: let its forward return one tensor with a row for "
            "each of them"
        )
    return tuple(output.shape[1:])


def first_line(error: Exception) -> str:
    """The class and the first line of an error."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}" if str(error).strip() else repr(error)


def has(network: nn.Module, *names: str) -> bool:
    """Whether a network says all that a LightningModule asks of it, by attributes of its own."""
    return all(hasattr(network, name) for name in names)


def as_generator(network: nn.Module) -> Generator:
    """A generator as it is, and a plain module wrapped; the latter says by ``latent_dim`` how wide its latents are.

    Raises:
        InputError: It does not say so, or cannot be wrapped.
    """
    if has(network, "shape", "latent_dim", "num_classes"):
        return network  # type: ignore[return-value]
    if not hasattr(network, "latent_dim"):
        raise InputError(
            f"the generator is a {type(network).__name__}, which does not say how wide its latents are: set "
            "self.latent_dim in its constructor, or give lightning_gen.networks.WrappedGenerator(network, latent_dim)"
        )
    return WrappedGenerator(network, network.latent_dim, getattr(network, "num_classes", None))  # type: ignore[arg-type]


def as_discriminator(network: nn.Module, shape: Shape) -> Discriminator:
    """A discriminator as it is, and a plain module wrapped for samples of a shape.

    Raises:
        InputError: It cannot be wrapped.
    """
    if has(network, "shape", "num_classes", "packing", "conditioning", "mixes_samples"):
        return network  # type: ignore[return-value]
    return WrappedDiscriminator(network, shape, getattr(network, "num_classes", None))


def as_translator(network: nn.Module, shape: Shape | None = None) -> Translator:
    """A translator as it is, and a plain module wrapped.

    The latter may say by ``multiple_of`` and ``least_side`` which other sides it accepts.

    Args:
        network: The network.
        shape: Shape of one source; None where the plain module says it by its attribute ``shape``.

    Raises:
        InputError: Nothing says the shape, or it cannot be wrapped.
    """
    if has(network, "shape", "scale", "target_shape", "feature_channels"):
        return network  # type: ignore[return-value]
    shape = getattr(network, "shape", None) if shape is None else shape
    if shape is None:
        raise InputError(
            f"the generator is a {type(network).__name__}, which does not say the shape of its sources: set self.shape "
            "in its constructor, or give lightning_gen.networks.WrappedTranslator(network, shape)"
        )
    return WrappedTranslator(
        network, tuple(shape), getattr(network, "multiple_of", None), getattr(network, "least_side", 1)
    )


def as_autoencoder(
    encoder: nn.Module, decoder: nn.Module, latent_dim: int, channels: Callable[[int], int]
) -> tuple[Encoder, Decoder]:
    """An encoder and a decoder as they are, and plain modules wrapped.

    Where both are plain, the codes are vectors and the shape of a sample is that of the decoder's output.

    Args:
        encoder: Samples to features.
        decoder: Codes to the parameters of a likelihood.
        latent_dim: Width of the bottleneck's codes.
        channels: Channels of samples for a number of channels of the decoder's output.

    Raises:
        InputError: One cannot be wrapped.
    """
    ready = has(encoder, "shape", "features", "map_size", "num_classes")
    if not has(decoder, "shape", "latent_dim", "map_size", "num_classes", "output_shape"):
        shape, map_size = (tuple(encoder.shape), encoder.map_size) if ready else (None, ())  # type: ignore[arg-type]
        num_classes = getattr(decoder, "num_classes", None)
        if shape is None:
            outputs, *sides = output_shape(decoder, "codes", (latent_dim,), num_classes)
            shape = (channels(outputs), *sides)
        decoder = WrappedDecoder(decoder, latent_dim, shape, map_size, num_classes)  # type: ignore[arg-type]
    if not ready:
        encoder = WrappedEncoder(encoder, decoder.shape, getattr(encoder, "num_classes", None))  # type: ignore[arg-type]
    return encoder, decoder  # type: ignore[return-value]
