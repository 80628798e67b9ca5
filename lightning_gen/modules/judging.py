"""How a discriminator is asked for its judgement, by every module that has one."""

from collections.abc import Collection

import torch
from torch import Tensor

from lightning_gen.modules.modes import uncompiled
from lightning_gen.networks import Discriminator
from lightning_gen.records import Judgement, Sides
from lightning_gen.regularizers import Contest, Penalty


def contest(
    discriminator: Discriminator, sides: Sides, penalties: Collection[Penalty], generator: torch.Generator
) -> Contest:
    """Both sides before the discriminator, watched where a penalty asks for it.

    The samples themselves, and not only the logits, are joined where one pass judges both: one gradient of one tensor
    then serves the penalties on either side. Where there are several fake samples for a real one none is watched, and
    a penalty on them makes a pass of its own. A watched pass runs as it is also where the discriminator is compiled: a
    penalty asks for its second derivative, which compiled code has not.

    Args:
        discriminator: The discriminator.
        sides: What it is to tell apart.
        penalties: What it will pay.
        generator: Source of whatever a penalty draws.
    """
    apart = torch.is_autocast_enabled(sides.real.device.type)  # a penalty needs a pass of its own then, in float32
    watch_real = not apart and any(penalty.at_real for penalty in penalties)
    watch_fake = not apart and any(penalty.at_fake for penalty in penalties) and len(sides.real) == len(sides.fake)
    with uncompiled(watch_real or watch_fake):
        return _contest(discriminator, sides, watch_real, watch_fake, generator)


def _contest(
    discriminator: Discriminator, sides: Sides, watch_real: bool, watch_fake: bool, generator: torch.Generator
) -> Contest:
    labels = sides.real_labels
    if watch_real == watch_fake and together(discriminator, sides):
        both = watched(torch.cat([sides.real, sides.fake.to(sides.real.dtype)]), watch_real)
        real, fake = both.chunk(2)
        on_real, on_fake = _halves(discriminator, sides, both)
        return Contest(discriminator, real, fake, on_real, on_fake, generator, labels, both if watch_real else None)
    real, fake = watched(sides.real, watch_real), watched(sides.fake, watch_fake)
    on_real, on_fake = discriminator.judge(real, labels), discriminator.judge(fake, sides.fake_labels)
    return Contest(discriminator, real, fake, on_real, on_fake, generator, labels)


def together(discriminator: Discriminator, sides: Sides) -> bool:
    """Whether one pass over both sides gives the same as a pass over each."""
    alike = len(sides.real) == len(sides.fake) and not len(sides.real) % discriminator.packing
    return alike and not discriminator.mixes_samples


def watched(x: Tensor, watch: bool) -> Tensor:
    """Samples at which the gradient of the logits is asked for, or not."""
    return x.detach().requires_grad_() if watch else x


def _halves(discriminator: Discriminator, sides: Sides, both: Tensor) -> tuple[Judgement, Judgement]:
    labels = [each for each in (sides.real_labels, sides.fake_labels) if each is not None]
    return discriminator.judge(both, torch.cat(labels) if labels else None).halves()
