"""The discriminator of PatchGAN, which gives a logit for each patch of an image, and several of it at several sizes.

Paper: Image-to-Image Translation with Conditional Adversarial Networks, https://arxiv.org/abs/1611.07004, section 3.2.2
and appendix 6.1.2
"""

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import Concatenation
from lightning_gen.networks.dcgan import init_weights
from lightning_gen.networks.discriminator import Discriminator, normalize_spectrally
from lightning_gen.networks.layers import Layers, layers_for
from lightning_gen.networks.pyramid import doubling, halved
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import DiscriminatorOutput, Shape


class PatchDiscriminator(Discriminator):
    """Strided convolutions and one logit for each of many overlapping patches: it sees texture, not composition.

    `depth` convolutions of stride 2, one of stride 1 and one to the logits, all of kernel 4, with leaky ReLU between
    them. Depth 3 is the paper's network with patches of 70 x 70 pixels; depths 1 to 6 have patches of 16, 34, 70, 142,
    286 and 574.

    It returns n · h · w logits for n images, those of one image next to each other; an objective averages over images
    and patches. Gradient penalties need one logit for each sample and cannot be combined with it.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or of a signal or volume.
        width: Channels of the first map; each further one has twice as many, at most 8 `width`.
        depth: Convolutions of stride 2.
        batch_norm: Whether every hidden map but the first is normalized.
        spectral_norm: Whether all weights are divided by their largest singular value.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator.
        instance_norm: Whether these maps are normalized over each image instead, without gains and without running
            statistics, as in CycleGAN; set `batch_norm=False` with it. A logit then depends on its own image alone, so
            real and fake images may share a pass, but on the whole of it.

    Raises:
        InputError: The shape has no side, more than three or a side that is too small for the depth; or both norms are
            set.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 64,
        depth: int = 3,
        batch_norm: bool = True,
        spectral_norm: bool = False,
        conditioning: Concatenation | None = None,
        instance_norm: bool = False,
    ) -> None:
        super().__init__(shape, conditioning=conditioning)
        require_positive(self, "width", width)
        require_positive(self, "depth", depth)
        require_one_norm(self, batch_norm, instance_norm)
        self.width = width
        self.depth = depth
        self.batch_norm = batch_norm
        self.spectral_norm = spectral_norm
        self.instance_norm = instance_norm
        layers_of = self._checked_layers()
        channels = (self.input_shape[0], *doubling(width, depth + 1))
        layers: list[nn.Module] = []
        for i in range(depth + 1):
            bias = not batch_norm or i == 0
            layers.append(layers_of.conv(channels[i], channels[i + 1], 4, 2 if i < depth else 1, 1, bias=bias))
            layers += [layers_of.batch_norm(channels[i + 1])] if batch_norm and i > 0 else []
            layers += [layers_of.instance_norm(channels[i + 1])] if instance_norm and i > 0 else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers)
        self.logits = layers_of.conv(channels[-1], 1, 4, 1, 1)
        self.apply(init_weights)
        if spectral_norm:
            normalize_spectrally(self)

    @property
    def multiple_of(self) -> int:
        """1: all sides from `least_side` on are accepted."""
        return 1

    @property
    def least_side(self) -> int:
        """The side whose last strided map has side 3; the two convolutions of stride 1 reduce that to one patch."""
        return 3 << self.depth

    def _checked_layers(self) -> Layers:
        layers = layers_for(self, self.shape)
        if min(self.shape[1:]) < self.least_side:
            least, got = (
                " x ".join(map(str, sides)) for sides in ([self.least_side] * layers.dimensions, self.shape[1:])
            )
            raise InputError(
                f"PatchDiscriminator of depth {self.depth} needs {layers.noun} of at least {least} and got {got}: set "
                "a lower depth"
            )
        return layers

    def forward(self, x: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Map images ``(n, *shape)``, of classes ``(n,)`` where it is conditional, to the logits of their patches.

        Returns:
            Logits ``(n · h · w,)``; features ``(n, ...)``, one row an image; the hidden maps after each activation.
        """
        x, hidden = self.prepare(x, self.shape, "shape", labels, self.multiple_of, self.least_side), []
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                hidden.append(x)
        return DiscriminatorOutput(self.logits(x).flatten(), x.flatten(1), labels, hidden=tuple(hidden))

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to the last hidden map, ``(n, channels, height, width)``."""
        return self.layers(x)


class MultiScalePatchDiscriminator(Discriminator):
    """One `PatchDiscriminator` of the images themselves, one of images half as large, and so on.

    Each coarser one sees the same number of pixels and so a larger part of the image: the finest looks at texture, the
    coarsest at composition. Images are halved by the mean of 3 x 3 pixels, of those inside the image at its border. An
    objective is summed over the scales. For n images it returns an output for each scale, the finest first.

    Paper: High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs,
    https://arxiv.org/abs/1711.11585, section 3.2. Its authors' code pads each convolution by 2 pixels where these pad
    by 1, as in pix2pix.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or of a signal or volume.
        scales: Discriminators.
        width: Channels of the first map of each.
        depth: Convolutions of stride 2 of each.
        instance_norm: Whether every hidden map but the first is normalized over each image.
        batch_norm: Whether it is normalized over the batch instead; set `instance_norm=False` with it.
        spectral_norm: Whether all weights are divided by their largest singular value.
        conditioning: How each is conditioned on the class; None for an unconditional discriminator.

    Raises:
        InputError: The shape has no side, more than three or a side that is too small for the scales and the depth; or
            both norms are set.
    """

    def __init__(
        self,
        shape: Shape,
        scales: int = 2,
        width: int = 64,
        depth: int = 3,
        instance_norm: bool = True,
        batch_norm: bool = False,
        spectral_norm: bool = False,
        conditioning: Concatenation | None = None,
    ) -> None:
        super().__init__(shape, conditioning=conditioning)
        require_positive(self, "scales", scales)
        require_positive(self, "depth", depth)
        require_one_norm(self, batch_norm, instance_norm)
        self.scales = scales
        self.width = width
        self.depth = depth
        self.instance_norm = instance_norm
        self.batch_norm = batch_norm
        self.spectral_norm = spectral_norm
        layers = layers_for(self, self.shape)
        if min(self.shape[1:]) < self.least_side:
            least, got = (
                " x ".join(map(str, sides)) for sides in ([self.least_side] * layers.dimensions, self.shape[1:])
            )
            raise InputError(
                f"{type(self).__name__} of {scales} scales and depth {depth} needs {layers.noun} of at least {least} "
                f"and got {got}: set fewer scales or a lower depth"
            )
        self.halve = layers.average_pool(3, 2, 1, count_include_pad=False)
        sides, parts = self.shape[1:], []
        for _ in range(scales):
            parts.append(
                PatchDiscriminator(
                    (self.shape[0], *sides), width, depth, batch_norm, spectral_norm, conditioning, instance_norm
                )
            )
            sides = halved(sides)
        self.parts = nn.ModuleList(parts)

    @property
    def multiple_of(self) -> int:
        """1: all sides from `least_side` on are accepted."""
        return 1

    @property
    def least_side(self) -> int:
        """The least side that, halved and rounded up for each further scale, is enough for a `PatchDiscriminator`."""
        return (((3 << self.depth) - 1) << (self.scales - 1)) + 1

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[DiscriminatorOutput, ...]:  # type: ignore[override]
        """Map images ``(n, *shape)``, of classes ``(n,)`` where it is conditional, to an output for each scale.

        Raises:
            InputError: The images have a shape that it does not accept, or it is conditional and the classes are
                missing.
        """
        self.prepare(x, self.shape, "shape", labels, self.multiple_of, self.least_side)
        outputs = []
        for index, part in enumerate(self.parts):
            x = self.halve(x) if index else x
            outputs.append(part(x, labels))
        return tuple(outputs)

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to the last hidden map of the finest, ``(n, channels, height, width)``."""
        return self.parts[0].features(x)  # type: ignore[operator,union-attr]


def require_one_norm(network: nn.Module, batch_norm: bool, instance_norm: bool) -> None:
    """Check that the maps of a network are not normalized twice.

    Raises:
        InputError: They are.
    """
    if batch_norm and instance_norm:
        raise InputError(
            f"{type(network).__name__} normalizes its maps over the batch or over each image, not both: set batch_norm "
            "or instance_norm to False"
        )
