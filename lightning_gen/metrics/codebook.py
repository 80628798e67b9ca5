"""How much of a codebook is used."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.metrics.report import Figure
from lightning_gen.records import Quantization


@dataclass(frozen=True)
class CodebookUse:
    """What `codebook_use` found; of several codebooks the mean over them.

    Attributes:
        used_percent: Share of all codes that were used at all.
        perplexity: exp(-Σ p log p) with p how often each code was used: that many codes, used equally often, would be
            as varied. From 1 to the size of the codebook.
        sizes: Codes in each codebook.
        indices: Times that a code of the first codebook was used.
    """

    used_percent: float
    perplexity: float
    sizes: tuple[int, ...]
    indices: int

    def figures(self) -> tuple[Figure, ...]:
        """The numbers with what they mean."""
        ceiling = f"at most {max(self.sizes)}, higher is better"
        return (
            Figure("codebook_used_percent", self.used_percent, "share of the codes that the test split uses at all"),
            Figure("perplexity", self.perplexity, f"equally frequent codes that would be as varied, {ceiling}"),
        )

    @property
    def protocol(self) -> dict[str, Any]:
        """How it was counted, as plain data."""
        return {
            "codebooks": len(self.sizes),
            "sizes": ", ".join(map(str, self.sizes)),
            "counted": f"{self.indices} codes a codebook, over the whole test split",
            "perplexity": "exp of the entropy in nats" + (", mean over codebooks" if len(self.sizes) > 1 else ""),
        }


def codebook_use(batches: Iterable[tuple[Quantization, ...]]) -> CodebookUse:
    """Count over all batches which codes were used; a figure of one batch would grow with the size of the batch.

    Args:
        batches: What the codebooks made of each batch, one after another.

    Raises:
        InputError: There is no batch, or it comes from no codebook.
    """
    counts: list[Tensor] = []
    for quantizations in batches:
        found = [torch.bincount(each.indices.flatten().cpu(), minlength=each.size) for each in quantizations]
        counts = [a + b for a, b in zip(counts, found, strict=True)] if counts else found
    if not counts:
        raise InputError("no codebook was used: give the codes of a bottleneck that quantizes")
    used = [float((count > 0).double().mean()) for count in counts]
    perplexities = [perplexity(count) for count in counts]
    sizes = tuple(len(count) for count in counts)
    return CodebookUse(100 * mean(used), mean(perplexities), sizes, int(counts[0].sum()))


def perplexity(counts: Tensor) -> float:
    """The exponential of the entropy of the distribution with such counts, ``(size,)``."""
    p = counts.double() / counts.sum()
    return math.exp(float(torch.special.entr(p).sum()))


def mean(values: list[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)
