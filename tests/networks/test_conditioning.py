"""Classes, packs and the variety of a batch, against the same worked out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import (
    AuxiliaryClassifier,
    ClassEmbedding,
    Concatenation,
    ConditionalBatchNorm,
    DCGANDiscriminator,
    DCGANGenerator,
    DenseDiscriminator,
    DenseGenerator,
    InnerProduct,
    Projection,
    R3GANDiscriminator,
    R3GANGenerator,
    ResidualDenseDiscriminator,
    ResidualDenseGenerator,
    ResNetDiscriminator,
    ResNetGenerator,
)
from lightning_gen.networks.conditioning import ClassBatchNorm
from lightning_gen.networks.discriminator import packed

CLASSES = 3
LABELS = torch.tensor([2, 0, 1, 2, 2, 0])
ONE_HOT = np.eye(CLASSES)[LABELS.numpy()]

CONDITIONAL_GENERATORS = (
    (DenseGenerator, Concatenation, {"widths": (16,)}),
    (DenseGenerator, ConditionalBatchNorm, {"widths": (16,)}),
    (ResidualDenseGenerator, Concatenation, {"width": 16}),
    (DCGANGenerator, Concatenation, {"width": 4}),
    (DCGANGenerator, ConditionalBatchNorm, {"width": 4}),
    (ResNetGenerator, Concatenation, {"width": 4}),
    (ResNetGenerator, ConditionalBatchNorm, {"width": 4}),
    (R3GANGenerator, Concatenation, {"width": 4}),
    (R3GANGenerator, ClassEmbedding, {"width": 4}),
    (DenseGenerator, ClassEmbedding, {"widths": (16,)}),
)
DISCRIMINATORS = (
    (DenseDiscriminator, {"widths": (16,)}),
    (ResidualDenseDiscriminator, {"width": 16}),
    (DCGANDiscriminator, {"width": 4, "batch_norm": False}),
    (ResNetDiscriminator, {"width": 4}),
    (R3GANDiscriminator, {"width": 4}),
)
every_discriminator = pytest.mark.parametrize(("cls", "arguments"), DISCRIMINATORS)


def numbers(*shape):
    return torch.randn(shape, dtype=torch.float64)


def weights_of(linear):
    return linear.weight.detach().numpy(), linear.bias.detach().numpy()


def test_concatenation_appends_one_hot_vectors():
    x = numbers(6, 4)
    joined = Concatenation(CLASSES).concatenate(x, LABELS)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate([x.numpy(), ONE_HOT], axis=1))
    assert Concatenation(CLASSES).concatenated_shape((4,)) == (7,)


def test_concatenation_appends_one_hot_maps():
    x = numbers(6, 2, 3, 5)
    joined = Concatenation(CLASSES).concatenate(x, LABELS).numpy()
    assert joined.shape[1:] == Concatenation(CLASSES).concatenated_shape((2, 3, 5)) == (5, 3, 5)
    np.testing.assert_array_equal(joined[:, :2], x.numpy())
    for row, column in np.ndindex(3, 5):
        np.testing.assert_array_equal(joined[:, 2:, row, column], ONE_HOT)


def test_a_conditioning_may_still_define_and_call_methods_by_their_names_of_version_0_1():
    with pytest.warns(DeprecationWarning, match="concatenated_shape"):

        class Doubled(Concatenation):
            def widened(self, shape):
                return super().widened(super().widened(shape))

            def join(self, x, labels):
                return super().join(super().join(x, labels), labels)

    network = DenseDiscriminator((4,), widths=[8], conditioning=Doubled(CLASSES)).double()
    with pytest.warns(DeprecationWarning, match="concatenated_shape"):
        assert network.input_shape == (10,)
    with pytest.warns(DeprecationWarning, match="concatenate now"):
        assert network(numbers(6, 4), LABELS).logits.shape == (6,)
    with pytest.warns(DeprecationWarning, match="concatenate now"):
        assert network.join(numbers(6, 4), LABELS).shape == (6, 10)


@pytest.mark.parametrize(("dimensions", "axes"), [(0, 0), (2, (0, 2, 3))])
def test_conditional_batch_norm_by_hand(dimensions, axes):
    norm = ConditionalBatchNorm(CLASSES).batch_norm(4, dimensions).double()
    nn.init.normal_(norm.gain.weight)
    nn.init.normal_(norm.shift.weight)
    x = numbers(6, 4, *[5] * dimensions)
    gain, shift = (table.weight.detach().numpy()[LABELS.numpy()] for table in (norm.gain, norm.shift))
    gain, shift = (rows.reshape(6, 4, *[1] * dimensions) for rows in (gain, shift))
    mean, variance = (statistic(x.numpy(), axis=axes, keepdims=True) for statistic in (np.mean, np.var))
    expected = (x.numpy() - mean) / np.sqrt(variance + 1e-5) * gain + shift
    np.testing.assert_allclose(norm(x, LABELS).detach().numpy(), expected)


@pytest.mark.parametrize("dimensions", [0, 2])
def test_conditional_batch_norm_starts_as_batch_norm_in_training_and_after(dimensions):
    plain = nn.BatchNorm2d(4) if dimensions else nn.BatchNorm1d(4)
    conditional = ConditionalBatchNorm(CLASSES).batch_norm(4, dimensions)
    for training in (True, False):
        x = torch.randn(6, 4, *[5] * dimensions) + 2
        torch.testing.assert_close(conditional.train(training)(x, LABELS), plain.train(training)(x))


def test_every_batch_norm_of_a_generator_knows_the_class():
    for cls, conditioning, arguments in CONDITIONAL_GENERATORS:
        if conditioning is ConditionalBatchNorm:
            generator = cls((1, 16, 16), conditioning=ConditionalBatchNorm(CLASSES), **arguments)
            plain = cls((1, 16, 16), **arguments)
            norms = [m for m in plain.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
            conditional = [m for m in generator.modules() if isinstance(m, ClassBatchNorm)]
            assert [m.norm.num_features for m in conditional] == [m.num_features for m in norms]
            output = generator(torch.randn(6, generator.latent_dim), torch.tensor([0, 2, 0, 2, 2, 0]))
            (output * torch.randn_like(output)).sum().backward()
            for norm in conditional:
                assert norm.gain.weight.grad.any(dim=1).tolist() == [True, False, True]
                assert norm.shift.weight.grad.any(dim=1).tolist() == [True, False, True]


def test_a_generator_reads_latent_then_class():
    generator = DenseGenerator((2,), 4, (5,), batch_norm=False, bounded=False, conditioning=Concatenation(CLASSES))
    generator.double()
    (w1, b1), (w2, b2) = (weights_of(m) for m in generator.modules() if isinstance(m, nn.Linear))
    latent = numbers(6, 4)
    hidden = np.maximum(np.concatenate([latent.numpy(), ONE_HOT], axis=1) @ w1.T + b1, 0)
    np.testing.assert_allclose(generator(latent, LABELS).detach().numpy(), hidden @ w2.T + b2)


def test_projection_by_hand():
    """Equation 3 of https://arxiv.org/abs/1802.05637."""
    discriminator = DenseDiscriminator((4,), (5,), conditioning=Projection(CLASSES)).double()
    x = numbers(6, 4)
    output = discriminator(x, LABELS)
    w, b = weights_of(discriminator.layers[1])
    hidden = x.numpy() @ w.T + b
    hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    np.testing.assert_allclose(output.features.detach().numpy(), hidden)
    psi, bias = weights_of(discriminator.head.logit)
    embedding = ONE_HOT @ discriminator.head.embedding.weight.detach().numpy()
    expected = (hidden @ psi.T + bias)[:, 0] + (embedding * hidden).sum(1)
    np.testing.assert_allclose(output.logits.detach().numpy(), expected)
    assert output.class_logits is None


