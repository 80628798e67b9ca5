"""Weights that are numbers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError


def check_finite(module: nn.Module, weights: Mapping[str, Any]) -> None:
    """Check that weights are finite, and that nothing beside them, such as BatchNorm's statistics, is not a number.

    Args:
        module: Of whom they are.
        weights: Its weights and buffers by their names.

    Raises:
        InputError: One is not.
    """
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    for name, value in weights.items():
        if isinstance(value, Tensor) and value.dtype.is_floating_point:
            wrong = ~torch.isfinite(value) if name in parameters else torch.isnan(value)
            if wrong.any():
                raise InputError(
                    f"the checkpoint holds {int(wrong.sum()):,} of {wrong.numel():,} numbers of {name} that are not "
                    "finite, nothing can be computed with it: use an earlier one"
                )
