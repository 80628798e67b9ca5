"""The check that weights are finite."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError


def check_finite(module: nn.Module, weights: Mapping[str, Any]) -> None:
    """Check that parameters are finite, and that buffers, such as BatchNorm's statistics, are not NaN.

    Args:
        module: The module.
        weights: Its parameters and buffers by their names.

    Raises:
        InputError: A value is not.
    """
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    for name, value in weights.items():
        if isinstance(value, Tensor) and value.dtype.is_floating_point:
            wrong = ~torch.isfinite(value) if name in parameters else torch.isnan(value)
            if wrong.any():
                raise InputError(
                    f"{int(wrong.sum()):,} of {wrong.numel():,} numbers of {name} in the checkpoint are not finite: "
                    "use an earlier one"
                )
