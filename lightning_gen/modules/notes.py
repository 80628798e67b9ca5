"""What must be finite in training, kept on the device until somebody looks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Blame:
    """What was not finite first.

    Attributes:
        player: Whose update it was part of.
        figure: What it is called.
        value: nan, inf or -inf.
        images: Training images seen with the batch.
    """

    player: str
    figure: str
    value: float
    images: int

    def __str__(self) -> str:
        return f"the {self.player}'s {self.figure} became {self.value} in the batch up to {self.images:,} images"


@dataclass(frozen=True)
class Note:
    """A scalar that must be finite; nobody has looked at it yet.

    Attributes:
        player: Whose update it is part of.
        figure: What it is called.
        value: The scalar, on the device.
        images: Training images seen with the batch.
        parts: Named scalars that it was made of.
        scaled: Whether it may overflow where a float16 scaler has yet to find its scale.
    """

    player: str
    figure: str
    value: Tensor
    images: int
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    scaled: bool = False

    def blame(self) -> Blame | None:
        """The first part that is not finite, else the scalar; None where the scalar is finite, whatever its parts."""
        if math.isfinite(float(self.value)):
            return None
        values = ((name, float(value)) for name, value in {**self.parts, self.figure: self.value}.items())
        name, value = next((name, value) for name, value in values if not math.isfinite(value))
        return Blame(self.player, name, value, self.images)
