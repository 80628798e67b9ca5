"""The losses of a GAN's generator and discriminator, as functions of the logits on real and on fake samples.

Throughout r and f are logits ``(n,)`` on real and fake samples, D = sigmoid(logit) is the probability of being real,
E is the mean over the batch, and softplus(t) = log(1 + exp t) = -log sigmoid(-t).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu, softplus

from lightning_gen.errors import InputError
from lightning_gen.ranges import BELOW_1, require
from lightning_gen.recording import Recorded


class AdversarialObjective(Recorded, ABC):
    """A loss of the generator and a loss of the discriminator; both are minimised.

    Attributes:
        uses_real_logits_for_generator: Whether the generator's loss depends on the real logits. If it does not,
            `generator` takes None for them, and training need not compute them.
        judges_differences: Whether a constant added to all logits changes no loss, so that their sign has no meaning.
    """

    uses_real_logits_for_generator: ClassVar[bool] = False
    judges_differences: ClassVar[bool] = False

    @abstractmethod
    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss, a scalar, from logits ``(n,)`` on real and on fake samples."""

    @abstractmethod
    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss, a scalar, from logits ``(n,)`` on real and on fake samples."""


class CrossEntropyObjective(AdversarialObjective):
    """Objectives whose discriminator is a classifier with the loss E[-log D(real)] + E[-log(1 - D(fake))].

    That is E[softplus(-r)] + E[softplus(f)]. With label smoothing s the target of real samples is 1 - s, which bounds
    their logits: s · E[r] is added to the discriminator's loss. It is one-sided: the target of fake samples stays 0,
    and the generator's loss does not change. Paper: Improved Techniques for Training GANs,
    https://arxiv.org/abs/1606.03498, section 3.4

    Args:
        label_smoothing: Distance of the target of real samples from 1, in [0, 1); 0.1 is usual.

    Raises:
        InputError: The smoothing is outside [0, 1).
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        require(self, "label_smoothing", label_smoothing, BELOW_1)
        self.label_smoothing = label_smoothing

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy of classifying real and fake samples, in nats."""
        return cross_entropy(real_logits, fake_logits, self.label_smoothing)


class Minimax(CrossEntropyObjective):
    """The zero-sum game of the first GAN paper, in nats.

    Discriminator: E[-log D(real)] + E[-log(1 - D(fake))] = E[softplus(-r)] + E[softplus(f)]; 2 log 2 at equilibrium.
    Generator: E[log(1 - D(fake))] = -E[softplus(f)]. Its gradient vanishes where the discriminator is certain.

    Paper: Generative Adversarial Networks, https://arxiv.org/abs/1406.2661, equation 1

    Args:
        label_smoothing: Distance of the target of real samples from 1 in the discriminator's loss, in [0, 1).

    Raises:
        InputError: The smoothing is outside [0, 1).
    """

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the mean log-probability of fake samples being classified as fake, in nats."""
        return -softplus(fake_logits).mean()


class NonSaturating(CrossEntropyObjective):
    """The non-saturating objective, which GANs use in practice, in nats.

    Discriminator: E[softplus(-r)] + E[softplus(f)], as in Minimax; 2 log 2 at equilibrium.
    Generator: E[-log D(fake)] = E[softplus(-f)]; log 2 at equilibrium.

    Paper: Generative Adversarial Networks, https://arxiv.org/abs/1406.2661, section 3

    Args:
        label_smoothing: Distance of the target of real samples from 1 in the discriminator's loss, in [0, 1).

    Raises:
        InputError: The smoothing is outside [0, 1).
    """

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative mean log-probability of fake samples being classified as real, in nats."""
        return softplus(-fake_logits).mean()


class DensityRatio(CrossEntropyObjective):
    """The logit estimates the logarithm of a ratio of densities, in nats.

    Discriminator: E[softplus(-r)] + E[softplus(f)]; at its optimum the logit is log p(real) / p(fake).
    Generator: -E[f], which at that optimum is KL(fake || real). With `IndependenceMatching` that is the total
    correlation of the codes.

    Papers: Disentangling by Factorising, https://arxiv.org/abs/1802.05983, equation 3; Amortised MAP Inference for
    Image Super-resolution, https://arxiv.org/abs/1610.04490, section 3.2

    Args:
        label_smoothing: Distance of the target of real samples from 1 in the discriminator's loss, in [0, 1).

    Raises:
        InputError: The smoothing is outside [0, 1).
    """

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative mean logit of fake samples, in nats."""
        return -fake_logits.mean()


