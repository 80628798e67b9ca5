"""Bottlenecks map features to a code, and give its distribution if it has one; they never see the decoder."""

from lightning_gen.bottlenecks.base import Bottleneck
from lightning_gen.bottlenecks.codebook import CodebookLearning, GradientDescent, MovingAverage
from lightning_gen.bottlenecks.finite_scalar import FiniteScalarQuantizer
from lightning_gen.bottlenecks.gaussian import GaussianBottleneck
from lightning_gen.bottlenecks.hierarchical import HierarchicalBottleneck
from lightning_gen.bottlenecks.identity import IdentityBottleneck
from lightning_gen.bottlenecks.quantizer import Quantizer
from lightning_gen.bottlenecks.sparse import SigmoidBottleneck, TopKBottleneck
from lightning_gen.bottlenecks.vector_quantizer import ResidualQuantizer, VectorQuantizer

__all__ = [
    "Bottleneck",
    "CodebookLearning",
    "FiniteScalarQuantizer",
    "GaussianBottleneck",
    "GradientDescent",
    "HierarchicalBottleneck",
    "IdentityBottleneck",
    "MovingAverage",
    "Quantizer",
    "ResidualQuantizer",
    "SigmoidBottleneck",
    "TopKBottleneck",
    "VectorQuantizer",
]
