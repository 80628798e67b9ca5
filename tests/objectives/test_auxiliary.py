"""Terms beside the objective against their formulas, written again in numpy and torch.distributions."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Categorical

from lightning_gen.errors import InputError
from lightning_gen.objectives import Classification, FeatureMatching, FeatureReconstruction, LayerwiseFeatureMatching
from lightning_gen.records import DiscriminatorOutput

TERMS = (FeatureMatching, Classification)


def output(n=9, seed=0, features=6, classes=4):
    random = torch.Generator().manual_seed(seed)
    return DiscriminatorOutput(
        logits=torch.randn(n, generator=random).double(),
        features=torch.randn(n, features, generator=random).double().requires_grad_(),
        labels=torch.randint(classes, (n,), generator=random),
        class_logits=torch.randn(n, classes, generator=random).double().requires_grad_(),
    )


def test_matched_features():
    real, fake = output(7, 0), output(9, 1)
    loss = FeatureMatching().generator(real, fake)
    apart = fake.features.detach().numpy().mean(0) - real.features.detach().numpy().mean(0)
    assert loss.item() == pytest.approx((apart**2).sum())
    of_real, of_fake = torch.autograd.grad(loss, (real.features, fake.features), allow_unused=True)
    assert of_real is None, "real features are a target"
    np.testing.assert_allclose(of_fake, np.tile(2 * apart / 9, (9, 1)))
    assert FeatureMatching().discriminator(real, fake) is None


def test_features_of_half_precision_are_averaged_in_float32():
    """10,000 features of 2, against 2 less 2^-7 in half of the samples: bfloat16 has no number in between."""
    real = DiscriminatorOutput(torch.zeros(2), torch.full((2, 10_000), 2.0).bfloat16())
    fake = DiscriminatorOutput(torch.zeros(2), torch.tensor([[2.0], [2 - 2**-7]]).expand(2, 10_000).bfloat16())
    loss = FeatureMatching().generator(real, fake)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(10_000 * 2.0**-16, rel=1e-3)


def test_matched_features_need_real_samples():
    assert FeatureMatching.needs_real_for_generator
    with pytest.raises(InputError, match="compares with real samples"):
        FeatureMatching().generator(None, output())


def surprise(output):
    return -Categorical(logits=output.class_logits).log_prob(output.labels).mean()


@pytest.mark.parametrize("on_fake", [True, False])
def test_classification_is_the_surprise_at_the_class(on_fake):
    real, fake = output(7, 0), output(9, 1)
    term = Classification(on_fake=on_fake)
    torch.testing.assert_close(
        term.discriminator(real, fake), surprise(real) + (surprise(fake) if on_fake else 0), rtol=1e-12, atol=0
    )
    torch.testing.assert_close(term.generator(None, fake), surprise(fake), rtol=1e-12, atol=0)
    probabilities = torch.softmax(fake.class_logits, 1).detach()
    expected = (probabilities - torch.eye(4)[fake.labels]) / 9
    torch.testing.assert_close(torch.autograd.grad(term.generator(None, fake), fake.class_logits)[0], expected)


@pytest.mark.parametrize("missing", ["class_logits", "labels"])
def test_a_discriminator_that_guesses_no_classes_is_refused(missing):
    real = output()
    bare = DiscriminatorOutput(**{**vars(real), missing: None})
    for pay in (Classification().discriminator, Classification().generator):
        with pytest.raises(InputError, match="AuxiliaryClassifier"):
            pay(bare, bare)


def test_the_halves_of_an_output_are_those_of_its_samples():
    both = output(8)
    packed = DiscriminatorOutput(both.logits[:4], both.features[:4], both.labels)  # two samples a row
    for each, rows in ((both, 4), (packed, 2)):
        first, second = each.split()
        for part, start in ((first, 0), (second, 1)):
            assert torch.equal(part.logits, each.logits[start * rows :][:rows])
            assert torch.equal(part.features, each.features[start * rows :][:rows])
            assert torch.equal(part.labels, each.labels[start * 4 :][:4])
    assert packed.split()[0].class_logits is None


@pytest.mark.parametrize("cls", TERMS)
def test_constructor_arguments_are_attributes_and_terms_unweighted(cls):
    real, fake = output(7, 0), output(9, 1)
    assert torch.equal(cls(weight=50.0).generator(real, fake), cls().generator(real, fake))
    for name, parameter in inspect.signature(cls).parameters.items():
        assert getattr(cls(), name) == parameter.default


def test_features_are_compared_sample_by_sample_and_generated_ones_left_out():
    real, fake = torch.randn(4, 3), torch.randn(8, 3, requires_grad=True)
    expected = sum(0.5 * (real[i] - fake[i]).square().sum() for i in range(4)) / 4
    outputs = [DiscriminatorOutput(x.sum(1), x) for x in (real.requires_grad_(), fake)]
    found = FeatureReconstruction().generator(*outputs)
    torch.testing.assert_close(found, expected)
    found.backward()
    assert real.grad is None
    assert not fake.grad[4:].any()
    assert FeatureReconstruction().discriminator(*outputs) is None
    with pytest.raises(InputError, match="real samples"):
        FeatureReconstruction().generator(None, outputs[1])


def test_layerwise_feature_matching_is_the_l1_distance_of_each_map():
    """As pix2pixHD's training writes it: L1Loss of each map, the real one detached, summed."""
    torch.manual_seed(0)
    maps = [torch.randn(3, c, side, side).double() for c, side in ((4, 8), (8, 4), (16, 2))]
    fakes = [torch.randn_like(each).requires_grad_() for each in maps]
    real, fake = (
        DiscriminatorOutput(torch.zeros(3), torch.zeros(3, 1), hidden=tuple(hidden)) for hidden in (maps, fakes)
    )
    value = LayerwiseFeatureMatching().generator(real, fake)
    expected = sum(nn.L1Loss()(ours, theirs) for ours, theirs in zip(fakes, maps, strict=True))
    torch.testing.assert_close(value, expected)
    assert LayerwiseFeatureMatching().weight == 10.0
    assert LayerwiseFeatureMatching().discriminator(real, fake) is None
    for none in (None, DiscriminatorOutput(torch.zeros(3), torch.zeros(3, 1))):
        with pytest.raises(InputError, match="PatchDiscriminator"):
            LayerwiseFeatureMatching().generator(none, fake)


def test_layerwise_feature_matching_takes_the_first_of_several_kinds_of_fakes():
    real = torch.randn(2, 3, 4, 4)
    fake = torch.cat([real, torch.randn(2, 3, 4, 4)])
    outputs = [DiscriminatorOutput(x.sum((1, 2, 3)), x.flatten(1), hidden=(x,)) for x in (real, fake)]
    assert LayerwiseFeatureMatching().generator(*outputs) == 0
