"""What each kind of network promises: the shapes that go in and come out.

A network knows the shape of one sample and builds itself for it. None of them knows a loss, so any of them goes with
any objective.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.records import Shape


class Generator(nn.Module, ABC):
    """Maps latents to samples.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        latent_dim: Width of the latents.
    """

    def __init__(self, shape: Shape, latent_dim: int = 100) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        require_positive(self, "latent_dim", latent_dim)
        self.shape: Shape = tuple(shape)
        self.latent_dim = latent_dim

    @abstractmethod
    def forward(self, latent: Tensor) -> Tensor:
        """Map latents ``(n, latent_dim)`` to samples ``(n, *shape)``."""


class Discriminator(nn.Module, ABC):
    """Maps samples to one logit each: positive for real. Read as a critic, the logit is the score.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        self.shape: Shape = tuple(shape)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map samples ``(n, *shape)`` to logits ``(n,)``."""


class Encoder(nn.Module, ABC):
    """Maps samples to the features that a bottleneck reads.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        features: Width of the features; a bottleneck says how many it needs.
    """

    def __init__(self, shape: Shape, features: int) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        require_positive(self, "features", features)
        self.shape: Shape = tuple(shape)
        self.features = features

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map samples ``(n, *shape)`` to features ``(n, features)``."""


class Decoder(nn.Module, ABC):
    """Maps codes to the parameters of a likelihood: logits or means, with no activation after the last layer.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        latent_dim: Width of the codes.
    """

    def __init__(self, shape: Shape, latent_dim: int) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        require_positive(self, "latent_dim", latent_dim)
        self.shape: Shape = tuple(shape)
        self.latent_dim = latent_dim

    @abstractmethod
    def forward(self, code: Tensor) -> Tensor:
        """Map codes ``(n, latent_dim)`` to outputs ``(n, *shape)``."""


def require_positive(network: nn.Module, argument: str, *sizes: int) -> None:
    """Check that sizes a network is built from are whole numbers from 1 on.

    Args:
        network: The network, for its name.
        argument: The constructor's argument that gave the sizes.
        sizes: The sizes.

    Raises:
        InputError: A size is below 1 or not whole.
    """
    if not all(isinstance(size, int) and size >= 1 for size in sizes):
        name, given = type(network).__name__, ", ".join(map(str, sizes))
        raise InputError(f"{name} cannot be built with {argument} {given}: give whole numbers of at least 1")


def require_shape(network: nn.Module, x: Tensor, shape: Shape, argument: str) -> None:
    """Check that a batch has the shape that a network was built for.

    Args:
        network: The network, for its name.
        x: The batch, ``(n, *shape)`` if all is well.
        shape: The shape of one element of the batch.
        argument: The constructor's argument that fixed the shape.

    Raises:
        InputError: The batch has another shape.
    """
    if x.shape[1:] != shape:
        expected, got = ", ".join(map(str, ("n", *shape))), ", ".join(map(str, x.shape))
        raise InputError(
            f"{type(network).__name__} was built for a batch of shape ({expected}) and got ({got}): "
            f"build it with the {argument} of your data, or give it what it was built for"
        )
