"""What a discriminator returns, in one form."""

from typing import Any

from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.records import DiscriminatorOutput


def outputs_of(result: Any) -> tuple[DiscriminatorOutput, ...]:
    """The outputs that a discriminator returned as one output, as several, or as logits alone.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(result, DiscriminatorOutput):
        return (result,)
    if isinstance(result, Tensor):
        return (DiscriminatorOutput(result.flatten(), result.flatten(1) if result.ndim > 1 else result[:, None]),)
    if isinstance(result, (tuple, list)) and result:
        return tuple(output for each in result for output in outputs_of(each))
    raise InputError(
        f"a discriminator returned a {type(result).__name__}: let its forward return logits (n,), a "
        "lightning_gen.records.DiscriminatorOutput, or several of either"
    )
