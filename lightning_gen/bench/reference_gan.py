"""The reference loop of a GAN: a minimal training loop for a recipe in plain PyTorch.

Networks, optimizers, augmentations and hyperparameters are those of a module; losses, penalties and the order of
updates are implemented here a second time. Schedules, which cost next to nothing, and logging are left out.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, relu, softplus

from lightning_gen import private
from lightning_gen.augmentations import AdaptiveAugmentation
from lightning_gen.bench.data import Real
from lightning_gen.bench.precision import Precision
from lightning_gen.bench.supported import require_supported
from lightning_gen.modules import GANModule
from lightning_gen.objectives import (
    Classification,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticPaired,
    Wasserstein,
)
from lightning_gen.records import DiscriminatorOutput
from lightning_gen.regularizers import DRAGAN, R1, R2, GradientPenalty, Penalty, WeightClipping
from lightning_gen.schedules import at

AVERAGE_SHARE = 0.01
"""Share of the trained weights in the averaged ones after an update; its value costs nothing."""


def classify(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(real) - log(1 - D(fake))."""
    return softplus(-real).mean() + softplus(fake).mean()


class Losses(NamedTuple):
    """Both losses of logits on real and fake samples; with `compares`, the generator's loss needs the real logits."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Any, Tensor], Tensor]
    compares: bool = False


LOSSES = {
    Minimax: Losses(classify, lambda real, fake: -softplus(fake).mean()),
    NonSaturating: Losses(classify, lambda real, fake: softplus(-fake).mean()),
    LeastSquares: Losses(
        lambda real, fake: (real - 1).square().mean() / 2 + fake.square().mean() / 2,
        lambda real, fake: (fake - 1).square().mean() / 2,
    ),
    Hinge: Losses(lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(), lambda real, fake: -fake.mean()),
    Wasserstein: Losses(lambda real, fake: fake.mean() - real.mean(), lambda real, fake: -fake.mean()),
    RelativisticPaired: Losses(
        lambda real, fake: softplus(fake - real).mean(), lambda real, fake: softplus(real - fake).mean(), compares=True
    ),
}


def between(real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """The positions of WGAN-GP's penalty: a point on the line from each fake to a real sample."""
    share = torch.rand(len(real), *[1] * (real.dim() - 1), generator=rng, device=rng.device)
    return torch.lerp(fake.to(real.dtype), real, share)


