"""Networks map tensors to tensors; they are built for the shape of one sample and contain no loss."""

from lightning_gen.networks.conditioning import (
    AuxiliaryClassifier,
    ClassEmbedding,
    Concatenation,
    ConditionalBatchNorm,
    DiscriminatorConditioning,
    GeneratorConditioning,
    InnerProduct,
    Projection,
)
from lightning_gen.networks.convolutional import ConvDecoder, ConvEncoder
from lightning_gen.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from lightning_gen.networks.decoder import Decoder
from lightning_gen.networks.dense import DenseDecoder, DenseDiscriminator, DenseEncoder, DenseGenerator
from lightning_gen.networks.discriminator import Discriminator
from lightning_gen.networks.encoder import Encoder
from lightning_gen.networks.ensemble import DiscriminatorEnsemble
from lightning_gen.networks.fastgan import FastGANGenerator
from lightning_gen.networks.generator import Generator
from lightning_gen.networks.patch import MultiScalePatchDiscriminator, PatchDiscriminator
from lightning_gen.networks.projected import ProjectedDiscriminator
from lightning_gen.networks.r3gan import R3GANDiscriminator, R3GANGenerator
from lightning_gen.networks.residual import ResidualDecoder, ResidualEncoder
from lightning_gen.networks.residual_dense import ResidualDenseDiscriminator, ResidualDenseGenerator
from lightning_gen.networks.resnet import ResNetDiscriminator, ResNetGenerator
from lightning_gen.networks.resnet_translator import ResNetTranslator
from lightning_gen.networks.rrdb import RRDBNet
from lightning_gen.networks.sound import PeriodDiscriminator, SpectrogramDiscriminator
from lightning_gen.networks.srresnet import SRResNet
from lightning_gen.networks.translator import Translator
from lightning_gen.networks.unet import UNet
from lightning_gen.networks.wave import WaveDecoder, WaveEncoder
from lightning_gen.networks.wrapped import (
    WrappedDecoder,
    WrappedDiscriminator,
    WrappedEncoder,
    WrappedGenerator,
    WrappedTranslator,
)

__all__ = [
    "AuxiliaryClassifier",
    "ClassEmbedding",
    "Concatenation",
    "ConditionalBatchNorm",
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
    "DiscriminatorConditioning",
    "DiscriminatorEnsemble",
    "Encoder",
    "FastGANGenerator",
    "Generator",
    "GeneratorConditioning",
    "InnerProduct",
    "MultiScalePatchDiscriminator",
    "PatchDiscriminator",
    "PeriodDiscriminator",
    "ProjectedDiscriminator",
    "Projection",
    "R3GANDiscriminator",
    "R3GANGenerator",
    "RRDBNet",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "ResNetTranslator",
    "ResidualDecoder",
    "ResidualDenseDiscriminator",
    "ResidualDenseGenerator",
    "ResidualEncoder",
    "SRResNet",
    "SpectrogramDiscriminator",
    "Translator",
    "UNet",
    "WaveDecoder",
    "WaveEncoder",
    "WrappedDecoder",
    "WrappedDiscriminator",
    "WrappedEncoder",
    "WrappedGenerator",
    "WrappedTranslator",
]
