"""The quantizer without a codebook: each number of the code takes one of a few values."""

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from operator import mul

import torch
from torch import Tensor

from lightning_gen.bottlenecks.base import require_features
from lightning_gen.bottlenecks.quantizer import Quantizer, quantized, require_indices
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT
from lightning_gen.records import Code, Quantization
from lightning_gen.terms import at_least_float32

MARGIN = 1e-3
"""Share by which tanh's range is narrowed, so that no feature, however large, is rounded beyond the last level."""


class FiniteScalarQuantizer(Quantizer):
    """Bounds each number of the code by tanh and rounds it to one of a few levels, with a straight-through gradient.

    A code of d numbers has prod(levels) values. None of them is learned, so the objective needs no term for them and no
    code can die. With L levels in a dimension and l = (L - 1)(1 - 1e-3) / 2, z becomes
    round(l tanh(z + s) - o) / ⌊L / 2⌋. For an even L o is ½, which moves the levels off 0, and s = tan(o / l) maps
    z = 0 to 0, to within 1e-3; for an odd L o = s = 0. With two levels the paper's s would round almost every code of a
    new encoder to the upper one, 0, which l does not reach: here s = 0 then, and the sign of z decides. The computation
    is in float32; the code is exact in narrower types too.

    Paper: Finite Scalar Quantization: VQ-VAE Made Simple, https://arxiv.org/abs/2309.15505, section 3.1, appendix A.1

    Args:
        levels: Levels of each number of the code, at least 2 each; (8, 5, 5, 5) gives 1,000 codes.

    Raises:
        InputError: The list is empty, or a number has fewer than 2 levels.
    """

    sizes: Tensor
    basis: Tensor

    def __init__(self, levels: Sequence[int] = (8, 5, 5, 5)) -> None:
        if not levels or any(each not in COUNT or each < 2 for each in levels):
            raise InputError(
                f"FiniteScalarQuantizer cannot tell anything apart with levels {list(levels)}: give one number of at "
                "least 2 for each dimension of the code, such as [8, 5, 5, 5]"
            )
        super().__init__(len(levels))
        self.levels = tuple(levels)
        self.register_buffer("sizes", torch.tensor(self.levels), persistent=False)
        basis = list(accumulate((1, *self.levels[:-1]), mul))
        self.register_buffer("basis", torch.tensor(basis), persistent=False)

    @property
    def size(self) -> int:
        """Number of codes."""
        return prod(self.levels)

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Map features ``(n, latent_dim, ...)`` to a code of the same shape in [-1, 1]; it is deterministic."""
        require_features(self, features)
        bounded = self.bound(at_least_float32(features))
        steps, halves = bounded.detach().round(), self.halves(bounded)
        found = Quantization(bounded / halves, steps / halves, self.indices(steps), self.size)
        return quantized(found.features, found.vectors, (found,), features.dtype)

    def bound(self, features: Tensor) -> Tensor:
        """Bound features ``(n, latent_dim, ...)`` so that rounding gives as many integers as there are levels."""
        sizes = beside(self.sizes, features)
        half, offset = (sizes - 1) * (1 - MARGIN) / 2, (1 - sizes % 2) / 2
        shift = torch.where(offset < half, torch.tan(offset / half), 0)
        return half * torch.tanh(features + shift) - offset

    def halves(self, x: Tensor) -> Tensor:
        """The divisor that maps the integers of ``(n, latent_dim, ...)`` to [-1, 1]: ``⌊L / 2⌋``."""
        return beside(self.sizes // 2, x).float()

    def indices(self, steps: Tensor) -> Tensor:
        """The mixed-radix index ``(n, ...)``, int64, of integers ``(n, latent_dim, ...)``, the first digit fastest."""
        digits = (steps + self.halves(steps)).long()
        return (digits * beside(self.basis, digits)).sum(1)

    @torch.no_grad()
    def codes_of(self, indices: Sequence[Tensor]) -> Tensor:
        """The levels of indices ``(n, ...)``; the list holds one tensor, as for one codebook."""
        require_indices(self, indices, 1)
        digits = indices[0].unsqueeze(1)
        digits = digits // beside(self.basis, digits) % beside(self.sizes, digits)
        halves = self.halves(digits)
        return (digits - halves) / halves

    @torch.no_grad()
    def quantize(self, code: Tensor) -> Tensor:
        """Round each number of codes ``(n, latent_dim, ...)`` to its nearest level; without a gradient."""
        halves, wide = self.halves(code), at_least_float32(code)
        steps = (wide * halves).round().clamp(-halves, beside(self.sizes, code) - 1 - halves)
        return (steps / halves).to(code.dtype)


def beside(values: Tensor, x: Tensor) -> Tensor:
    """Values of each dimension, ``(d,)``, in a shape that broadcasts with ``(n, d, ...)``."""
    return values.view(-1, *[1] * (x.ndim - 2))
