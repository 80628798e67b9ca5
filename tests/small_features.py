"""A network that takes no time, in the place of a published one."""

import torch
from torch import nn

from lightning_gen.inference import Inference
from lightning_gen.metrics.pretrained_features import FeatureNetwork, FigureNames, PretrainedFeatures
from lightning_gen.pretrained.weights import LITE0


def small_features(folder, num_features=6, num_classes=0, most=10_000):
    """A random convolution of pixels, averaged."""
    layer = nn.Conv2d(3, num_features + num_classes, 3, padding=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        layer.bias.zero_()
    kind = FeatureNetwork(
        "a convolution",
        LITE0,
        FigureNames.of("small"),
        lambda weights: layer,
        lambda network, pixels: network(pixels.float() / 255).relu().mean((2, 3)),
        num_features,
        "as it is",
        (),
        lambda: None,
        num_classes,
        most=most,
    )
    return PretrainedFeatures(kind, layer.requires_grad_(False), "0" * 64, kind.names, Inference(), folder)
