"""Observations: what an autoencoder is a model of, where that is a random view of the samples."""

import torch
from torch import Tensor

from lightning_gen.augmentations.base import Augmentation

FINE = 2**14
"""Numbers between two 8-bit values that `Dequantization` draws: as many as float32 holds without rounding."""


class Binarization(Augmentation):
    """Makes each pixel white, 1, with probability (x + 1) / 2 and else black, -1. For images in [-1, 1] only.

    Drawn anew whenever a picture is looked at, this is dynamic binarisation: a likelihood of black and white pixels is
    then normalised, and the mean of what is drawn is the picture.

    Paper: On the Quantitative Analysis of Deep Belief Networks, https://doi.org/10.1145/1390156.1390266
    """

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return images ``(n, *shape)`` of -1 and 1."""
        u = torch.rand(x.shape, generator=generator, device=generator.device).to(x.device)
        return 2 * (u < (x + 1) / 2).to(x) - 1


class Dequantization(Augmentation):
    """Spreads each 8-bit value over the step that it stands for, so that pixels have a density. For images only.

    A pixel comes in as x = 2 v / 255 - 1 with v = 0...255 and becomes 2 (v + u) / 256 - 1 with u drawn uniformly
    between 0 and 1, which lies in [-1, 1): v = ⌊128 (y + 1)⌋ gets it back. Then E[-log p(y)] is at least the code
    length of the 8-bit pixels, nats per sample turned to bits by `Likelihood.bits_per_dim`. u is one of 2¹⁴ evenly
    spaced numbers, (i + ½) / 2¹⁴, so that float32 never rounds it up into the next step.

    Paper: A note on the evaluation of generative models, https://arxiv.org/abs/1511.01844, section 3.1
    """

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return images ``(n, *shape)`` in [-1, 1), at least float32."""
        value = ((x.float() + 1) * 127.5).round()
        u = torch.randint(FINE, x.shape, generator=generator, device=generator.device).to(value) + 0.5
        return (value + u / FINE) / 128 - 1
