"""What each kind of network promises: the shapes that go in and come out.

A network knows the shape of one sample and builds itself for it. None of them knows a loss, so any of them goes with
any objective.
"""

from abc import ABC, abstractmethod
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import (
    Concatenation,
    DiscriminatorConditioning,
    GeneratorConditioning,
    plain_batch_norm,
)
from lightning_gen.networks.heads import Head, LinearHead
from lightning_gen.records import Judgement, Shape


class Generator(nn.Module, ABC):
    """Maps latents to samples.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        latent_dim: Width of the latents.
        conditioning: How it learns which class to draw; None to draw from all.
    """

    def __init__(self, shape: Shape, latent_dim: int = 100, conditioning: GeneratorConditioning | None = None) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        require_positive(self, "latent_dim", latent_dim)
        self.shape: Shape = tuple(shape)
        self.latent_dim = latent_dim
        self.conditioning = conditioning

    @property
    def num_classes(self) -> int | None:
        """Number of classes it can be asked for, or None."""
        return None if self.conditioning is None else self.conditioning.num_classes

    @property
    def input_dim(self) -> int:
        """Width of what `draw` reads: the latent, and the class where it stands beside it."""
        return self.latent_dim if self.conditioning is None else self.conditioning.widened((self.latent_dim,))[0]

    def make_batch_norm(self, channels: int, dimensions: int = 2) -> nn.Module:
        """Make the normalization of `channels` channels, of vectors (0 dimensions) or maps (2)."""
        if self.conditioning is not None:
            return self.conditioning.batch_norm(channels, dimensions)
        return plain_batch_norm(channels, dimensions)

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents ``(n, latent_dim)``, and classes ``(n,)`` where it is conditional, to samples ``(n, *shape)``.

        Raises:
            InputError: The latents have another width, or a conditional generator is not told the classes.
        """
        require_shape(self, latent, (self.latent_dim,), "latent_dim")
        if self.conditioning is not None:
            latent = self.conditioning.join(latent, require_labels(self, labels))
        return self.draw(latent, labels)

    @abstractmethod
    def draw(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map inputs ``(n, input_dim)``, and classes ``(n,)`` or None, to samples ``(n, *shape)``."""


class Discriminator(nn.Module, ABC):
    """Maps samples to one logit each: positive for real. Read as a critic, the logit is the score.

    With packing m it judges m samples at a time, joined along their channels, and gives one logit for each m: a lack of
    variety shows in a pack (PacGAN: The power of two samples in generative adversarial networks,
    https://arxiv.org/abs/1712.04086, section 2). With `minibatch_std` the standard deviation of the features over the
    batch, averaged over the features, is one more feature (Progressive Growing of GANs,
    https://arxiv.org/abs/1710.10196, section 3).

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        packing: Samples that are judged together.
        minibatch_std: Whether it sees the variety of the batch.
        conditioning: How it learns which class to expect; None to expect all.

    Raises:
        InputError: The conditioning cannot tell the classes of a pack.
    """

    head: Head

    def __init__(
        self,
        shape: Shape,
        packing: int = 1,
        minibatch_std: bool = False,
        conditioning: DiscriminatorConditioning | None = None,
    ) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        require_positive(self, "packing", packing)
        if packing > 1 and conditioning is not None and not conditioning.packs:
            raise InputError(
                f"{type(conditioning).__name__} expects one class a logit and packing {packing} joins samples of "
                "several: use Concatenation with packing, or set packing 1"
            )
        self.shape: Shape = tuple(shape)
        self.packing = packing
        self.minibatch_std = minibatch_std
        self.conditioning = conditioning

    @property
    def num_classes(self) -> int | None:
        """Number of classes it can be told, or None."""
        return None if self.conditioning is None else self.conditioning.num_classes

    @property
    def input_shape(self) -> Shape:
        """Shape of what `features` reads: a pack of samples, with their classes where these stand beside them."""
        channels, *sides = self.shape if self.conditioning is None else self.conditioning.widened(self.shape)
        return (channels * self.packing, *sides)

    @cached_property
    def mixes_samples(self) -> bool:
        """Whether a logit depends on the rest of the batch, as with BatchNorm."""
        return self.minibatch_std or any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in self.modules())

    def make_head(self, features: int, bias: bool = True) -> Head:
        """Make what reads judgements off what `features` gives, flattened to `features` numbers."""
        features += self.minibatch_std
        return LinearHead(features, bias) if self.conditioning is None else self.conditioning.head(features, bias)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map samples ``(n, *shape)``, and classes ``(n,)`` where it is conditional, to logits ``(n / packing,)``."""
        return self.judge(x, labels).logits

    def judge(self, x: Tensor, labels: Tensor | None = None) -> Judgement:
        """Judge samples ``(n, *shape)``, of classes ``(n,)`` where it is conditional.

        Raises:
            InputError: The samples have another shape, a conditional discriminator is not told the classes, or the
                samples cannot be divided into packs.
        """
        require_shape(self, x, self.shape, "shape")
        if self.conditioning is not None:
            x = self.conditioning.join(x, require_labels(self, labels))
        features = self.features(packed(x, self.packing)).flatten(1)
        if self.minibatch_std:
            features = torch.cat([features, spread(features)], dim=1)
        return self.head(features, labels)

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(rows, *input_shape)`` to what the head reads, ``(rows, ...)``."""


