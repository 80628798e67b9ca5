"""Real and fake samples through a discriminator, as its penalties see them."""

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
"""Samples ``(n, *shape)`` and their classes ``(n,)`` or None to logits ``(rows,)``: a discriminator."""


@dataclass(frozen=True)
class DiscriminatorPass:
    """Real and fake samples through a discriminator, all that a penalty may look at.

    A gradient at the samples themselves costs no pass of its own where the samples require one: it is read off the pass
    they made, for real and fake samples in one backward pass.

    Attributes:
        critic: The discriminator.
        real: Real samples as it sees them, augmented; ``(n, *shape)``.
        fake: Generated samples, likewise; no gradient flows back to the generator.
        on_real: Its output for the real samples.
        on_fake: Its output for the fake samples.
        generator: Source of whatever a penalty draws.
        labels: Classes of the samples, real and fake alike, ``(n,)``, or None.
        both: Real and fake samples in one tensor that requires a gradient, of which `real` and `fake` are the halves,
            where they went through it together; else None.
    """

    critic: Critic
    real: Tensor
    fake: Tensor
    on_real: DiscriminatorOutput
    on_fake: DiscriminatorOutput
    generator: torch.Generator
    labels: Tensor | None = None
    both: Tensor | None = None

    @property
    def real_gradient(self) -> Tensor:
        """Gradient of the logits at the real samples, ``(rows, dimensions)``, differentiable itself."""
        return self._gradients[0] if self.real.requires_grad else self.gradient(self.real)

    @property
    def fake_gradient(self) -> Tensor:
        """Gradient of the logits at the fake samples, ``(rows, dimensions)``, differentiable itself."""
        return self._gradients[-1] if self.fake.requires_grad else self.gradient(self.fake.to(self.real))

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient of the logits at any samples ``(n, *shape)``, by a pass of its own without autocast.

        Returns:
            ``(rows, dimensions)``, at least float32, differentiable itself; a pack of samples is one row.
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
        watched = [(x, logits) for x, logits in sides if x.requires_grad]
        sums = [logits.sum() for _, logits in watched]
        total = sum(sums[1:], sums[0])
        asked = [x for x, _ in watched] if self.both is None else [self.both]
        gradients = torch.autograd.grad(total, asked, create_graph=True)
        if self.both is not None:
            gradients = gradients[0].chunk(2)
        pairs = zip(gradients, watched, strict=True)
        return [by_row(gradient, logits) for gradient, (_, logits) in pairs]


def by_row(gradient: Tensor, logits: Tensor) -> Tensor:
    """The gradient at samples ``(n, *shape)`` by the rows of their logits, ``(rows, dimensions)``, at least float32.

    Raises:
        InputError: There are several logits a sample.
    """
    if len(logits) > len(gradient):
        raise InputError(
            "gradient penalties are of one logit a sample and the discriminator gives one a patch: leave them out, or "
            "use another discriminator, such as DCGANDiscriminator"
        )
    rows = gradient.reshape(len(logits), -1)
    return rows if rows.dtype is torch.float32 else at_least_float32(rows)
