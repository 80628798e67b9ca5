"""How much of a codebook is used."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.metrics.report import Measured, Measurement
from lightning_gen.records import Quantization


@dataclass(frozen=True)
class CodebookUse(Measured):
    """The result of `codebook_use`: means over the codebooks.

    Attributes:
        used_percent: Share of all codes that are used at least once, in percent.
        perplexity: exp(-Σ p log p) with p the share of each code in all uses: the number of equally frequent codes that
            have the same entropy. From 1 to the size of the codebook.
        sizes: Number of codes in each codebook.
        indices: Number of uses of the codes of one codebook.
    """

    used_percent: float
    perplexity: float
    sizes: tuple[int, ...]
    indices: int

    def measurements(self) -> tuple[Measurement, ...]:
        """The numbers with their meanings."""
        ceiling = f"at most {max(self.sizes)}, higher is better"
        return (
            Measurement("codebook_used_percent", self.used_percent, "share of the codes that the test split uses"),
            Measurement("perplexity", self.perplexity, f"equally frequent codes of the same entropy, {ceiling}"),
        )

    @property
    def protocol(self) -> dict[str, Any]:
        """How the codes were counted, as plain data."""
        return {
            "codebooks": len(self.sizes),
            "sizes": ", ".join(map(str, self.sizes)),
            "counted": f"{self.indices} codes a codebook, over the whole test split",
            "perplexity": "exp of the entropy in nats" + (", mean over codebooks" if len(self.sizes) > 1 else ""),
        }


def codebook_use(batches: Iterable[tuple[Quantization, ...]]) -> CodebookUse:
    """Count how often each code is used, over all batches; the perplexity of one batch would grow with its size.

    Args:
        batches: The quantizations of each batch, one a codebook.

    Raises:
        InputError: There is no batch, or the batches have no quantizations.
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
    used_percent, mean_perplexity = 100 * (sum(used) / len(counts)), sum(perplexities) / len(counts)
    return CodebookUse(used_percent, mean_perplexity, sizes, int(counts[0].sum()))


def perplexity(counts: Tensor) -> float:
    """The exponential of the entropy of the distribution that counts ``(size,)`` give."""
    p = counts.double() / counts.sum()
    return math.exp(float(torch.special.entr(p).sum()))
