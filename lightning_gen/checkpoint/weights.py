"""Weights by their names: those of compiled networks, and those of another model as far as they fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

COMPILED = "_orig_mod."
"""What ``torch.compile`` puts into the names of a network's weights."""


def named_as(module: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that a module has for them, whether either of both was compiled."""
    own = {name.replace(COMPILED, ""): name for name in module.state_dict()}
    plain = {name: name.replace(COMPILED, "") for name in weights}
    return {own.get(plain[name], plain[name]): weight for name, weight in weights.items()}


@dataclass(frozen=True)
class Fit:
    """What of some weights a module can take.

    Attributes:
        taken: The weights that it can take, by name.
        missing: Names of its tensors that the weights lack.
        other_shapes: Its tensors that have another shape there: ``name (theirs, here ours)``.
        left: Names of weights that it has no tensor for.
    """

    taken: dict[str, Tensor] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    other_shapes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def fit(module: nn.Module, weights: Mapping[str, Tensor]) -> Fit:
    """Compare weights with the tensors of a module, by name and shape."""
    own, given = module.state_dict(), named_as(module, weights)
    found = Fit(left=[name for name in given if name not in own])
    for name, tensor in own.items():
        if name not in given:
            found.missing.append(name)
        elif given[name].shape != tensor.shape:
            found.other_shapes.append(f"{name} ({size(given[name])}, here {size(tensor)})")
        else:
            found.taken[name] = given[name]
    return found


def size(tensor: Tensor) -> str:
    """A tensor's shape, as 64 x 3 x 4 x 4."""
    return " x ".join(map(str, tensor.shape)) or "a number"
