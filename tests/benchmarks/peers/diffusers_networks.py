"""The networks of diffusers' AutoencoderKL as an encoder and a decoder of this library, and as they are."""

from typing import Any

from torch import Tensor

from lightning_gen.networks import Decoder, Encoder
from lightning_gen.records import Shape

CODES, CHANNELS = 4, (16, 32, 32)
"""Maps of codes, and the channels of each size: about as many weights as in ``autoencoder/kl``."""
DOWNSAMPLED = 2 ** (len(CHANNELS) - 1)


def autoencoder(shape: Shape) -> Any:
    """An AutoencoderKL for images of a shape, and otherwise as diffusers builds it."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=shape[0],
        out_channels=shape[0],
        down_block_types=("DownEncoderBlock2D",) * len(CHANNELS),
        up_block_types=("UpDecoderBlock2D",) * len(CHANNELS),
        block_out_channels=CHANNELS,
        latent_channels=CODES,
        norm_num_groups=16,
        sample_size=shape[1],
    )


class DiffusersEncoder(Encoder):
    """Its encoder."""

    def __init__(self, shape: Shape, features: int) -> None:
        super().__init__(shape, features)
        whole = autoencoder(shape)
        self.encoder, self.last = whole.encoder, whole.quant_conv

    @property
    def map_size(self) -> Shape:
        return tuple(side // DOWNSAMPLED for side in self.shape[1:])

    def encode(self, x: Tensor) -> Tensor:
        return self.last(self.encoder(x))


class DiffusersDecoder(Decoder):
    """Its decoder."""

    def __init__(self, shape: Shape, latent_dim: int, outputs: int | None = None) -> None:
        super().__init__(shape, latent_dim, outputs)
        whole = autoencoder(shape)
        self.first, self.decoder = whole.post_quant_conv, whole.decoder

    @property
    def map_size(self) -> Shape:
        return tuple(side // DOWNSAMPLED for side in self.shape[1:])

    def decode(self, code: Tensor) -> Tensor:
        return self.decoder(self.first(code))
