"""A penalty on the change of a discriminator's logits under an augmentation."""

import torch
from torch import Tensor

from lightning_gen.augmentations.base import AdaptiveAugmentation, Augmentation
from lightning_gen.errors import InputError
from lightning_gen.regularizers.discriminator_pass import DiscriminatorPass
from lightning_gen.regularizers.penalty import Penalty
from lightning_gen.schedules import Schedule
from lightning_gen.terms import at_least_float32


class Consistency(Penalty):
    """The penalty of CR-GAN, E[(D(real) - D(T(real)))²], with an augmentation T that should not change the logits.

    The balanced penalty (bCR-GAN) adds E[(D(fake) - D(T(fake)))²]; without it the augmentations may leak into the
    generated samples. Gradients flow through both D(x) and D(T(x)). Samples are those that the discriminator reads,
    after the GAN's own augmentation if it has one.

    Papers: Consistency Regularization for Generative Adversarial Networks, https://arxiv.org/abs/1910.12027, equation
    5, lambda = 10; Improved Consistency Regularization for GANs, https://arxiv.org/abs/2002.04724, both lambdas = 10

    Args:
        augmentation: T, such as random shifts and flips.
        weight: Factor of the penalty in the discriminator's loss, the papers' lambda; or a schedule of it.
        balanced: Whether the penalty is computed on fake samples too.
        every: Interval in updates of the discriminator.

    Raises:
        InputError: The interval is below 1, or the augmentation is adaptive: only the GAN's own is updated.
    """

    def __init__(
        self, augmentation: Augmentation, weight: float | Schedule = 10.0, balanced: bool = False, every: int = 1
    ) -> None:
        super().__init__(weight, every)
        if isinstance(augmentation, AdaptiveAugmentation):
            raise InputError(
                f"Consistency cannot adapt {type(augmentation).__name__}, which would change nothing here: give it "
                "DiffAugment, and the adaptive one to --model.augmentation"
            )
        self.augmentation = augmentation
        self.balanced = balanced

    def forward(self, record: DiscriminatorPass) -> Tensor:
        """Return E[(D(real) - D(T(real)))²], plus the same of fake samples if balanced, in squared logits."""
        change = self.change(record, record.real, record.on_real.logits)
        if not self.balanced:
            return change
        return change + self.change(record, record.fake.to(record.real.dtype), record.on_fake.logits)

    def change(self, record: DiscriminatorPass, x: Tensor, logits: Tensor) -> Tensor:
        """Return E[(D(x) - D(T(x)))²] of samples ``(n, *shape)`` with logits ``(rows,)``.

        The difference of two half-precision logits is mostly rounding error, so both are computed without autocast.
        """
        with torch.no_grad():
            augmented = self.augmentation(x, record.generator)
        with torch.autocast(x.device.type, enabled=False):
            if logits.dtype != at_least_float32(logits).dtype:
                logits = record.critic(x, record.labels)
            return (logits - record.critic(augmented, record.labels)).square().mean()
