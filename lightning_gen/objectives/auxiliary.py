"""Terms of a GAN's losses beside the objective, as functions of the discriminator's output."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, l1_loss

from lightning_gen.errors import InputError
from lightning_gen.ranges import FROM_0, require
from lightning_gen.recording import Recorded
from lightning_gen.records import DiscriminatorOutput
from lightning_gen.schedules import Schedule
from lightning_gen.terms import at_least_float32


class AuxiliaryTerm(Recorded, nn.Module, ABC):
    """One summand of the losses of generator and discriminator, with its weight.

    Values are *unweighted*; the caller multiplies them by the weight. None is returned for a loss without this term.

    Args:
        weight: Factor of the term in the losses, at least 0, or a schedule of it in images.

    Attributes:
        needs_real_for_generator: Whether the generator's loss depends on the discriminator's output for real samples.

    Raises:
        InputError: The weight is negative or not finite.
    """

    needs_real_for_generator: ClassVar[bool] = False

    def __init__(self, weight: float | Schedule = 1.0) -> None:
        super().__init__()
        require(self, "weight", weight, FROM_0)
        self.weight = weight

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor | None:
        """The term of the discriminator's loss, a scalar, or None."""
        return None

    @abstractmethod
    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor | None:
        """The term of the generator's loss, a scalar, or None; `real` is not None if `needs_real_for_generator`."""


class FeatureMatching(AuxiliaryTerm):
    """The generator matches the mean features of real samples, ‖E h(real) - E h(fake)‖², with h the logits' input.

    Paper: Improved Techniques for Training GANs, https://arxiv.org/abs/1606.03498, section 3.1

    Args:
        weight: Factor of the term in the generator's loss.
    """

    needs_real_for_generator = True

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        """Return the squared distance of the mean features, in squared features."""
        if real is None:
            raise InputError("FeatureMatching compares with real samples: pass their output to generator() too")
        expected = at_least_float32(real.features).mean(0).detach()
        return (expected - at_least_float32(fake.features).mean(0)).square().sum()


class FeatureReconstruction(AuxiliaryTerm):
    """An autoencoder reconstructs a discriminator's features h, the input of its logits: E[½ ‖h(x) - h(x̃)‖²].

    Up to a constant this is -log N(h(x); h(x̃), I), in nats per sample. It is for `ReconstructionMatching` and
    `GenerationMatching`, whose fake samples begin with the reconstructions. The discriminator's loss does not have this
    term, which its features would collapse to minimise.

    Paper: Autoencoding beyond pixels using a learned similarity metric, https://arxiv.org/abs/1512.09300, equation 8

    Args:
        weight: Factor of the term in the autoencoder's loss; the paper's gamma, relative to the adversarial term.
    """

    needs_real_for_generator = True

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        """Return the mean over the samples of half the squared distance of the features, in nats per sample."""
        if real is None:
            raise InputError("FeatureReconstruction compares with real samples: pass their output to generator() too")
        expected = at_least_float32(real.features).detach()
        residual = expected - at_least_float32(fake.features[: len(expected)])
        return 0.5 * residual.square().flatten(1).sum(1).mean()


class LayerwiseFeatureMatching(AuxiliaryTerm):
    """Each sample matches the feature maps of its real sample: Σᵢ mean |Dᵢ(x) - Dᵢ(x̃)|.

    Dᵢ is the i-th hidden map of the discriminator and the mean is over all its elements; for a discriminator with
    several scales it is the sum over them. The fake samples must begin with one for each real sample, such as
    reconstructions and translations. It needs a discriminator with hidden maps, such as `PatchDiscriminator`.

    Paper: High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs,
    https://arxiv.org/abs/1711.11585, equation 4, with weight 10

    Args:
        weight: Factor of the term in the generator's loss.
    """

    needs_real_for_generator = True

    def __init__(self, weight: float | Schedule = 10.0) -> None:
        super().__init__(weight)

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        """Return the sum over the hidden maps of the mean absolute difference.

        Raises:
            InputError: The discriminator gives no hidden maps.
        """
        if real is None or not real.hidden or not fake.hidden:
            raise InputError(
                "LayerwiseFeatureMatching compares the hidden maps of real and fake samples and the discriminator "
                "gives none: use PatchDiscriminator, or let yours return DiscriminatorOutput(..., hidden=maps)"
            )
        values = [
            l1_loss(ours[: len(theirs)], theirs.detach()) for theirs, ours in zip(real.hidden, fake.hidden, strict=True)
        ]
        return torch.stack(values).sum()


class Classification(AuxiliaryTerm):
    """The cross-entropy of the samples' classes, E[-log p(class | sample)], in nats, for both networks.

    The discriminator minimises it on real and on fake samples, the generator on fake ones. It needs a discriminator
    with an `AuxiliaryClassifier`.

    Paper: Conditional Image Synthesis With Auxiliary Classifier GANs, https://arxiv.org/abs/1610.09585, equation 3

    Args:
        weight: Factor of the term in both losses.
        on_fake: Whether the discriminator learns the classes from fake samples too, as in the paper.
    """

    def __init__(self, weight: float | Schedule = 1.0, on_fake: bool = True) -> None:
        super().__init__(weight)
        self.on_fake = on_fake

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        """Return the cross-entropy of the classes of real, and of fake samples, in nats."""
        loss = classification(real)
        return loss + classification(fake) if self.on_fake else loss

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        """Return the cross-entropy of the classes of fake samples, in nats."""
        return classification(fake)


def classification(output: DiscriminatorOutput) -> Tensor:
    """The cross-entropy of the classes of the samples, in nats.

    Raises:
        InputError: The discriminator has no classifier.
    """
    if output.class_logits is None or output.labels is None:
        raise InputError(
            "the term Classification needs a discriminator that predicts classes: set "
            "--model.discriminator.conditioning AuxiliaryClassifier, on data with labels"
        )
    return cross_entropy(output.class_logits, output.labels)