class LeastSquares(AdversarialObjective):
    """Regression of the logits to 1 on real and 0 on fake samples, in squared logits.

    Discriminator: ½ E[(r - 1)²] + ½ E[f²]. Generator: ½ E[(f - 1)²].

    Paper: Least Squares Generative Adversarial Networks, https://arxiv.org/abs/1611.04076, equation 9
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return half the squared distance from 1 on real and from 0 on fake samples."""
        return 0.5 * (real_logits - 1).square().mean() + 0.5 * fake_logits.square().mean()

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return half the squared distance of fake samples from 1."""
        return 0.5 * (fake_logits - 1).square().mean()


class Hinge(AdversarialObjective):
    """The margin loss of a support vector machine, in logits.

    Discriminator: E[max(0, 1 - r)] + E[max(0, 1 + f)]. Generator: -E[f].

    Paper: Geometric GAN, https://arxiv.org/abs/1705.02894; Spectral Normalization for Generative Adversarial Networks,
    https://arxiv.org/abs/1802.05957, equations 16 and 17
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the sum of the mean distances by which logits miss a margin of 1."""
        return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative mean logit of fake samples."""
        return -fake_logits.mean()


class Wasserstein(AdversarialObjective):
    """The dual of the earth mover's distance, in units of the distance between samples for a 1-Lipschitz critic.

    Critic: E[f] - E[r]; for a 1-Lipschitz critic its negative is a lower bound on the distance. Generator: -E[f].
    A penalty has to keep the critic 1-Lipschitz: combine it with GradientPenalty.

    Paper: Wasserstein GAN, https://arxiv.org/abs/1701.07875, equations 2 and 3
    """

    judges_differences = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the mean score of fake samples minus that of real ones."""
        return fake_logits.mean() - real_logits.mean()

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative mean score of fake samples."""
        return -fake_logits.mean()


class RelativisticPaired(AdversarialObjective):
    """The discriminator compares each fake sample with one real sample. In nats; log 2 at equilibrium for both.

    Discriminator: E[softplus(f - r)]. Generator: E[softplus(r - f)]. Combine it with R1 and R2.

    Papers: The relativistic discriminator, https://arxiv.org/abs/1807.00734; The GAN is dead; long live the GAN!,
    https://arxiv.org/abs/2501.05441, equation 2
    """

    uses_real_logits_for_generator = True
    judges_differences = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the negative mean log-probability of the real sample of each pair being the real one, in nats."""
        return softplus(fake_logits - real_logits).mean()

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative mean log-probability of the fake sample of each pair being the real one, in nats.

        Raises:
            InputError: The real logits are None.
        """
        if real_logits is None:
            raise InputError("RelativisticPaired compares fake with real logits: pass the real ones to generator() too")
        return softplus(real_logits - fake_logits).mean()


class RelativisticAverage(AdversarialObjective):
    """The discriminator compares each sample with the mean of the other kind (RaSGAN). In nats.

    Discriminator: E[softplus(E f - r)] + E[softplus(f - E r)]. Generator: E[softplus(r - E f)] + E[softplus(E r - f)],
    the same with real and fake exchanged. Both are 2 log 2 at equilibrium. These are sums, as in the paper; the
    author's code has half of both losses.

    Paper: The relativistic discriminator, https://arxiv.org/abs/1807.00734, section 4.2
    """

    uses_real_logits_for_generator = True
    judges_differences = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy of real against average fake and of fake against average real samples, in nats."""
        return cross_entropy(real_logits - fake_logits.mean(), fake_logits - real_logits.mean())

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss with real and fake exchanged, in nats.

        Raises:
            InputError: The real logits are None.
        """
        if real_logits is None:
            raise InputError(
                "RelativisticAverage compares fake with real logits: pass the real ones to generator() too"
            )
        return self.discriminator(fake_logits, real_logits)


def cross_entropy(real_logits: Tensor, fake_logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return E[-log D(real)] + E[-log(1 - D(fake))], in nats: 0 for a perfect classifier, 2 log 2 by chance.

    With smoothing s the first is E[-(1 - s) log D(real) - s log(1 - D(real))] = E[softplus(-r)] + s · E[r].
    """
    loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
    return loss + label_smoothing * real_logits.mean() if label_smoothing else loss
