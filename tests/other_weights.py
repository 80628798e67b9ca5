"""Networks with random weights, in files as their authors publish them."""

import io
from unittest import mock

import pytest
import torch


def inception_file(folder, seed=0):
    """The Inception network of FID with random weights."""
    kind = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    with mock.patch.object(kind, "load_state_dict"):
        network = kind("inception-v3-compat", ["2048"], nothing)
    torch.manual_seed(seed)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.kaiming_normal_(parameter)
    torch.save(network.state_dict(), folder / f"inception{seed}.pth")
    return folder / f"inception{seed}.pth"


def dinov2_values(width=384, depth=12, side=37, seed=0):
    """Weights in the layout of DINOv2's ViT-S/14, which has another width than ViT-L/14 alone."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape, scale=0.02):
        return scale * torch.randn(*shape, generator=generator)

    values = {
        "cls_token": drawn(1, 1, width),
        "pos_embed": drawn(1, 1 + side**2, width, scale=0.5),
        "mask_token": drawn(1, width),
        "patch_embed.proj.weight": drawn(width, 3, 14, 14),
        "patch_embed.proj.bias": drawn(width),
    }
    for index in range(depth):
        sizes = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
        sizes |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
        for name, shape in sizes.items():
            values[f"blocks.{index}.{name}.weight"] = drawn(*shape, scale=0.05)
            values[f"blocks.{index}.{name}.bias"] = drawn(shape[0])
        for name in ("norm1", "norm2"):
            values[f"blocks.{index}.{name}.weight"] = 1 + drawn(width)
            values[f"blocks.{index}.{name}.bias"] = drawn(width)
        for name in ("ls1", "ls2"):
            values[f"blocks.{index}.{name}.gamma"] = 0.5 + drawn(width)
    return values | {"norm.weight": 1 + drawn(width), "norm.bias": drawn(width)}
