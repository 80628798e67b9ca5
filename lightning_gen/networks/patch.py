"""The discriminator of PatchGAN, which judges each patch of a picture for itself.

Paper: Image-to-Image Translation with Conditional Adversarial Networks, https://arxiv.org/abs/1611.07004, section 3.2.2
and appendix 6.1.2
"""

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import Concatenation
from lightning_gen.networks.dcgan import draw_weights
from lightning_gen.networks.players import Discriminator, normalize_spectrally
from lightning_gen.networks.pyramid import doubling
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import DiscriminatorOutput, Shape


class PatchDiscriminator(Discriminator):
    """Strided convolutions and one logit for each of many patches that overlap: texture is judged, not composition.

    `depth` convolutions of stride 2, one of stride 1 and one to the logits, all of kernel 4, with leaky ReLU between
    them. Depth 3 is the paper's network with patches of 70 x 70 pixels; depth 2 has patches of 34, depth 1 of 16.

    It gives n · h · w logits for n pictures, those of one picture next to each other: an objective averages over
    pictures and patches. Gradient penalties, which are of one logit a sample, do not go with it.

    Args:
        shape: Shape of one picture, ``(channels, height, width)``.
        width: Channels of the first map; each further one has twice as many, at most 8 `width`.
        depth: Convolutions of stride 2.
        batch_norm: Whether every hidden map but the first is normalised.
        spectral_norm: Whether all weights are divided by their largest singular value.
        conditioning: How it learns which class to expect; None to expect all.

    Raises:
        InputError: The shape is not that of a picture, or the picture is too small for the depth.
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
        self._check_size()
        channels = (self.input_shape[0], *doubling(width, depth + 1))
        layers: list[nn.Module] = []
        for i in range(depth + 1):
            bias = not batch_norm or i == 0
            layers.append(nn.Conv2d(channels[i], channels[i + 1], 4, 2 if i < depth else 1, 1, bias=bias))
            layers += [nn.BatchNorm2d(channels[i + 1])] if batch_norm and i > 0 else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers)
        self.logits = nn.Conv2d(channels[-1], 1, 4, 1, 1)
        self.apply(draw_weights)
        if spectral_norm:
            normalize_spectrally(self)

    def _check_size(self) -> None:
        if len(self.shape) != 3:
            raise InputError(
                f"PatchDiscriminator needs pictures of shape (channels, height, width) and got samples of shape "
                f"{self.shape}: use DenseDiscriminator, which takes any shape"
            )
        if min(self.shape[1:]) >> self.depth < 3:
            raise InputError(
                f"PatchDiscriminator of depth {self.depth} needs pictures of at least {3 << self.depth} x "
                f"{3 << self.depth} and got {self.shape[1]} x {self.shape[2]}: set its depth lower"
            )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Map images ``(n, *shape)``, of classes ``(n,)`` where it is conditional, to the logits of their patches.

        Returns:
            Logits ``(n · h · w,)``; features ``(n, ...)``, one row an image; the hidden maps after each activation.
        """
        x, hidden = self.prepare(x, self.shape, "shape", labels), []
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                hidden.append(x)
        return DiscriminatorOutput(self.logits(x).flatten(), x.flatten(1), labels, hidden=tuple(hidden))

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to the last hidden map, ``(n, channels, height, width)``."""
        return self.layers(x)
