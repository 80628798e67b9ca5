"""A pass through a compiled discriminator with the gradients at its input, which penalties differentiate again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vjp

from lightning_gen.records import DiscriminatorOutput
from lightning_gen.training.outputs import outputs_of


@dataclass(frozen=True)
class Judged:
    """The result of `judged`.

    Attributes:
        outputs: What the discriminator returned.
        gradients: For each output the gradient of its summed logits at the samples, ``(n, *shape)``; it can be
            differentiated by the weights.
    """

    outputs: Sequence[DiscriminatorOutput]
    gradients: Sequence[Tensor]


def judged(discriminator: nn.Module, x: Tensor, labels: Tensor | None) -> Judged:
    """Samples through a compiled discriminator, with the gradients at them.

    Code that torch compiles has one derivative alone. So the gradient at the samples is part of what is compiled, and
    the gradient of a penalty at the weights is the one derivative.

    Args:
        discriminator: A network with a `backend`, as `Compile` sets it.
        x: Samples ``(n, *shape)``.
        labels: Their classes ``(n,)``, or None.
    """
    found, gradients = compiled(discriminator.backend)(discriminator, x, labels)
    return Judged([DiscriminatorOutput(**each) for each in found], gradients)


@cache
def compiled(backend: str) -> Any:
    """The compiled `with_gradients`."""
    return torch.compile(with_gradients, backend=backend)


def with_gradients(
    discriminator: nn.Module, x: Tensor, labels: Tensor | None
) -> tuple[list[dict[str, Any]], list[Tensor]]:
    """The outputs of a discriminator as plain data, which torch's transforms can return, and the gradients."""

    def run(x: Tensor) -> tuple[tuple[Tensor, ...], list[dict[str, Any]]]:
        outputs = outputs_of(discriminator(x, labels))
        return tuple(each.logits for each in outputs), [plain(each) for each in outputs]

    taken: Any = vjp(run, x, has_aux=True)  # torch declares two values
    logits, pull, found = taken
    gradients = []
    for one in range(len(logits)):
        of_one = tuple(torch.ones_like(y) if k == one else torch.zeros_like(y) for k, y in enumerate(logits))
        gradients.append(pull(of_one)[0])
    return found, gradients


def plain(output: DiscriminatorOutput) -> dict[str, Any]:
    """The arguments of an output that are given."""
    found: dict[str, Any] = {"logits": output.logits, "features": output.features, "hidden": output.hidden}
    if output.labels is not None:
        found["labels"] = output.labels
    if output.class_logits is not None:
        found["class_logits"] = output.class_logits
    return found
