"""The losses of a discriminator and of the network that makes the fake samples, shared by all adversarial modules.

A discriminator may give one output or several, such as one for each scale of a multi-scale discriminator or one for
each member of an ensemble. Objective, terms and penalties are summed over the outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from lightning_gen.objectives import AdversarialObjective, AuxiliaryTerm
from lightning_gen.records import DiscriminatorOutput, RealFakePair
from lightning_gen.regularizers import DiscriminatorPass, GeneratorPass, GeneratorPenalty, LazyPenalty, Penalty
from lightning_gen.schedules import at
from lightning_gen.training.judging import judged
from lightning_gen.training.outputs import outputs_of
from lightning_gen.training.phases import Loss


@dataclass(frozen=True)
class GeneratorLosses:
    """The losses of the network that makes the fake samples.

    Attributes:
        adversarial: The objective on the discriminator's logits, without a weight, a scalar.
        terms: Names, values and weights of the terms beside it.
    """

    adversarial: Tensor
    terms: Sequence[tuple[str, Tensor, float]]

    def added_to(self, loss: Loss, prefix: str) -> Loss:
        """A loss with the terms, which are logged under their names after a prefix."""
        for name, value, weight in self.terms:
            loss = loss.plus(f"{prefix}_{name}", value, weight)
        return loss


@dataclass(frozen=True)
class AdversarialLosses:
    """The losses of both networks of adversarial training.

    Attributes:
        discriminator: Samples ``(n, *shape)`` and classes ``(n,)`` or None to a `DiscriminatorOutput`, to several of
            them, or to logits alone.
        objective: The loss of both networks, from the logits.
        terms: Named terms of both losses beside the objective, from the outputs.
        penalties: Named terms of the discriminator's loss that are part of the current update, computed without
            autocast.
    """

    discriminator: nn.Module
    objective: AdversarialObjective
    terms: Mapping[str, AuxiliaryTerm]
    penalties: Mapping[str, Penalty]

    @property
    def needs_real(self) -> bool:
        """Whether the generator's losses use the discriminator's output on real samples."""
        asked = any(term.needs_real_for_generator for term in self.terms.values())
        return asked or self.objective.uses_real_logits_for_generator

    def of_generator(
        self,
        fake: Tensor,
        fake_labels: Tensor | None,
        real: Tensor | None,
        real_labels: Tensor | None,
        images_seen: int = 0,
    ) -> GeneratorLosses:
        """The losses of the generator against the frozen discriminator.

        Args:
            fake: Its samples, ``(k n, *shape)`` with a whole number k.
            fake_labels: Their classes ``(k n,)``, or None.
            real: Real samples, ``(n, *shape)``; None if `needs_real` is False.
            real_labels: Their classes ``(n,)``, or None.
            images_seen: Training images seen so far, for schedules.
        """
        on_real: Sequence[DiscriminatorOutput | None] | None = None
        if real is not None and self.needs_real:
            with torch.no_grad():  # it does not depend on the generator
                on_real = outputs_of(self.discriminator(real, real_labels))
        on_fake = outputs_of(self.discriminator(fake, fake_labels))
        pairs = list(zip(on_real or [None] * len(on_fake), on_fake, strict=True))
        objective = self.objective.generator
        adversarial = total(
            [objective(None if real is None else repeated_logits(real, fake), fake.logits) for real, fake in pairs]
        )
        terms = []
        for name, term in self.terms.items():
            values = [value for real, fake in pairs if (value := term.generator(real, fake)) is not None]
            if values:
                terms.append((name, total(values), at(term.weight, images_seen)))
        return GeneratorLosses(adversarial, terms)

    def of_discriminator(self, passes: Sequence[DiscriminatorPass], images_seen: int) -> Loss:
        """The loss of the discriminator, penalties included.

        Args:
            passes: The result of `passes`, one for each output.
            images_seen: Training images seen so far, for schedules.
        """
        objective = self.objective.discriminator
        loss = Loss(
            total([objective(repeated_logits(each.on_real, each.on_fake), each.on_fake.logits) for each in passes]),
            {
                "real_logit": mean([each.on_real.logits.mean() for each in passes]),
                "fake_logit": mean([each.on_fake.logits.mean() for each in passes]),
            },
        )
        for name, term in self.terms.items():
            found = [term.discriminator(each.on_real, each.on_fake) for each in passes]
            values = [value for value in found if value is not None]
            if values:
                loss = loss.plus(f"discriminator_{name}", total(values), at(term.weight, images_seen))
        return self.penalized(loss, passes, images_seen)

    def penalized(self, loss: Loss, passes: Sequence[DiscriminatorPass], images_seen: int) -> Loss:
        """A loss of the discriminator with the penalties on it; see `of_discriminator`."""
        if not self.penalties:
            return loss
        passes = [subsampled(each) for each in passes]
        values = {name: total([penalty(each) for each in passes]) for name, penalty in self.penalties.items()}
        return with_penalties(loss, values, self.penalties, images_seen)

    def passes(self, pair: RealFakePair, generator: torch.Generator) -> Sequence[DiscriminatorPass]:
        """Real and fake samples through the discriminator, with gradients at the samples where a penalty needs them.

        The samples themselves, and not only the logits, are concatenated where one pass serves both: one gradient of
        one tensor then serves the penalties on real and on fake samples. Where there are several fake samples for a
        real one, fake samples require no gradient, and a penalty on them makes a pass of its own. Where the
        discriminator has a `backend`, a joint pass computes the gradient at the samples itself, see `judged`; others
        that are differentiated twice run eagerly where it is compiled, as compiled code has no second derivative.

        Args:
            pair: Real and fake samples, without a graph.
            generator: Source of the penalties' random numbers.

        Returns:
            One for each output of the discriminator.
        """
        # under autocast a penalty makes a pass of its own, in float32
        apart = torch.is_autocast_enabled(pair.real.device.type)
        at_real = not apart and any(penalty.at_real for penalty in self.penalties.values())
        at_fake = not apart and any(penalty.at_fake for penalty in self.penalties.values())
        at_fake = at_fake and len(pair.real) == len(pair.fake)
        if not at_real and not at_fake:
            return self._passes(pair, False, False, generator)
        if at_real == at_fake and getattr(self.discriminator, "backend", None) and self.allows_joint_pass(pair):
            return self._compiled_passes(pair, generator)
        with torch.compiler.set_stance("force_eager"):
            return self._passes(pair, at_real, at_fake, generator)

    def _compiled_passes(self, pair: RealFakePair, generator: torch.Generator) -> Sequence[DiscriminatorPass]:
        """One compiled pass over real and fake samples, with the gradients at them."""
        both = torch.cat([pair.real, pair.fake.to(pair.real.dtype)]).detach()
        real, fake = both.chunk(2)
        labels = [each for each in (pair.real_labels, pair.fake_labels) if each is not None]
        found = judged(self.discriminator, both, torch.cat(labels) if labels else None)
        return [
            DiscriminatorPass(
                partial(logits, self.discriminator, k),
                *(real, fake, *output.split(), generator, pair.real_labels),
                gradient_at_both=gradient,
            )
            for k, (output, gradient) in enumerate(zip(found.outputs, found.gradients, strict=True))
        ]

    def _passes(
        self, pair: RealFakePair, at_real: bool, at_fake: bool, generator: torch.Generator
    ) -> Sequence[DiscriminatorPass]:
        both, labels = None, pair.real_labels
        if at_real == at_fake and self.allows_joint_pass(pair):
            both = torch.cat([pair.real, pair.fake.to(pair.real.dtype)])
            if at_real:
                both = both.detach().requires_grad_()
            real, fake = both.chunk(2)
            both_labels = [each for each in (labels, pair.fake_labels) if each is not None]
            outputs = outputs_of(self.discriminator(both, torch.cat(both_labels) if both_labels else None))
            on_real, on_fake = zip(*(output.split() for output in outputs), strict=True)
        else:
            real = pair.real.detach().requires_grad_() if at_real else pair.real
            fake = pair.fake.detach().requires_grad_() if at_fake else pair.fake
            on_real = outputs_of(self.discriminator(real, labels))
            on_fake = outputs_of(self.discriminator(fake, pair.fake_labels))
        differentiated = both if at_real else None
        return [
            DiscriminatorPass(
                partial(logits, self.discriminator, k), real, fake, *each, generator, labels, differentiated
            )
            for k, each in enumerate(zip(on_real, on_fake, strict=True))
        ]

    def allows_joint_pass(self, pair: RealFakePair) -> bool:
        """Whether one pass over real and fake samples together gives the same outputs as a pass over each."""
        packing = getattr(self.discriminator, "packing", 1)
        alike = len(pair.real) == len(pair.fake) and not len(pair.real) % packing
        return alike and not getattr(self.discriminator, "mixes_samples", True)


def generator_penalties(
    loss: Loss, penalties: Mapping[str, GeneratorPenalty], record: GeneratorPass, images_seen: int
) -> Loss:
    """A loss of a generator with penalties on it."""
    values = {name: penalty(record) for name, penalty in penalties.items()}
    return with_penalties(loss, values, penalties, images_seen)


def with_penalties(
    loss: Loss, values: Mapping[str, Tensor], penalties: Mapping[str, LazyPenalty], images_seen: int
) -> Loss:
    """A loss with the values of penalties, each times its weight and its interval."""
    added = loss.total
    for name, value in values.items():
        penalty = penalties[name]
        added = added + penalty.every * at(penalty.weight, images_seen) * value
    return Loss(added, {**loss.terms, **values})


def logits(discriminator: nn.Module, index: int, x: Tensor, labels: Tensor | None) -> Tensor:
    """The logits ``(rows,)`` of one of a discriminator's outputs."""
    return outputs_of(discriminator(x, labels))[index].logits


