"""Networks with published weights, which are read from files that are checked; nothing is downloaded."""

from lightning_gen.pretrained.dinov2 import DINOv2
from lightning_gen.pretrained.frozen import Frozen
from lightning_gen.pretrained.inception import Inception
from lightning_gen.pretrained.lite0 import Lite0
from lightning_gen.pretrained.weights import (
    PublishedWeights,
    StoredWeights,
    downloaded,
    read_weights,
    sha256_of,
)

__all__ = [
    "DINOv2",
    "Frozen",
    "Inception",
    "Lite0",
    "PublishedWeights",
    "StoredWeights",
    "downloaded",
    "read_weights",
    "sha256_of",
]
