"""Several discriminators of the same samples, each with logits of its own."""

from collections.abc import Mapping
from functools import cached_property
from math import lcm

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.discriminator import Discriminator
from lightning_gen.records import DiscriminatorOutput


class DiscriminatorEnsemble(Discriminator):
    """Discriminators of the same samples, such as of several periods and windows of a sound.

    It returns an output for each part, in their order. As with `MultiScalePatchDiscriminator`, objective, terms and
    penalties are computed from the logits of each part alone and summed over the parts, so that none counts more for
    its number of logits. Divide weights by the number of parts for the mean.

    In a recipe each part states its `shape`, that of the samples.

    Paper: HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis,
    https://arxiv.org/abs/2010.05646, sections 2.3 and 2.4, equations 7 and 8

    Args:
        parts: The discriminators by name.

    Raises:
        InputError: There is none, they are built for samples of several shapes or conditioned differently, or one packs
            samples.
    """

    def __init__(self, parts: dict[str, Discriminator]) -> None:
        require_alike(parts)
        first = next(iter(parts.values()))
        super().__init__(first.shape, conditioning=first.conditioning)
        self.parts = nn.ModuleDict(parts)

    @cached_property
    def mixes_samples(self) -> bool:
        """Whether a logit of some part depends on the rest of the batch."""
        return any(part.mixes_samples for part in self._parts())

    @property
    def multiple_of(self) -> int | None:
        """The sides of a sample may differ by what all parts accept; None if one accepts no other sides."""
        steps = [part.multiple_of for part in self._parts()]
        return None if None in steps else lcm(*(step for step in steps if step is not None))

    @property
    def least_side(self) -> int:
        """The smallest side that all parts accept."""
        return max(part.least_side for part in self._parts())

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[DiscriminatorOutput, ...]:  # type: ignore[override]
        """Map samples ``(n, *shape)``, of classes ``(n,)`` where it is conditional, to an output of each part.

        Raises:
            InputError: The samples have a shape that a part does not accept, or it is conditional and the classes are
                missing.
        """
        self.prepare(x, self.shape, "shape", labels, self.multiple_of, self.least_side)
        return tuple(part(x, labels) for part in self._parts())

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to the features of the first part."""
        return self._parts()[0].features(x)

    def _parts(self) -> list[Discriminator]:
        return list(self.parts.values())  # type: ignore[arg-type]


def require_alike(parts: Mapping[str, Discriminator]) -> None:
    """Check that discriminators can judge the same samples.

    Raises:
        InputError: There is none, one does not say which samples it judges, or they are of several shapes, conditioned
            differently or packing.
    """
    if not parts:
        raise InputError("DiscriminatorEnsemble has no discriminator: give at least one in its parts")
    for name, part in parts.items():
        if not hasattr(part, "shape") or not hasattr(part, "conditioning"):
            raise InputError(
                f"the part {name} is a {type(part).__name__}, which does not say the shape of its samples: give "
                "lightning_gen.networks.WrappedDiscriminator(network, shape)"
            )
        if part.packing > 1:
            raise InputError(
                f"the part {name} packs {part.packing} samples, and the parts of an ensemble judge each alone: set its "
                "packing to 1"
            )
    for noun, of_parts in (
        ("shapes", {name: part.shape for name, part in parts.items()}),
        ("kinds of conditioning", {n: (type(p.conditioning).__name__, p.num_classes) for n, p in parts.items()}),
    ):
        if len(set(of_parts.values())) > 1:
            listed = ", ".join(f"{name} {value}" for name, value in of_parts.items())
            raise InputError(
                f"the parts of a DiscriminatorEnsemble have several {noun}, {listed}: build all for the same samples"
            )