def test_auxiliary_classifier_by_hand():
    discriminator = DenseDiscriminator((4,), (5,), conditioning=AuxiliaryClassifier(CLASSES)).double()
    output = discriminator(numbers(6, 4), LABELS)
    features = output.features.detach().numpy()
    w, b = weights_of(discriminator.head.classes)
    assert w.shape == (CLASSES, 5)
    np.testing.assert_allclose(output.class_logits.detach().numpy(), features @ w.T + b)
    w, b = weights_of(discriminator.head.logit)
    np.testing.assert_allclose(output.logits.detach().numpy(), (features @ w.T + b)[:, 0])


@pytest.mark.parametrize("shape", [(3,), (2, 4, 5)])
def test_a_pack_holds_samples_in_a_row(shape):
    x = numbers(6, *shape)
    rows = packed(x, 2).numpy()
    assert rows.shape == (3, 2 * shape[0], *shape[1:])
    for i in range(3):
        np.testing.assert_array_equal(rows[i], np.concatenate([x[2 * i].numpy(), x[2 * i + 1].numpy()]))


def test_a_pack_holds_the_class_of_each_sample():
    discriminator = DenseDiscriminator((4,), (5,), packing=3, conditioning=Concatenation(CLASSES)).double()
    assert discriminator.input_shape == (3 * (4 + CLASSES),)
    x = numbers(6, 4)
    samples = np.concatenate([x.numpy(), ONE_HOT], axis=1)
    rows = np.stack([np.concatenate(samples[:3]), np.concatenate(samples[3:])])
    w, b = weights_of(discriminator.layers[1])
    hidden = rows @ w.T + b
    np.testing.assert_allclose(
        discriminator(x, LABELS).features.detach().numpy(), np.where(hidden > 0, hidden, 0.2 * hidden)
    )


