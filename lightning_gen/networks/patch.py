"""The discriminator of PatchGAN, which gives a logit for each patch of an image.

Paper: Image-to-Image Translation with Conditional Adversarial Networks, https://arxiv.org/abs/1611.07004, section 3.2.2
and appendix 6.1.2
"""

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import Concatenation
from lightning_gen.networks.dcgan import init_weights
from lightning_gen.networks.discriminator import Discriminator, normalize_spectrally
from lightning_gen.networks.layers import Layers, layers_for
from lightning_gen.networks.pyramid import doubling
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import DiscriminatorOutput, Shape


class PatchDiscriminator(Discriminator):
    """Strided convolutions and one logit for each of many overlapping patches: it sees texture, not composition.

    `depth` convolutions of stride 2, one of stride 1 and one to the logits, all of kernel 4, with leaky ReLU between
    them. Depth 3 is the paper's network with patches of 70 x 70 pixels; depth 2 has patches of 34, depth 1 of 16.

    It returns n · h · w logits for n images, those of one image next to each other; an objective averages over images
    and patches. Gradient penalties need one logit for each sample and cannot be combined with it.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or of a signal or volume.
        width: Channels of the first map; each further one has twice as many, at most 8 `width`.
        depth: Convolutions of stride 2.
        batch_norm: Whether every hidden map but the first is normalized.
        spectral_norm: Whether all weights are divided by their largest singular value.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator.

    Raises:
        InputError: The shape has no side, more than three or a side that is too small for the depth.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 64,
        depth: int = 3,
        batch_norm: bool = True,
        spectral_norm: bool = False,
        conditioning: Concatenation | None = None,
    ) -> None:
        super().__init__(shape, conditioning=conditioning)
        require_positive(self, "width", width)
        require_positive(self, "depth", depth)
        self.width = width
        self.depth = depth
        self.batch_norm = batch_norm
        self.spectral_norm = spectral_norm
        layers_of = self._checked_layers()
        channels = (self.input_shape[0], *doubling(width, depth + 1))
        layers: list[nn.Module] = []
        for i in range(depth + 1):
            bias = not batch_norm or i == 0
            layers.append(layers_of.conv(channels[i], channels[i + 1], 4, 2 if i < depth else 1, 1, bias=bias))
            layers += [layers_of.batch_norm(channels[i + 1])] if batch_norm and i > 0 else []
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
