"""Networks with published weights, which are read from files that are checked; nothing is downloaded."""

from lightning_gen.pretrained.frozen import Frozen
from lightning_gen.pretrained.lite0 import Lite0
from lightning_gen.pretrained.weights import PublishedWeights, read_published, sha256_of

__all__ = ["Frozen", "Lite0", "PublishedWeights", "read_published", "sha256_of"]
