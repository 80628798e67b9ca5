"""Scalars that must be finite in training, kept on the device until they are checked."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class NonFinite:
    """The first value that was not finite.

    Attributes:
        phase: The phase whose update it was part of.
        quantity: Its name.
        value: nan, inf or -inf.
        images: Training images seen with the batch.
    """

    phase: str
    quantity: str
    value: float
    images: int

    def sentence(self, noun: str) -> str:
        """What became of which value, and when; `noun` is what samples are, in the plural."""
        return f"the {self.phase}'s {self.quantity} became {self.value} in the batch up to {self.images:,} {noun}"


@dataclass(frozen=True)
class FiniteRecord:
    """A scalar that must be finite and is not checked yet.

    Attributes:
        phase: The phase whose update it is part of.
        quantity: Its name.
        value: The scalar, on the device.
        images: Training images seen with the batch.
        parts: Named scalars from which it was computed.
        scaled: Whether it may overflow while a float16 scaler still looks for its scale.
    """

    phase: str
    quantity: str
    value: Tensor
    images: int
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    scaled: bool = False

    def non_finite(self) -> NonFinite | None:
        """The first part that is not finite, else the scalar; None if the scalar is finite."""
        if math.isfinite(float(self.value)):
            return None
        values = ((name, float(value)) for name, value in {**self.parts, self.quantity: self.value}.items())
        name, value = next((name, value) for name, value in values if not math.isfinite(value))
        return NonFinite(self.phase, name, value, self.images)


class FiniteRecords(list[FiniteRecord]):
    """Scalars of the latest updates that must be finite, in the order of time; adding reads no value back."""

    def add_loss(self, phase: str, total: Tensor, terms: Mapping[str, Tensor], images: int) -> None:
        """Add a loss before its update."""
        parts = {name: value.detach() for name, value in terms.items()}
        self.append(FiniteRecord(phase, "loss", total.detach(), images, parts))

    def add_gradient(self, phase: str, parameters: Iterable[nn.Parameter], images: int) -> None:
        """Add the norm of the first gradient of some parameters, after unscaling and before the update.

        A gradient that is not finite in a later layer has propagated to this one; the norm of all gradients would take
        a pass over them in each step.
        """
        first = next((parameter.grad for parameter in parameters if parameter.grad is not None), None)
        if first is not None:
            self.append(FiniteRecord(phase, "gradient", torch.linalg.vector_norm(first), images, scaled=True))

    def add_weights(self, quantity: str, networks: Mapping[str, nn.Module], images: int) -> None:
        """Add the norms of all weights of networks."""
        norms = {name: nn.utils.get_total_norm(list(network.parameters())) for name, network in networks.items()}
        self += [FiniteRecord(name, quantity, norm.detach(), images) for name, norm in norms.items()]
