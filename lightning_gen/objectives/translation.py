"""Terms of the objective of a translator: distances of translations from what is known of them."""

from collections.abc import Mapping, Sequence

from torch import Tensor
from torch.nn.functional import l1_loss

from lightning_gen.records import Reconstruction, Translation
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term, at_least_float32


class AbsoluteError(Term):
    """The mean absolute difference of translations from their targets, E|y - G(x)|, over all their numbers.

    Images are in [-1, 1], so it is at most 2. It is a mean, as in the paper, and not a likelihood in nats, which would
    be a sum; `LaplaceLikelihood` is that sum for autoencoders.

    Paper: Image-to-Image Translation with Conditional Adversarial Networks, https://arxiv.org/abs/1611.07004,
    equation 3, with weight 100

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
    """

    of_translations = True
    needs_pairs = True

    def __init__(self, weight: float | Schedule = 100.0) -> None:
        super().__init__(weight)

    def forward(self, record: Reconstruction | Translation) -> Tensor:
        """Return the mean absolute difference, a scalar in [0, 2] for images."""
        return mean_absolute_error(record.samples, record.x)


class TranslationTerm(Term):
    """A term that reads a `Translation` alone.

    Attributes:
        feature_names: Names of the maps of the translator's encoder that it reads.
    """

    of_reconstructions = False
    of_translations = True
    feature_names: Sequence[str] = ()

    def build(self, feature_channels: Mapping[str, int]) -> None:
        """Make the layers whose widths depend on the translator; called once, when the module is built.

        Args:
            feature_channels: Channels of the maps of its encoder by their names, from the finest on.

        Raises:
            InputError: The translator lacks a map that the term reads.
        """

    def forward(self, record: Translation) -> Tensor:
        """Return the unweighted term of a translation, a scalar."""
        raise NotImplementedError


class CycleConsistency(TranslationTerm):
    """The mean absolute difference of sources from their translations translated back, E|x - F(G(x))|.

    Paper: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
    https://arxiv.org/abs/1703.10593, equation 2, with weight 10; each direction has its own term.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
    """

    def __init__(self, weight: float | Schedule = 10.0) -> None:
        super().__init__(weight)

    def forward(self, record: Translation) -> Tensor:
        """Return the mean absolute difference, a scalar in [0, 2] for images.

        Raises:
            InputError: Nothing translates back.
        """
        return mean_absolute_error(record.cycled, record.source)


class IdentityMapping(TranslationTerm):
    """A translator leaves images of its target domain as they are: E|y - G(y)|.

    It keeps colours where nothing else forbids to invert them, and needs sources and targets of one shape.

    Paper: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
    https://arxiv.org/abs/1703.10593, section 5.2, with half the weight of the cycle, which is 5

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
    """

    def __init__(self, weight: float | Schedule = 5.0) -> None:
        super().__init__(weight)

    def forward(self, record: Translation) -> Tensor:
        """Return the mean absolute difference, a scalar in [0, 2] for images.

        Raises:
            InputError: Targets are of another shape than sources.
        """
        return mean_absolute_error(record.same.samples, record.target)


def mean_absolute_error(x: Tensor, y: Tensor) -> Tensor:
    """The mean over all numbers of |x - y|, at least in float32."""
    return l1_loss(at_least_float32(x), at_least_float32(y))
