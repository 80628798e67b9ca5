"""What the two players of a GAN minimise, as functions of the discriminator's logits on real and on fake samples.

Throughout r and f are logits ``(n,)`` on real and fake samples, D = sigmoid(logit) is the probability of being real,
E is the mean over the batch, and softplus(t) = log(1 + exp t) = -log sigmoid(-t).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu, softplus

from lightning_gen.errors import InputError
from lightning_gen.ranges import BELOW_1, require


class AdversarialObjective(ABC):
    """The pair of losses of a two-player game; both are minimised.

    Attributes:
        uses_real_logits_for_generator: Whether the generator's loss looks at the real logits. Where it does not, they
            may be None in `generator`, and the discriminator need not be asked for them.
        judges_differences: Whether a constant added to all logits changes nothing, so that their sign means nothing.
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
    """Games whose discriminator classifies: E[-log D(real)] + E[-log(1 - D(fake))] = E[softplus(-r)] + E[softplus(f)].

    With label smoothing s the target of real samples is 1 - s, which bounds their logits: s · E[r] is added to the
    discriminator's loss. One-sided: the target of fake samples stays 0, and the generator's loss stays as it is. Paper:
    Improved Techniques for Training GANs, https://arxiv.org/abs/1606.03498, section 3.4

    Args:
        label_smoothing: By how much the target of real samples is below 1, in [0, 1); 0.1 is usual.

    Raises:
        InputError: The smoothing is outside [0, 1).
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        require(self, "label_smoothing", label_smoothing, BELOW_1)
        self.label_smoothing = label_smoothing

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy of telling real from fake, in nats."""
        return cross_entropy(real_logits, fake_logits, self.label_smoothing)


class Minimax(CrossEntropyObjective):
    """The zero-sum game of the first GAN paper, in nats.

    Discriminator: E[-log D(real)] + E[-log(1 - D(fake))] = E[softplus(-r)] + E[softplus(f)]; 2 log 2 at equilibrium.
    Generator: E[log(1 - D(fake))] = -E[softplus(f)]. Its gradient vanishes where the discriminator is sure.

    Paper: Generative Adversarial Networks, https://arxiv.org/abs/1406.2661, equation 1

    Args:
        label_smoothing: By how much the target of real samples is below 1 in the discriminator's loss, in [0, 1).

    Raises:
        InputError: The smoothing is outside [0, 1).
    """

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the mean log-probability of being caught, in nats."""
        return -softplus(fake_logits).mean()


class NonSaturating(CrossEntropyObjective):
    """The game that GANs are trained with in practice, in nats.

    Discriminator: E[softplus(-r)] + E[softplus(f)], as in Minimax; 2 log 2 at equilibrium.
    Generator: E[-log D(fake)] = E[softplus(-f)]; log 2 at equilibrium.

    Paper: Generative Adversarial Networks, https://arxiv.org/abs/1406.2661, section 3

    Args:
        label_smoothing: By how much the target of real samples is below 1 in the discriminator's loss, in [0, 1).

    Raises:
        InputError: The smoothing is outside [0, 1).
    """

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the mean surprise of taking fakes for real, in nats."""
        return softplus(-fake_logits).mean()


class DensityRatio(CrossEntropyObjective):
    """The logit as the logarithm of a ratio of densities, in nats.

    Discriminator: E[softplus(-r)] + E[softplus(f)]; at its optimum the logit is log p(real) / p(fake).
    Generator: -E[f], which at that optimum is KL(fake || real). With `IndependenceMatching` that is the total
    correlation of the codes.

    Papers: Disentangling by Factorising, https://arxiv.org/abs/1802.05983, equation 3; Amortised MAP Inference for
    Image Super-resolution, https://arxiv.org/abs/1610.04490, section 3.2

    Args:
        label_smoothing: By how much the target of real samples is below 1 in the discriminator's loss, in [0, 1).

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
        """Return by how much logits fail to clear a margin of 1 on either side."""
        return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative mean logit of fake samples."""
        return -fake_logits.mean()


class Wasserstein(AdversarialObjective):
    """The dual of the earth mover's distance, in the critic's own units, which the distance between samples has too.

    Critic: E[f] - E[r]; for a 1-Lipschitz critic its negative bounds the distance from below. Generator: -E[f].
    The critic is kept 1-Lipschitz by a penalty: pair with GradientPenalty.

    Paper: Wasserstein GAN, https://arxiv.org/abs/1701.07875, equations 2 and 3
    """

    judges_differences = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the mean score of fake samples less that of real ones."""
        return fake_logits.mean() - real_logits.mean()

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the negative mean score of fake samples."""
        return -fake_logits.mean()


class RelativisticPaired(AdversarialObjective):
    """Each fake sample against one real sample: which of the pair is real? In nats; log 2 at equilibrium for both.

    Discriminator: E[softplus(f - r)]. Generator: E[softplus(r - f)]. Pair with R1 and R2.

    Papers: The relativistic discriminator, https://arxiv.org/abs/1807.00734; The GAN is dead; long live the GAN!,
    https://arxiv.org/abs/2501.05441, equation 2
    """

    uses_real_logits_for_generator = True
    judges_differences = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the surprise at the real sample of each pair, in nats."""
        return softplus(fake_logits - real_logits).mean()

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the surprise at the fake sample of each pair passing for the real one, in nats.

        Raises:
            InputError: There are no real logits to compare with.
        """
        if real_logits is None:
            raise InputError("RelativisticPaired compares fake with real logits: pass the real ones to generator() too")
        return softplus(real_logits - fake_logits).mean()


class RelativisticAverage(AdversarialObjective):
    """Each sample against the mean of the other kind (RaSGAN), in nats; 2 log 2 at equilibrium for both.

    Discriminator: E[softplus(E f - r)] + E[softplus(f - E r)]. Generator: E[softplus(r - E f)] + E[softplus(E r - f)],
    the same with real and fake exchanged. Sums, as in the paper; the author's code halves both players' losses.

    Paper: The relativistic discriminator, https://arxiv.org/abs/1807.00734, section 4.2
    """

    uses_real_logits_for_generator = True
    judges_differences = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy of telling real from average fake and fake from average real samples, in nats."""
        return cross_entropy(real_logits - fake_logits.mean(), fake_logits - real_logits.mean())

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the same with real and fake exchanged, in nats.

        Raises:
            InputError: There are no real logits to compare with.
        """
        if real_logits is None:
            raise InputError(
                "RelativisticAverage compares fake with real logits: pass the real ones to generator() too"
            )
        return self.discriminator(fake_logits, real_logits)


def cross_entropy(real_logits: Tensor, fake_logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return E[-log D(real)] + E[-log(1 - D(fake))], in nats: 0 where all are told apart, 2 log 2 for a coin.

    With smoothing s the first is E[-(1 - s) log D(real) - s log(1 - D(real))] = E[softplus(-r)] + s · E[r].
    """
    loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
    return loss + label_smoothing * real_logits.mean() if label_smoothing else loss