def packed(x: Tensor, packing: int) -> Tensor:
    """Join `packing` samples in a row along their channels: ``(n, c, ...)`` to ``(n / packing, packing * c, ...)``.

    Raises:
        InputError: The samples cannot be divided into packs.
    """
    if len(x) % packing:
        raise InputError(
            f"{len(x)} samples cannot be divided into packs of {packing}: set --data.batch_size so that every device, "
            f"and every part of its batch with --model.accumulate, gets a multiple of {packing}"
        )
    return x if packing == 1 else x.reshape(-1, packing * x.shape[1], *x.shape[2:])


def spread(features: Tensor) -> Tensor:
    """The standard deviation of features ``(n, f)`` over the batch, averaged over them, for each sample: ``(n, 1)``."""
    deviation = (features.var(0, correction=0) + 1e-8).sqrt().mean()
    return deviation.expand(len(features), 1)


def normalize_spectrally(network: nn.Module) -> None:
    """Divide the weights of each linear map, convolution and embedding by their largest singular value.

    The singular value is followed by one power iteration a pass in training. Paper: Spectral Normalization for
    Generative Adversarial Networks, https://arxiv.org/abs/1802.05957, Algorithm 1
    """
    for part in list(network.modules()):
        if isinstance(part, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)):
            spectral_norm(part)


class Encoder(nn.Module, ABC):
    """Maps samples to the features that a bottleneck reads.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        features: Width of the features; a bottleneck says how many it needs.
        conditioning: How it learns the class of a sample; None to know of none.
    """

    def __init__(self, shape: Shape, features: int, conditioning: Concatenation | None = None) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        require_positive(self, "features", features)
        self.shape: Shape = tuple(shape)
        self.features = features
        self.conditioning = conditioning

    @property
    def num_classes(self) -> int | None:
        """Number of classes it can be told, or None."""
        return None if self.conditioning is None else self.conditioning.num_classes

    @property
    def input_shape(self) -> Shape:
        """Shape of what `encode` reads: a sample, with its class where this stands beside it."""
        return self.shape if self.conditioning is None else self.conditioning.widened(self.shape)

    @property
    def map_size(self) -> Shape:
        """Height and width of the features where they are maps; empty where they are vectors."""
        return ()

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map samples ``(n, *shape)``, and classes ``(n,)`` where it is conditional, to ``(n, features, *map_size)``.

        Raises:
            InputError: The samples have another shape, or a conditional encoder is not told the classes.
        """
        require_shape(self, x, self.shape, "shape")
        if self.conditioning is not None:
            x = self.conditioning.join(x, require_labels(self, labels))
        return self.encode(x)

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to features ``(n, features, *map_size)``."""


class Decoder(nn.Module, ABC):
    """Maps codes to the parameters of a likelihood: logits or means, with no activation after the last layer.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        latent_dim: Width of the codes.
        outputs: Channels, or dimensions, of the output; None for as many as a sample has. A likelihood says how many it
            reads.
        conditioning: How it learns which class to draw; None to know of none.

    Attributes:
        output_shape: Shape of the output for one code, ``(outputs, height, width)`` or ``(outputs,)``.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        outputs: int | None = None,
        conditioning: Concatenation | None = None,
    ) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        require_positive(self, "latent_dim", latent_dim)
        self.shape: Shape = tuple(shape)
        self.latent_dim = latent_dim
        self.outputs = outputs
        self.conditioning = conditioning
        self.output_shape: Shape = (outputs or shape[0], *shape[1:])
        require_positive(self, "outputs", *self.output_shape)

    @property
    def num_classes(self) -> int | None:
        """Number of classes it can be told, or None."""
        return None if self.conditioning is None else self.conditioning.num_classes

    @property
    def input_dim(self) -> int:
        """Width of what `decode` reads: the code, and the class where it stands beside it."""
        return self.latent_dim if self.conditioning is None else self.conditioning.widened((self.latent_dim,))[0]

    @property
    def map_size(self) -> Shape:
        """Height and width of the codes where they are maps; empty where they are vectors."""
        return ()

    def forward(self, code: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map codes ``(n, latent_dim, *map_size)``, and classes ``(n,)`` where it is conditional, to outputs.

        Returns:
            ``(n, *output_shape)``.

        Raises:
            InputError: The codes have another shape, a conditional decoder is not told the classes, or `decode` gives
                another shape than it should.
        """
        require_shape(self, code, (self.latent_dim, *self.map_size), "latent_dim")
        if self.conditioning is not None:
            code = self.conditioning.join(code, require_labels(self, labels))
        output = self.decode(code)
        if output.shape[1:] != self.output_shape:
            expected, got = (", ".join(map(str, size)) for size in (self.output_shape, output.shape[1:]))
            raise InputError(
                f"{type(self).__name__} decodes to outputs of shape ({got}) and samples need ({expected}): let its "
                "last layer give that shape"
            )
        return output

    @abstractmethod
    def decode(self, code: Tensor) -> Tensor:
        """Map codes ``(n, input_dim, *map_size)`` to outputs ``(n, *output_shape)``."""


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


def require_no_batch_norm(network: nn.Module, conditioning: GeneratorConditioning | None) -> None:
    """Check that the conditioning of a generator without BatchNorm does not act on BatchNorm.

    Raises:
        InputError: It does, so that the classes would have no effect.
    """
    if conditioning is not None and conditioning.acts_on_batch_norm:
        raise InputError(
            f"{type(network).__name__} is built without the BatchNorm that {type(conditioning).__name__} acts on: "
            "use Concatenation"
        )


def require_labels(network: nn.Module, labels: Tensor | None) -> Tensor:
    """Check that a conditional network is told the classes.

    Raises:
        InputError: It is not.
    """
    if labels is None:
        raise InputError(
            f"{type(network).__name__} is conditional and the samples come without labels: take data with labels, or "
            "leave its conditioning out"
        )
    return labels
