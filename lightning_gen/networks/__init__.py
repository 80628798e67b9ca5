"""Networks: tensors to tensors, built from the shape of one sample; they know no loss."""

from lightning_gen.networks.base import Decoder, Discriminator, Encoder, Generator
from lightning_gen.networks.convolutional import ConvDecoder, ConvEncoder
from lightning_gen.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from lightning_gen.networks.dense import DenseDecoder, DenseDiscriminator, DenseEncoder, DenseGenerator

__all__ = [
    "ConvDecoder",
    "ConvEncoder",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "Decoder",
    "DenseDecoder",
    "DenseDiscriminator",
    "DenseEncoder",
    "DenseGenerator",
    "Discriminator",
    "Encoder",
    "Generator",
]