def around(real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """The positions of DRAGAN's penalty: each real sample with noise of a strength of its own."""
    noise = torch.rand(real.shape, generator=rng, device=rng.device)
    strength = torch.rand(len(real), *[1] * (real.dim() - 1), generator=rng, device=rng.device)
    return real + 0.5 * real.std() * (noise * strength)


def classified(output: DiscriminatorOutput, labels: Tensor | None) -> Tensor:
    """The cross-entropy of the predicted classes."""
    assert output.class_logits is not None
    assert labels is not None
    return cross_entropy(output.class_logits, labels)


POSITIONS: dict[type[Penalty], Callable[[Tensor, Tensor, torch.Generator], Tensor]] = {
    GradientPenalty: between,
    DRAGAN: around,
}
"""Positions at which the gradient is pulled to norm 1."""

KNOWN: set[type] = {*LOSSES, *POSITIONS, R1, R2, Classification, WeightClipping}


def check(module: GANModule) -> None:
    """Check that the loop supports a module.

    Raises:
        NotImplementedError: It does not.
    """
    penalties = penalties_of(module)
    require_supported([module.objective, *penalties, *module.terms.values(), module.constraint], KNOWN)
    slopes = {type(penalty): at(penalty.weight, 0) for penalty in penalties}
    if slopes.get(R1) != slopes.get(R2) or (R1 in slopes and module.discriminator.mixes_samples):
        raise NotImplementedError("the reference loop has R1 and R2 only together, of one weight and without BatchNorm")
    if module.generator_penalties or any(penalty.every > 1 for penalty in penalties):
        raise NotImplementedError("the reference loop has penalties only on the discriminator and in each update")
    if penalties and module.discriminator.packing > 1:
        raise NotImplementedError("the reference loop has penalties only on single samples, without packing")
    clips = (module.generator_clip, module.discriminator_clip)
    if clips != (None, None) or module.accumulate > 1 or module.prior:
        raise NotImplementedError("the reference loop has no clipping or accumulation of gradients and no prior")


def penalties_of(module: GANModule) -> list[Penalty]:
    """The penalties in the discriminator's loss."""
    return cast(list[Penalty], list(module.penalties.values()))


class ReferenceGAN:
    """Trains copies of a module's networks.

    Args:
        module: The module whose training is copied; not changed.
        batches: Endless batches of real samples.
        rng: Source of latents, augmentations and the positions of penalties, on the module's device.
        precision: The precision; None for float32.

    Attributes:
        networks: The networks.
        optimizers: The optimizers of the discriminator and of the generator.

    Raises:
        NotImplementedError: The module has a part that the loop does not support.
    """

    def __init__(
        self, module: GANModule, batches: Iterator[Real], rng: torch.Generator, precision: Precision | None = None
    ) -> None:
        check(module)
        self.precision = precision or Precision()
        self.batches = batches
        self.rng = rng
        self.generator = copy.deepcopy(module.generator)
        self.discriminator = copy.deepcopy(module.discriminator)
        self.average = copy.deepcopy(module.generator_ema)
        self.augmentation = copy.deepcopy(module.augmentation)
        self.losses = LOSSES[type(module.objective)]
        self.updates, self.shares, self.fresh = module.discriminator_updates, module.shared_samples, module.fresh_reals
        self.networks = [part for part in (self.generator, self.discriminator, self.average) if part is not None]
        discriminator, generator = (phase.trains for phase in module.phases())
        self.d_optimizer = module.make_optimizer(discriminator.optimizer, self.discriminator.parameters())
        self.g_optimizer = module.make_optimizer(generator.optimizer, self.generator.parameters())
        self.optimizers = [self.d_optimizer, self.g_optimizer]
        self.one_pass = not self.discriminator.mixes_samples
        weights = {type(penalty): at(penalty.weight, 0) for penalty in penalties_of(module)}
        self.gamma = weights.get(R1)
        self.slopes = [(place, weights[kind]) for kind, place in POSITIONS.items() if kind in weights]
        self.bound = module.constraint.bound if isinstance(module.constraint, WeightClipping) else None
        terms = cast(list[Classification], list(module.terms.values()))
        self.class_weight = next((at(term.weight, 0) for term in terms), None)

    def step(self) -> None:
        """All updates of the discriminator, then one of the generator."""
        for update in range(1, self.updates + 1):
            real, labels = next(self.batches)
            fake = self.draw(real, labels, self.shares and update == self.updates)
            self.train_discriminator(real, fake.detach(), labels)
            if self.fresh:
                real, labels = next(self.batches)
        self.train_generator(real, fake if self.shares else self.draw(real, labels, trains=True), labels)
        if self.average is not None:
            follow(self.average, self.generator)

    def draw(self, real: Tensor, labels: Tensor | None, trains: bool) -> Tensor:
        """As many samples as real ones, of their classes; with a graph for the generator's step."""
        with self.precision.autocast(), torch.set_grad_enabled(trains):
            return (self.generate if trains else self.generator)(self.latents(len(real)), labels)

    def train_discriminator(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> None:
        """One update."""
        with self.precision.autocast():
            with torch.no_grad():
                real, fake = self.augment(real), self.augment(fake)
            loss = self.discriminator_loss(real, fake, labels)
        self.d_optimizer.zero_grad()
        self.precision.update(loss, self.d_optimizer)
        if self.bound is not None:
            with torch.no_grad():
                weights: list[Tensor] = list(self.discriminator.parameters())
                private.clamp_all(weights, -self.bound, self.bound)

    def discriminator_loss(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> Tensor:
        """The adversarial loss, that of the classes, the penalties; one pass over all samples if that is equal."""
        seen, classes = [real, fake], [labels, labels]
        if self.one_pass:
            seen, classes = [torch.cat(seen)], [None if labels is None else torch.cat([labels, labels])]
        if self.gamma is not None and not self.precision.narrow:
            seen[0].requires_grad_()
        outputs = [self.discriminate(x, y) for x, y in zip(seen, classes, strict=True)]
        on_real, on_fake = outputs[0].split() if self.one_pass else outputs
        loss = self.losses.discriminator(on_real.logits, on_fake.logits)
        if self.class_weight is not None:
            loss = loss + self.class_weight * (classified(on_real, labels) + classified(on_fake, labels))
        if isinstance(self.augmentation, AdaptiveAugmentation):
            self.augmentation.adapt(on_real.logits.detach().sign().mean(), len(real))
        with self.precision.full():
            if self.gamma is not None:  # R1 + R2, the gradients at all samples at once
                both = self.discriminate(seen[0].requires_grad_(), classes[0]) if self.precision.narrow else outputs[0]
                (gradient,) = torch.autograd.grad(both.logits.sum(), seen, create_graph=True)
                loss = loss + self.gamma / 2 * gradient.square().sum() / len(real)
            for place, weight in self.slopes:
                x = place(real, fake, self.rng).requires_grad_()
                (gradient,) = torch.autograd.grad(self.discriminate(x, labels).logits.sum(), x, create_graph=True)
                loss = loss + weight * (gradient.flatten(1).norm(dim=1) - 1).square().mean()
        return loss

    def train_generator(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> None:
        """One update; the frozen discriminator needs no gradient of its weights, nor any at real samples."""
        self.discriminator.requires_grad_(False)
        with self.precision.autocast():
            fake = self.augment(fake)
            real_logits = self.discriminator(self.augment(real), labels).logits if self.losses.compares else None
            output = self.discriminator(fake, labels)
            loss = self.losses.generator(real_logits, output.logits)
            if self.class_weight is not None:
                loss = loss + self.class_weight * classified(output, labels)
        self.g_optimizer.zero_grad()
        self.precision.update(loss, self.g_optimizer)
        self.discriminator.requires_grad_(True)

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """A training pass of the generator."""
        return self.generator(latents, labels)

    def discriminate(self, x: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """A training pass of the discriminator."""
        return self.discriminator(x, labels)

    def latents(self, n: int) -> Tensor:
        """Draw from N(0, I)."""
        return torch.randn(n, self.generator.latent_dim, generator=self.rng, device=self.rng.device)

    def augment(self, x: Tensor) -> Tensor:
        """Samples as the discriminator sees them."""
        return x if self.augmentation is None else self.augmentation(x, self.rng)


@torch.no_grad()
def follow(average: torch.nn.Module, source: torch.nn.Module) -> None:
    """Update the averaged weights, and copy BatchNorm's statistics."""
    private.lerp_all(list(average.parameters()), list(source.parameters()), AVERAGE_SHARE)
    if buffers := list(average.buffers()):
        private.copy_all(buffers, list(source.buffers()))
