"""An ensemble of discriminators: its losses are those of each part."""

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.networks import (
    AuxiliaryClassifier,
    Concatenation,
    DCGANDiscriminator,
    DiscriminatorEnsemble,
    PatchDiscriminator,
    PeriodDiscriminator,
    SpectrogramDiscriminator,
)
from lightning_gen.objectives import LayerwiseFeatureMatching, LeastSquares
from lightning_gen.records import RealFakePair
from lightning_gen.training.adversarial import AdversarialLosses


def ensemble():
    torch.manual_seed(0)
    shape = (1, 90)
    parts = {f"period_{period}": PeriodDiscriminator(shape, period, 2) for period in (2, 3)}
    return DiscriminatorEnsemble({**parts, "window_16": SpectrogramDiscriminator(shape, 16, 2)})


def test_losses_are_the_sums_of_those_of_each_part_over_its_own_logits():
    discriminator = ensemble()
    losses = AdversarialLosses(discriminator, LeastSquares(), {"features": LayerwiseFeatureMatching()}, {})
    real, fake = torch.randn(2, 4, 1, 90)
    pair = RealFakePair(real, fake)
    assert losses.allows_joint_pass(pair)
    loss = losses.of_discriminator(losses.passes(pair, torch.Generator()), 0)
    of_generator = losses.of_generator(fake, None, real, None)
    alone, matched = 0.0, 0.0
    for part in discriminator.parts.values():
        on_real, on_fake = part(real), part(fake)
        alone += 0.5 * (on_real.logits - 1).square().mean() + 0.5 * on_fake.logits.square().mean()
        matched += sum((r - f).abs().mean() for r, f in zip(on_real.hidden, on_fake.hidden, strict=True))
    torch.testing.assert_close(loss.total, alone)
    torch.testing.assert_close(of_generator.terms[0][1], matched)


def test_it_takes_what_all_parts_take():
    discriminator = ensemble()
    assert (discriminator.shape, discriminator.multiple_of, discriminator.least_side) == ((1, 90), 1, 3)
    assert len(discriminator(torch.randn(2, 1, 77))) == 3
    fixed = DiscriminatorEnsemble({"a": PatchDiscriminator((1, 64), 2, 1), "b": DCGANDiscriminator((1, 64), 2)})
    assert fixed.multiple_of is None
    assert fixed.mixes_samples, "BatchNorm"


def test_classes_reach_each_part():
    parts = {name: PatchDiscriminator((1, 64), 2, 1, False, conditioning=Concatenation(3)) for name in "ab"}
    discriminator, x = DiscriminatorEnsemble(parts), torch.randn(2, 1, 64)
    one, other = (discriminator(x, torch.full((2,), label)) for label in (0, 1))
    assert discriminator.num_classes == 3
    assert all(not torch.equal(a.logits, b.logits) for a, b in zip(one, other, strict=True))


def test_what_does_not_fit_is_refused():
    patch = PatchDiscriminator((1, 64), 2, 1)
    with pytest.raises(InputError, match="at least one"):
        DiscriminatorEnsemble({})
    with pytest.raises(InputError, match=r"several shapes, a .*64.*, b .*90"):
        DiscriminatorEnsemble({"a": patch, "b": PeriodDiscriminator((1, 90), 2, 2)})
    with pytest.raises(InputError, match="several kinds of conditioning"):
        DiscriminatorEnsemble({"a": patch, "b": DCGANDiscriminator((1, 64), 2, conditioning=AuxiliaryClassifier(3))})
    with pytest.raises(InputError, match="set its packing to 1"):
        DiscriminatorEnsemble({"a": DCGANDiscriminator((1, 64), 2, packing=2)})
    with pytest.raises(InputError, match="WrappedDiscriminator"):
        DiscriminatorEnsemble({"a": torch.nn.Linear(64, 1)})
