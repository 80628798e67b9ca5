"""The reference loops of translation, in one direction and in both: minimal training loops in plain PyTorch.

Networks, optimizers, degradations and hyperparameters are those of a module; losses, the history and the order of
updates are implemented here a second time. Schedules, which cost next to nothing, and logging are left out.
"""

import copy
from collections.abc import Iterator
from typing import TypeAlias

import torch
from torch import Tensor, nn

from lightning_gen.bench.precision import Precision
from lightning_gen.bench.reference_gan import LOSSES
from lightning_gen.bench.supported import require_supported
from lightning_gen.modules import CycleTranslationModule, TranslationModule
from lightning_gen.objectives import AbsoluteError, CycleConsistency, IdentityMapping
from lightning_gen.records import Batch
from lightning_gen.schedules import at
from lightning_gen.terms import Term

Module: TypeAlias = TranslationModule | CycleTranslationModule


def check(module: Module, terms: set[type[Term]], parts: list[object]) -> None:
    """Check that a loop supports a module.

    Args:
        module: The module.
        terms: The terms that its objective may have.
        parts: Parts that it must not have.

    Raises:
        NotImplementedError: It does not.
    """
    require_supported([module.adversarial], set(LOSSES))
    if module.adversarial is not None and LOSSES[type(module.adversarial)].compares:
        raise NotImplementedError(f"{type(module.adversarial).__name__} is not in the reference loop of a translation")
    require_supported(module.terms.values(), terms)
    if any(parts) or module.ema is not None:
        raise NotImplementedError("the reference loop of a translation has no further terms, penalties or averages")
    if (module.generator_clip, module.discriminator_clip, module.accumulate) != (None, None, 1):
        raise NotImplementedError("the reference loop does not clip or accumulate gradients")


def weights_of(module: Module) -> dict[type, float]:
    """The weights of the terms of a module, by their classes."""
    return {type(term): at(term.weight, 0) for term in module.terms.values()}


def absolute(x: Tensor, y: Tensor) -> Tensor:
    """E|x - y|."""
    return (x - y).abs().mean()


class ReferenceTranslation:
    """Trains copies of the networks of a translation in one direction.

    Args:
        module: The module whose training is copied; not changed.
        batches: Endless batches, in [-1, 1].
        rng: Source of the random numbers of a degradation, on the module's device.
        precision: The precision; None for float32.

    Attributes:
        networks: The networks.
        optimizers: The optimizer of the generator, and that of the discriminator where there is one.

    Raises:
        NotImplementedError: The module has a part that the loop does not support.
    """

    def __init__(
        self,
        module: TranslationModule,
        batches: Iterator[Batch],
        rng: torch.Generator,
        precision: Precision | None = None,
    ) -> None:
        check(module, {AbsoluteError}, [*module.adversarial_terms.values(), *module.penalties.values(), module.history])
        if module.discriminator is not None and module.source_shape[1:] != module.target_shape[1:]:
            raise NotImplementedError("the reference loop has a discriminator only where the size stays")
        self.precision = precision or Precision()
        self.batches = batches
        self.rng = rng
        self.degradation, self.conditional = module.degradation, module.conditional
        self.generator = copy.deepcopy(module.generator)
        self.discriminator = copy.deepcopy(module.discriminator)
        self.networks: list[nn.Module] = [each for each in (self.generator, self.discriminator) if each is not None]
        self.optimizers = [
            module.make_optimizer(phase.trains.optimizer, network.parameters())
            for phase, network in zip(module.phases(), self.networks, strict=True)
        ]
        self.losses = None if module.adversarial is None else LOSSES[type(module.adversarial)]
        self.adversarial_weight = at(module.adversarial_weight, 0)
        self.weight = weights_of(module)[AbsoluteError]

    def step(self) -> None:
        """One update of the generator, then one of the discriminator, on the same translations."""
        batch = next(self.batches)
        if self.degradation is None:
            source, target = batch.x, batch.target
        else:
            source, target = self.degradation(batch.x, self.rng), batch.x
        assert target is not None
        with self.precision.autocast():
            fake = self.generator(source)
            loss = self.weight * absolute(fake.float() if self.precision.narrow else fake, target)
            if self.discriminator is not None:
                assert self.losses is not None
                self.discriminator.requires_grad_(False)
                shown = self.beside(source, fake)
                logits = self.discriminator(shown).logits
                loss = loss + self.adversarial_weight * self.losses.generator(None, logits)
        self.optimizers[0].zero_grad()
        self.precision.update(loss, self.optimizers[0])
        if self.discriminator is not None:
            self.discriminator.requires_grad_(True)
            self.train_discriminator(self.beside(source, target), shown.detach())

    def train_discriminator(self, real: Tensor, fake: Tensor) -> None:
        """One update; one pass over all samples, where the network treats each alone."""
        assert self.discriminator is not None
        assert self.losses is not None
        with self.precision.autocast():
            loss = self.losses.discriminator(*judged(self.discriminator, real, fake))
        self.optimizers[1].zero_grad()
        self.precision.update(loss, self.optimizers[1])

    def beside(self, source: Tensor, x: Tensor) -> Tensor:
        """What the discriminator sees."""
        return torch.cat([source, x.to(source.dtype)], 1) if self.conditional else x


