"""The training step of translation against the reference loops with which `bench` compares its time."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader

from lightning_gen import EMA, Batch, CycleTranslationModule, TranslationModule
from lightning_gen.augmentations import GaussianNoise
from lightning_gen.bench.data import batches_with_targets
from lightning_gen.bench.reference_translation import ReferenceCycle, ReferenceTranslation
from lightning_gen.data.base import ArrayDataset
from lightning_gen.data.pairs import Pairs
from lightning_gen.data.views import Framing
from lightning_gen.media import Images
from lightning_gen.networks import PatchDiscriminator, ResNetTranslator, UNet
from lightning_gen.objectives import (
    AbsoluteError,
    CycleConsistency,
    IdentityMapping,
    LeastSquares,
    NonSaturating,
    PatchContrast,
    RelativisticPaired,
)

SHAPE = (1, 16, 16)
ROWS = 4
BOTH = ("generator", "back_generator", "discriminator", "back_discriminator")


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def judge(channels=1):
    return PatchDiscriminator((channels, 16, 16), width=4, depth=1, batch_norm=False, instance_norm=True)


def one_way(**options):
    return TranslationModule(
        **{
            "generator": UNet(SHAPE, width=4, dropout=0.0),
            "objective": {"l1": AbsoluteError()},
            "discriminator": judge(2 if options.get("conditional", True) else 1),
            "adversarial": NonSaturating(),
            **options,
        }
    )


def both_ways(**options):
    return CycleTranslationModule(
        *(ResNetTranslator(SHAPE, width=4, blocks=1) for _ in range(2)),
        *(judge() for _ in range(2)),
        **{
            "objective": {"cycle": CycleConsistency(), "identity": IdentityMapping()},
            "adversarial": LeastSquares(),
            "adversarial_weight": 2.0,
            **options,
        },
    )


GAMES = {
    "Pix2Pix": (one_way, ReferenceTranslation, ("generator", "discriminator")),
    "without a discriminator": (
        partial(one_way, discriminator=None, adversarial=None),
        ReferenceTranslation,
        ("generator",),
    ),
    "noise, without sources": (
        partial(one_way, conditional=False, degradation=GaussianNoise(0.2), adversarial=LeastSquares()),
        ReferenceTranslation,
        ("generator", "discriminator"),
    ),
    "CycleGAN, a full history": (partial(both_ways, history=4), ReferenceCycle, BOTH),
    "CycleGAN, filled within a batch": (partial(both_ways, history=6), ReferenceCycle, BOTH),
    "CycleGAN, less than a batch": (partial(both_ways, history=3), ReferenceCycle, BOTH),
    "CycleGAN without a history": (
        partial(both_ways, history=0, objective={"cycle": CycleConsistency()}),
        ReferenceCycle,
        BOTH,
    ),
}


@pytest.mark.parametrize("name", GAMES)
def test_the_weights_of_translators_are_those_of_a_loop_by_hand(name, trainer):
    make, kind, networks = GAMES[name]
    torch.manual_seed(3)
    module, count = make(), 4
    targets = torch.rand(2, count, ROWS, *SHAPE) * 2 - 1
    batches = [Batch(x, None, target) for x, target in zip(*targets, strict=True)]
    before = [p.clone() for p in module.generator.parameters()]
    torch.manual_seed(5)
    hand = kind(module, iter(batches), torch.Generator().manual_seed(5 * 2**16))
    trainer(max_epochs=1).fit(module, DataLoader(batches, batch_size=None, shuffle=False))
    for _ in range(count):
        hand.step()
    # gradients of biases before a norm are 0 but for rounding, which Adam divides by itself
    for network in networks:
        torch.testing.assert_close(
            getattr(module, network).state_dict(), getattr(hand, network).state_dict(), rtol=0, atol=1e-8
        )
    assert not any(torch.equal(a, b) for a, b in zip(before, module.generator.parameters(), strict=True))


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (partial(one_way, ema=EMA()), ReferenceTranslation, "no further terms, penalties or averages"),
        (partial(one_way, accumulate=2), ReferenceTranslation, "does not clip or accumulate"),
        (partial(one_way, conditional=False, history=4), ReferenceTranslation, "no further terms"),
        (partial(one_way, adversarial=RelativisticPaired()), ReferenceTranslation, "RelativisticPaired is not in the"),
        (partial(both_ways, generator_clip=1.0), ReferenceCycle, "does not clip or accumulate"),
        (
            partial(both_ways, objective={"contrast": PatchContrast(maps=["pixels"])}),
            ReferenceCycle,
            "PatchContrast is not in the reference loop",
        ),
    ],
)
def test_what_is_not_in_the_reference_loop_of_a_translation_is_refused(make, kind, sentence):
    with pytest.raises(NotImplementedError, match=sentence):
        kind(make(), iter(()), torch.Generator())


def test_its_batches_keep_each_source_beside_its_target_and_scale_both():
    pixels = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 1, 2, 2)
    pairs = Pairs(ArrayDataset(pixels), ArrayDataset(255 - pixels), Framing((2, 2), (2, 2)))
    data = SimpleNamespace(train_set=pairs, batch_size=4, medium=Images())
    stream = batches_with_targets(data, torch.device("cpu"))
    read = [next(stream) for _ in range(4)]
    assert [tuple(batch.x.shape) for batch in read] == [(4, 1, 2, 2)] * 4
    for batch in read:
        torch.testing.assert_close(batch.target, -batch.x)  # 255 - p is -x on the scale from -1 to 1
    seen = torch.cat([batch.x[:, 0, 0, 0] for batch in read[:2]])
    assert len(seen.unique()) == 8, "each sample at most once in a round"
    assert float(seen.min()) < -0.9, "bytes are scaled"
