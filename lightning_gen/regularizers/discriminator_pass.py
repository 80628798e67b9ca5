"""A pass of real and fake samples through a discriminator: the input of its penalties."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.records import DiscriminatorOutput
from lightning_gen.terms import at_least_float32

Critic: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
"""A discriminator: maps samples ``(n, *shape)`` and their classes ``(n,)``, or None, to logits ``(rows,)``."""


@dataclass(frozen=True)
class DiscriminatorPass:
    """A pass of real and fake samples through a discriminator: all that a penalty may depend on.

    If the samples require a gradient, the gradient at them needs no other forward pass, and one backward pass gives it
    for real and fake samples.

    Attributes:
        critic: The discriminator.
        real: Real samples after augmentation, ``(n, *shape)``.
        fake: Generated samples after augmentation, ``(n, *shape)``; no gradient flows back to the generator.
        on_real: The discriminator's output for the real samples.
        on_fake: The discriminator's output for the fake samples.
        generator: Source of the random numbers of penalties.
        labels: Classes of the samples, the same for real and fake ones, ``(n,)``, or None.
        both: After a joint pass, the tensor that requires a gradient and whose halves are `real` and `fake`; else None.
        gradient_at_both: The gradient of the summed logits at real and fake samples, ``(2 n, *shape)``, of a pass that
            computed it itself; else None.
    """

    critic: Critic
    real: Tensor
    fake: Tensor
    on_real: DiscriminatorOutput
    on_fake: DiscriminatorOutput
    generator: torch.Generator
    labels: Tensor | None = None
    both: Tensor | None = None
    gradient_at_both: Tensor | None = None

    @property
    def real_gradient(self) -> Tensor:
        """Gradient of the logits at the real samples, ``(rows, dimensions)``; it can be differentiated again."""
        return self._gradients[0] if self._has_gradient(self.real) else self.gradient(self.real)

    @property
    def fake_gradient(self) -> Tensor:
        """Gradient of the logits at the fake samples, ``(rows, dimensions)``; it can be differentiated again."""
        return self._gradients[-1] if self._has_gradient(self.fake) else self.gradient(self.fake.to(self.real))

    def _has_gradient(self, x: Tensor) -> bool:
        return x.requires_grad or self.gradient_at_both is not None

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient of the logits at any samples ``(n, *shape)``, by another pass, without autocast.

        Returns:
            ``(rows, dimensions)``, at least float32; it can be differentiated again. A pack of samples is one row.
        """
        x = x.detach().requires_grad_()
        with torch.autocast(x.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
            logits = self.critic(x, self.labels)
            (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return by_row(gradient, logits)

    @cached_property
    def _gradients(self) -> list[Tensor]:
        """Gradients at the samples that require one, in one backward pass."""
        sides = ((self.real, self.on_real.logits), (self.fake, self.on_fake.logits))
        if self.gradient_at_both is not None:
            halves = self.gradient_at_both.chunk(2)
            return [by_row(half, logits) for half, (_, logits) in zip(halves, sides, strict=True)]
        inputs = [(x, logits) for x, logits in sides if x.requires_grad]
        sums = [logits.sum() for _, logits in inputs]
        total = sum(sums[1:], sums[0])
        leaves = [x for x, _ in inputs] if self.both is None else [self.both]
        gradients = torch.autograd.grad(total, leaves, create_graph=True)
        if self.both is not None:
            gradients = gradients[0].chunk(2)
        pairs = zip(gradients, inputs, strict=True)
        return [by_row(gradient, logits) for gradient, (_, logits) in pairs]


def by_row(gradient: Tensor, logits: Tensor) -> Tensor:
    """Reshape a gradient at samples ``(n, *shape)`` to one row a logit, ``(rows, dimensions)``, at least float32.

    Raises:
        InputError: There are several logits for each sample.
    """
    if len(logits) > len(gradient):
        raise InputError(
            "gradient penalties need one logit for each sample and the discriminator gives one for each patch: leave "
            "them out, or use another discriminator, such as DCGANDiscriminator"
        )
    rows = gradient.reshape(len(logits), -1)
    return rows if rows.dtype is torch.float32 else at_least_float32(rows)
