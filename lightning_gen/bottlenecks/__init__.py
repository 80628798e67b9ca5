"""Bottlenecks: features to a code, with its distribution where it has one; they never see the decoder."""

from lightning_gen.bottlenecks.base import Bottleneck
from lightning_gen.bottlenecks.gaussian import GaussianBottleneck
from lightning_gen.bottlenecks.identity import IdentityBottleneck

__all__ = ["Bottleneck", "GaussianBottleneck", "IdentityBottleneck"]