@every_discriminator
def test_packs_are_judged_one_by_one(cls, arguments):
    discriminator = cls((2, 8, 8), packing=3, **arguments).double().eval()
    x = numbers(6, 2, 8, 8)
    logits = discriminator(x).logits
    torch.testing.assert_close(logits, torch.stack([discriminator(x[:3]).logits[0], discriminator(x[3:]).logits[0]]))
    assert not torch.allclose(logits, discriminator(x.flip(0)).logits.flip(0), rtol=1e-9)


@every_discriminator
def test_minibatch_standard_deviation_by_hand(cls, arguments):
    """Section 3 of https://arxiv.org/abs/1710.10196, with one group and one number for all features."""
    discriminator = cls((2, 8, 8), minibatch_std=True, **arguments).double().eval()
    x = numbers(6, 2, 8, 8)
    features = discriminator(x).features.detach().numpy()
    np.testing.assert_allclose(features[:, -1], features[:, :-1].std(0).mean(), rtol=1e-4)
    assert features.shape[1] == discriminator.features(x).flatten(1).shape[1] + 1
    same = discriminator(x[:1].expand(6, -1, -1, -1)).features[:, -1]
    assert (same < 2e-4).all()
    head = discriminator.head.logit
    alone = discriminator(x).features[:, :-1] @ head.weight[0, :-1]
    added = (discriminator(x).logits - alone).detach().numpy()
    np.testing.assert_allclose(added, added[0], rtol=1e-6, err_msg="the same for all samples of a batch")


@every_discriminator
def test_halves_are_the_judgements_of_either_half(cls, arguments):
    packs, guesses = {"packing": 2, "conditioning": Concatenation(CLASSES)}, AuxiliaryClassifier(CLASSES)
    for options in ({}, packs, {"conditioning": guesses}):
        discriminator = cls((1, 8, 8), **arguments, **options).double().eval()
        real, fake = numbers(6, 1, 8, 8), numbers(6, 1, 8, 8)
        halves = discriminator(torch.cat([real, fake]), torch.cat([LABELS, LABELS.flip(0)])).split()
        for half, alone in zip(halves, (discriminator(real, LABELS), discriminator(fake, LABELS.flip(0))), strict=True):
            torch.testing.assert_close(vars(half), vars(alone))