def total(values: Sequence[Tensor]) -> Tensor:
    """The sum of scalars; the scalar itself where there is one."""
    return sum(values[1:], values[0])


def mean(values: Sequence[Tensor]) -> Tensor:
    """The mean of scalars; the scalar itself where there is one."""
    return values[0] if len(values) == 1 else total(values) / len(values)


def repeated_logits(on_real: DiscriminatorOutput, on_fake: DiscriminatorOutput) -> Tensor:
    """The real logits, repeated until there are as many as fake ones."""
    times = len(on_fake.logits) // len(on_real.logits)
    return on_real.logits if times == 1 else on_real.logits.repeat(times)


def subsampled(record: DiscriminatorPass) -> DiscriminatorPass:
    """A pass with one fake sample for each real one, taken from each kind of fake in order; for penalties."""
    count, kinds = len(record.real), len(record.fake) // len(record.real)
    if kinds == 1:
        return record
    rows = torch.arange(count, device=record.fake.device)
    chosen = rows + count * (rows % kinds)
    chosen_logits = record.on_fake.logits.view(len(record.fake), -1)[chosen].flatten()
    on_fake = DiscriminatorOutput(chosen_logits, record.on_fake.features[chosen], record.labels)
    return replace(record, fake=record.fake[chosen].detach(), on_fake=on_fake)
