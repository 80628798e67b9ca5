"""DINOv2 with random weights in its authors' layout, against their forward pass written out."""

import numpy as np
import pytest
import torch
from other_weights import dinov2_values
from PIL import Image
from torch.nn.functional import conv2d, gelu, interpolate, layer_norm, linear

from lightning_gen.errors import InputError
from lightning_gen.pretrained import DINOv2, StoredWeights
from lightning_gen.pretrained.dinov2 import positions, resized_by_pillow

pytest.importorskip("timm")

SMALL = "vit_small_patch14_dinov2"


def images(count=2, side=50):
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(3)).to(torch.uint8)


def written_out(x, values, heads=6, depth=12):
    """The class token of a normalised image ``(n, 3, 224, 224)``."""

    def norm(tokens, name):
        return layer_norm(tokens, tokens.shape[-1:], values[f"{name}.weight"], values[f"{name}.bias"], 1e-6)

    def layer(tokens, name):
        return linear(tokens, values[f"{name}.weight"], values[f"{name}.bias"])

    patches = conv2d(x, values["patch_embed.proj.weight"], values["patch_embed.proj.bias"], stride=14)
    tokens = torch.cat([values["cls_token"].expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], 1)
    square = values["pos_embed"][:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2)
    place = interpolate(square, scale_factor=(16.1 / 37, 16.1 / 37), mode="bicubic", antialias=False)
    tokens = tokens + torch.cat([values["pos_embed"][:, :1], place.permute(0, 2, 3, 1).reshape(1, 256, -1)], 1)
    for index in range(depth):
        block = f"blocks.{index}"
        q, k, v = layer(norm(tokens, f"{block}.norm1"), f"{block}.attn.qkv").unflatten(2, (3, heads, -1)).unbind(2)
        scores = torch.einsum("nqhc,nkhc->nhqk", q, k) / q.shape[-1] ** 0.5
        mixed = torch.einsum("nhqk,nkhc->nqhc", scores.softmax(-1), v).flatten(2)
        tokens = tokens + values[f"{block}.ls1.gamma"] * layer(mixed, f"{block}.attn.proj")
        wide = gelu(layer(norm(tokens, f"{block}.norm2"), f"{block}.mlp.fc1"))
        tokens = tokens + values[f"{block}.ls2.gamma"] * layer(wide, f"{block}.mlp.fc2")
    return norm(tokens, "norm")[:, 0]


def test_features_are_those_of_its_authors_forward_pass():
    values, pixels = dinov2_values(), images()
    resized = np.stack(
        [np.asarray(Image.fromarray(x.permute(1, 2, 0).numpy()).resize((224, 224), Image.BICUBIC)) for x in pixels]
    )
    x = torch.from_numpy(resized).permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    found = DINOv2(StoredWeights(values, "0" * 64, False), SMALL)(pixels)
    torch.testing.assert_close(found, written_out(x, values), rtol=1e-4, atol=1e-4)


def test_positions_of_as_many_patches_stay():
    stored = torch.randn(1, 1 + 256, 4)
    assert torch.equal(positions(stored, 16), stored)
    assert positions(torch.randn(1, 1 + 37**2, 4), 16).shape == (1, 257, 4)


def test_weights_of_another_network_are_refused_in_a_sentence():
    for values in ({"a": torch.zeros(3)}, dinov2_values(depth=2)):
        with pytest.raises(InputError, match=r"of another network than DINOv2.*get dinov2_vitl14_pretrain.pth by http"):
            DINOv2(StoredWeights(values, "0" * 64, False), SMALL)


def test_images_that_have_the_size_stay_as_they_are():
    assert torch.equal(resized_by_pillow(images(side=224), 224), images(side=224).float())