@pytest.mark.parametrize(("cls", "conditioning", "arguments"), CONDITIONAL_GENERATORS)
def test_a_generator_draws_each_class_its_own_way(cls, conditioning, arguments):
    generator = cls((1, 8, 8), conditioning=conditioning(CLASSES), **arguments).double().eval()
    for part in generator.modules():
        if isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight)
    one = generator(numbers(1, generator.latent_dim).expand(3, -1), torch.arange(3))
    assert torch.pdist(one.flatten(1)).min() > 1e-3
    assert generator.num_classes == CLASSES


@every_discriminator
def test_a_discriminator_judges_each_class_its_own_way(cls, arguments):
    for conditioning in (Concatenation, Projection, InnerProduct):
        discriminator = cls((1, 8, 8), conditioning=conditioning(CLASSES), **arguments).double().eval()
        logits = discriminator(numbers(1, 1, 8, 8).expand(3, -1, -1, -1), torch.arange(3)).logits
        assert torch.pdist(logits[:, None]).min() > 1e-5
        assert discriminator.num_classes == CLASSES


def test_an_auxiliary_classifier_does_not_read_the_class_it_guesses():
    discriminator = DenseDiscriminator((4,), (5,), conditioning=AuxiliaryClassifier(CLASSES))
    x = torch.randn(6, 4)
    torch.testing.assert_close(discriminator(x, LABELS).class_logits, discriminator(x, 0 * LABELS).class_logits)


@pytest.mark.parametrize(("cls", "conditioning", "arguments"), CONDITIONAL_GENERATORS)
def test_a_conditional_generator_wants_the_class(cls, conditioning, arguments):
    generator = cls((1, 8, 8), conditioning=conditioning(CLASSES), **arguments)
    with pytest.raises(InputError, match=f"{cls.__name__} is conditional and the samples come without labels: take"):
        generator(torch.randn(2, generator.latent_dim))


@every_discriminator
def test_a_conditional_discriminator_wants_the_class(cls, arguments):
    for conditioning in (Concatenation, Projection, InnerProduct, AuxiliaryClassifier):
        discriminator = cls((1, 8, 8), conditioning=conditioning(CLASSES), **arguments)
        with pytest.raises(InputError, match=f"{cls.__name__} is conditional and the samples come without labels"):
            discriminator(torch.randn(2, 1, 8, 8))


@every_discriminator
def test_samples_that_make_no_whole_packs_are_refused(cls, arguments):
    with pytest.raises(InputError, match=r"5 samples .* packs of 2: set --data.batch_size .* a multiple of 2"):
        cls((1, 8, 8), packing=2, **arguments)(torch.randn(5, 1, 8, 8))


@every_discriminator
def test_one_class_a_logit_and_packing_are_refused(cls, arguments):
    for conditioning in (Projection, InnerProduct, AuxiliaryClassifier):
        with pytest.raises(InputError, match=f"{conditioning.__name__} .* packing 2 .*: use Concatenation"):
            cls((1, 8, 8), packing=2, conditioning=conditioning(CLASSES), **arguments)


@pytest.mark.parametrize(
    "conditioning",
    [Concatenation, ClassEmbedding, ConditionalBatchNorm, Projection, InnerProduct, AuxiliaryClassifier],
)
def test_fewer_than_two_classes_are_refused(conditioning):
    for number in (1, 0, -2, 2.5, None):
        with pytest.raises(InputError, match=f"{conditioning.__name__} needs .* at least 2 .* num_classes {number}"):
            conditioning(number)


def test_an_embedding_of_no_width_is_refused():
    for width in (0, -1, 1.5):
        with pytest.raises(InputError, match=f"ClassEmbedding .*width .*{width}"):
            ClassEmbedding(CLASSES, width)


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [(R3GANGenerator, {}), (ResidualDenseGenerator, {}), (DenseGenerator, {"batch_norm": False})],
)
def test_conditional_batch_norm_without_batch_norm_is_refused(cls, arguments):
    with pytest.raises(
        InputError,
        match=f"{cls.__name__} has no BatchNorm for ConditionalBatchNorm .*: use Concatenation",
    ):
        cls((1, 8, 8), conditioning=ConditionalBatchNorm(CLASSES), **arguments)
