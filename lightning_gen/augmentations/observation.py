"""Random transforms of an autoencoder's input, which then is a model of the transformed samples."""

import torch
from torch import Tensor

from lightning_gen.augmentations.base import Augmentation

FINE = 2**14
"""Number of values of the noise in `Dequantization`: the most that float32 adds to a pixel without rounding."""


class Binarization(Augmentation):
    """Sets each pixel to white, 1, with probability (x + 1) / 2, or else to black, -1. For images in [-1, 1] only.

    This is dynamic binarisation, sampled again each time an image is read: a likelihood of black and white pixels is
    normalised, and the mean of the binary images is the original one.

    Paper: On the Quantitative Analysis of Deep Belief Networks, https://doi.org/10.1145/1390156.1390266
    """

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return images ``(n, *shape)`` with pixels -1 and 1."""
        u = torch.rand(x.shape, generator=generator, device=generator.device).to(x.device)
        return 2 * (u < (x + 1) / 2).to(x) - 1


class Dequantization(Augmentation):
    """Adds uniform noise to 8-bit values, over the width of one value, so that pixels have a density. For images only.

    A pixel x = 2 v / 255 - 1 with v = 0...255 becomes y = 2 (v + u) / 256 - 1 in [-1, 1), with u uniform between 0 and
    1; its value is v = ⌊128 (y + 1)⌋. E[-log p(y)] then is an upper bound on the code length of the 8-bit pixels;
    `Likelihood.bits_per_dim` converts it to bits. u is one of 2¹⁴ evenly spaced numbers, (i + ½) / 2¹⁴, so that float32
    never rounds it up to the next value.

    Paper: A note on the evaluation of generative models, https://arxiv.org/abs/1511.01844, section 3.1
    """

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return images ``(n, *shape)`` in [-1, 1), at least float32."""
        value = ((x.float() + 1) * 127.5).round()
        u = torch.randint(FINE, x.shape, generator=generator, device=generator.device).to(value) + 0.5
        return (value + u / FINE) / 128 - 1