class ReferenceCycle:
    """Trains copies of the networks of a translation in both directions.

    Args:
        module: The module whose training is copied; not changed.
        batches: Endless batches, in [-1, 1].
        rng: Source of the decisions of the histories and of a degradation, on the module's device.
        precision: The precision; None for float32.

    Attributes:
        networks: The networks: the translators, then their discriminators.
        optimizers: The optimizer of both translators, and that of both discriminators.

    Raises:
        NotImplementedError: The module has a part that the loop does not support.
    """

    def __init__(
        self,
        module: CycleTranslationModule,
        batches: Iterator[Batch],
        rng: torch.Generator,
        precision: Precision | None = None,
    ) -> None:
        check(module, {CycleConsistency, IdentityMapping}, [module.degradation])
        self.precision = precision or Precision()
        self.batches = batches
        self.rng = rng
        names = ("generator", "back_generator", "discriminator", "back_discriminator")
        self.generator, self.back_generator, self.discriminator, self.back_discriminator = self.networks = [
            copy.deepcopy(getattr(module, name)) for name in names
        ]
        of_translators, of_discriminators = (phase.trains.optimizer for phase in module.phases())
        self.optimizers = [
            module.make_optimizer(made, [*one.parameters(), *other.parameters()])
            for made, one, other in (
                (of_translators, self.generator, self.back_generator),
                (of_discriminators, self.discriminator, self.back_discriminator),
            )
        ]
        self.losses = LOSSES[type(module.adversarial)]
        self.adversarial_weight = at(module.adversarial_weight, 0)
        weights = weights_of(module)
        self.cycle, self.identity = weights.get(CycleConsistency, 0.0), weights.get(IdentityMapping, 0.0)
        self.history = module.history
        self.kept: list[list[Tensor]] = [[], []]

    def step(self) -> None:
        """One update of both translators, then one of both discriminators, on the same translations."""
        batch = next(self.batches)
        a, b = batch.x, batch.target
        assert b is not None
        for network in self.networks[2:]:
            network.requires_grad_(False)
        with self.precision.autocast():
            fake_b, fake_a = self.generator(a), self.back_generator(b)
            on_b, on_a = self.discriminator(fake_b).logits, self.back_discriminator(fake_a).logits
            loss = self.adversarial_weight * (self.losses.generator(None, on_b) + self.losses.generator(None, on_a))
            if self.cycle:
                there_and_back = absolute(self.back_generator(fake_b), a) + absolute(self.generator(fake_a), b)
                loss = loss + self.cycle * there_and_back
            if self.identity:
                loss = loss + self.identity * (absolute(self.generator(b), b) + absolute(self.back_generator(a), a))
        self.optimizers[0].zero_grad()
        self.precision.update(loss, self.optimizers[0])
        for network in self.networks[2:]:
            network.requires_grad_(True)
        with self.precision.autocast():
            loss = torch.zeros((), device=a.device)
            for network, real, fake, kept in (
                (self.discriminator, b, fake_b, self.kept[0]),
                (self.back_discriminator, a, fake_a, self.kept[1]),
            ):
                loss = loss + self.losses.discriminator(*judged(network, real, self.exchanged(kept, fake.detach())))
        self.optimizers[1].zero_grad()
        self.precision.update(loss, self.optimizers[1])

    def exchanged(self, kept: list[Tensor], samples: Tensor) -> Tensor:
        """Samples, some of them exchanged for earlier ones once the history is full, of one slot each."""
        if self.history == 0:
            return samples
        free = self.history - len(kept)
        given = list(samples)
        kept += given[:free]
        if free >= len(given):
            return samples
        older = self.history - free
        slots = torch.randperm(older, generator=self.rng, device=self.rng.device)[: len(given) - free].tolist()
        coins = torch.rand(len(slots), generator=self.rng, device=self.rng.device).tolist()
        for index, (slot, coin) in enumerate(zip(slots, coins, strict=True), start=free):
            if coin < 0.5:
                given[index], kept[slot] = kept[slot], given[index]
        return torch.stack(given)


def judged(discriminator: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The logits on real and on fake samples; of one pass, if that is equal."""
    if discriminator.mixes_samples:
        return discriminator(real).logits, discriminator(fake).logits
    on_real, on_fake = discriminator(torch.cat([real, fake.to(real.dtype)])).logits.chunk(2)
    return on_real, on_fake
