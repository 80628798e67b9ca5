"""Translation in one direction and in both: updates against loops by hand, passes, resumption, what is refused."""

import copy
import re

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize, softplus
from torch.utils.data import DataLoader

from lightning_gen import EMA, AutoencoderModule, Batch, CycleTranslationModule, GenerativeModule, TranslationModule
from lightning_gen.augmentations import Downsampling, GaussianNoise, Grey
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.networks import (
    DenseDecoder,
    DenseEncoder,
    PatchDiscriminator,
    ResNetTranslator,
    SRResNet,
    UNet,
)
from lightning_gen.objectives import (
    AbsoluteError,
    BernoulliLikelihood,
    CycleConsistency,
    IdentityMapping,
    LayerwiseFeatureMatching,
    LeastSquares,
    NonSaturating,
    PatchContrast,
    RelativisticAverage,
)
from lightning_gen.regularizers import L1Sparsity

SHAPE = (1, 16, 16)
ADAM = {"lr": 2e-4, "betas": (0.5, 0.999)}


@pytest.fixture
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def judge(channels=1, side=16):
    return PatchDiscriminator((channels, side, side), width=4, depth=1, batch_norm=False, instance_norm=True)


def resnet(**options):
    return ResNetTranslator(SHAPE, width=4, blocks=1, **options)


def pix2pix(**options):
    return TranslationModule(
        **{
            "generator": UNet(SHAPE, width=4, dropout=0.0),
            "objective": {"l1": AbsoluteError()},
            "discriminator": judge(2),
            "adversarial": NonSaturating(),
            **options,
        }
    )


def cut(**options):
    maps = ["pixels", "down1", "block1"]
    return TranslationModule(
        **{
            "generator": resnet(antialias=True),
            "objective": {"contrast": PatchContrast(maps=maps, width=8, positions=32)},
            "discriminator": judge(),
            "adversarial": LeastSquares(),
            "adversarial_weight": 2.0,
            "conditional": False,
            **options,
        }
    )


def cyclegan(**options):
    return CycleTranslationModule(
        **{
            "generator": resnet(),
            "back_generator": resnet(),
            "discriminator": judge(),
            "back_discriminator": judge(),
            "objective": {"cycle": CycleConsistency(), "identity": IdentityMapping()},
            "adversarial": LeastSquares(),
            "adversarial_weight": 2.0,
            "history": 4,
            **options,
        }
    )


def enlarging(channels, side):
    """Super-resolution by a factor of four, without a discriminator."""
    network = SRResNet((channels, side, side), width=4, blocks=1)
    return TranslationModule(network, {"l1": AbsoluteError()}, degradation=Downsampling())


def pairs(count=3, rows=4, shape=SHAPE, target=SHAPE, seed=11):
    source = torch.Generator().manual_seed(seed)
    dtype = torch.get_default_dtype()

    def drawn(shape):
        return torch.rand(rows, *shape, generator=source, dtype=dtype) * 2 - 1

    return [Batch(drawn(shape), None, drawn(target)) for _ in range(count)]


def fitted(module, batches, trainer, **options):
    trainer(max_epochs=1, **options).fit(module, DataLoader(batches, batch_size=None, shuffle=False))
    return module


def step(optimizer, loss):
    optimizer.zero_grad()
    loss.backward(inputs=[parameter for group in optimizer.param_groups for parameter in group["params"]])
    optimizer.step()


def same(network, other):
    """Adam divides gradients that are 0 but for their rounding, as those of biases before a norm, by themselves."""
    for ours, theirs in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-8)


# updates by hand ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_double")
def test_three_updates_of_pix2pix_are_those_of_a_loop_by_hand(trainer):
    module = pix2pix()
    g, d = copy.deepcopy(module.generator), copy.deepcopy(module.discriminator)
    fitted(module, pairs(), trainer)
    of_g, of_d = torch.optim.Adam(g.parameters(), **ADAM), torch.optim.Adam(d.parameters(), **ADAM)
    for batch in pairs():
        fake = g(batch.x)
        logits = d(torch.cat([batch.x, fake], 1)).logits
        step(of_g, softplus(-logits).mean() + 100 * (fake - batch.target).abs().mean())
        real, fake = (d(torch.cat([batch.x, each], 1)).logits for each in (batch.target, fake.detach()))
        step(of_d, softplus(-real).mean() + softplus(fake).mean())
    same(module.generator, g)
    same(module.discriminator, d)


@pytest.mark.usefixtures("_double")
def test_three_updates_of_cut_are_those_of_a_loop_by_hand(trainer):
    module = cut()
    g, d, heads = (
        copy.deepcopy(each)
        for each in (module.generator, module.discriminator, module.objective["contrast"].projections)
    )
    torch.manual_seed(3)
    fitted(module, pairs(), trainer)
    names, rng = list(heads), torch.Generator().manual_seed(3 * 2**16)

    def nce(x, y):
        found = []
        for name in names:
            (key,), (query,) = g.features(x, [name]), g.features(y, [name])
            places = torch.randperm(key[0, 0].numel(), generator=rng)[:32]
            k, q = (normalize(heads[name](each.flatten(2)[:, :, places].mT), dim=2) for each in (key.detach(), query))
            logits = torch.einsum("npc,nqc->npq", q, k.detach()) / 0.07
            target = torch.arange(len(places)).repeat(len(x), 1)
            found.append(cross_entropy(logits.transpose(1, 2), target))
        return sum(found) / len(found)

    of_g = torch.optim.Adam([*g.parameters(), *heads.parameters()], **ADAM)
    of_d = torch.optim.Adam(d.parameters(), **ADAM)
    for batch in pairs():
        fake = g(batch.x)
        adversarial = (d(fake).logits - 1).square().mean()
        first = nce(batch.x, fake)
        step(of_g, adversarial + (first + nce(batch.target, g(batch.target))) / 2)
        step(of_d, ((d(batch.target).logits - 1).square().mean() + d(fake.detach()).logits.square().mean()) / 2)
    same(module.generator, g)
    same(module.discriminator, d)
    same(module.objective["contrast"].projections, heads)


@pytest.mark.usefixtures("_double")
def test_three_updates_of_super_resolution_are_those_of_a_loop_by_hand(trainer):
    """ESRGAN's losses: its relativistic average is half of ours, so that its weight is doubled here."""
    module = TranslationModule(
        SRResNet((1, 8, 8), width=4, blocks=1, scale=2),
        {"l1": AbsoluteError(0.01)},
        judge(),
        RelativisticAverage(),
        0.0025,
        conditional=False,
        degradation=Downsampling(2),
    )
    g, d = copy.deepcopy(module.generator), copy.deepcopy(module.discriminator)
    fitted(module, pairs(), trainer)
    of_g, of_d = torch.optim.Adam(g.parameters(), **ADAM), torch.optim.Adam(d.parameters(), **ADAM)
    for batch in pairs():
        fake = g(Downsampling(2)(batch.x, torch.Generator()))
        real, logits = d(batch.x).logits.detach(), d(fake).logits
        halves = softplus(real - logits.mean()).mean() + softplus(-(logits - real.mean())).mean()
        step(of_g, 0.005 * halves / 2 + 0.01 * (fake - batch.x).abs().mean())
        real, logits = d(batch.x).logits, d(fake.detach()).logits
        step(of_d, softplus(-(real - logits.mean())).mean() + softplus(logits - real.mean()).mean())
    same(module.generator, g)
    same(module.discriminator, d)


@pytest.mark.usefixtures("_double")
def test_four_updates_of_cyclegan_are_those_of_a_loop_by_hand(trainer):
    """With a history of four translations, which is full after one batch."""
    module = cyclegan()
    g, f, d_b, d_a = (
        copy.deepcopy(each)
        for each in (module.generator, module.back_generator, module.discriminator, module.back_discriminator)
    )
    torch.manual_seed(5)
    fitted(module, pairs(4), trainer)
    rng, kept = torch.Generator().manual_seed(5 * 2**16), [[], []]

    def shown(pool, fakes):
        fakes = list(fakes.detach())
        if not pool:
            pool += fakes
            return torch.stack(fakes)
        slots, coins = torch.randperm(4, generator=rng).tolist(), torch.rand(4, generator=rng).tolist()
        for index, (slot, coin) in enumerate(zip(slots, coins, strict=True)):
            if coin < 0.5:
                fakes[index], pool[slot] = pool[slot], fakes[index]
        return torch.stack(fakes)

    of_g = torch.optim.Adam([*g.parameters(), *f.parameters()], **ADAM)
    of_d = torch.optim.Adam([*d_b.parameters(), *d_a.parameters()], **ADAM)
    for batch in pairs(4):
        a, b = batch.x, batch.target
        fake_b, fake_a = g(a), f(b)
        loss = (d_b(fake_b).logits - 1).square().mean() + (d_a(fake_a).logits - 1).square().mean()
        loss = loss + 10 * ((f(fake_b) - a).abs().mean() + (g(fake_a) - b).abs().mean())
        step(of_g, loss + 5 * ((g(b) - b).abs().mean() + (f(a) - a).abs().mean()))
        total = 0
        for d, real, fake, pool in ((d_b, b, fake_b, kept[0]), (d_a, a, fake_a, kept[1])):
            total = total + (d(real).logits - 1).square().mean() / 2 + d(shown(pool, fake)).logits.square().mean() / 2
        step(of_d, total)
    for ours, theirs in (
        (module.generator, g),
        (module.back_generator, f),
        (module.discriminator, d_b),
        (module.back_discriminator, d_a),
    ):
        same(ours, theirs)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("make", [pix2pix, cyclegan])
def test_a_batch_in_parts_gives_the_update_of_the_whole(trainer, make):
    torch.manual_seed(0)
    whole, parted = make(), make(accumulate=2)
    parted.load_state_dict(whole.state_dict())
    for module in (whole, parted):
        torch.manual_seed(1)
        fitted(module, pairs(3), trainer)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parted.state_dict()[name], value, rtol=0, atol=1e-7)


# passes ---------------------------------------------------------------------------------------------------------------


def counted(module, name):
    calls = []
    getattr(module, name).register_forward_pre_hook(lambda network, args: calls.append(args[0].detach().clone()))
    return calls


@pytest.mark.parametrize(("identity", "passes"), [(5.0, 3), (0.0, 2)])
def test_cyclegan_makes_no_pass_that_it_does_not_need(trainer, identity, passes):
    module = cyclegan(objective={"cycle": CycleConsistency(), "identity": IdentityMapping(identity)})
    calls = {name: counted(module, name) for name in ("generator", "back_generator", "discriminator")}
    (batch,) = pairs(1)
    fitted(module, [batch], trainer)
    assert {name: len(found) for name, found in calls.items()} == {
        "generator": passes,
        "back_generator": passes,
        "discriminator": 2,  # frozen, for the translators; and its own, of real and fake samples at once
    }
    if identity:
        assert any(torch.equal(each, batch.target) for each in calls["generator"]), "b has to stay b"
        assert any(torch.equal(each, batch.x) for each in calls["back_generator"]), "a has to stay a"


def test_one_pass_of_the_generator_serves_both_networks(trainer):
    module = pix2pix()
    calls = counted(module, "generator")
    fitted(module, pairs(2), trainer)
    assert len(calls) == 2


def test_a_term_without_weight_is_not_computed(trainer):
    module = cut(objective={"contrast": PatchContrast(weight=0.0)})
    module.objective["contrast"].forward = None
    run = trainer(max_epochs=1)
    run.fit(module, DataLoader(pairs(1), batch_size=None))
    assert "train/contrast" not in run.callback_metrics


def test_without_a_discriminator_it_minimises_its_objective(trainer):
    module = pix2pix(discriminator=None, adversarial=None)
    assert [phase.name for phase in module.phases()] == ["generator"]
    before = copy.deepcopy(module.state_dict())
    fitted(module, pairs(2), trainer)
    assert any(not torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_feature_matching_compares_each_translation_with_its_target(trainer):
    module = pix2pix(adversarial_terms={"matching": LayerwiseFeatureMatching()})
    run = trainer(max_epochs=1)
    run.fit(module, DataLoader(pairs(1), batch_size=None))
    assert float(run.callback_metrics["train/generator_matching"]) > 0


# using it -------------------------------------------------------------------------------------------------------------


def test_any_size_is_translated_and_cropped_back():
    module = pix2pix()
    for size in ((16, 16), (19, 33), (1, 1), (3, 40)):
        x = torch.rand(2, 1, *size) * 2 - 1
        assert module.translate(x).shape == x.shape
    larger = TranslationModule(
        SRResNet((3, 8, 8), width=4, blocks=1), {"l1": AbsoluteError()}, degradation=Downsampling()
    )
    assert larger.translate(torch.zeros(1, 3, 5, 7)).shape == (1, 3, 20, 28)
    assert larger.data_shape == (3, 32, 32)


def test_translating_changes_neither_mode_nor_weights_and_depends_on_the_picture_alone():
    module = pix2pix(generator=UNet(SHAPE, width=4)).train()
    before = copy.deepcopy(module.state_dict())
    x = torch.rand(5, *SHAPE) * 2 - 1
    every = module.translate(x)
    assert module.generator.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    torch.testing.assert_close(module.translate(x[3:4]), every[3:4], rtol=0, atol=1e-5)


def test_both_directions_and_one():
    module = cyclegan()
    x = torch.rand(1, *SHAPE)
    with torch.no_grad():
        assert torch.equal(module.eval().translate(x, back=True), module.back_generator(x))
    with pytest.raises(InputError, match="translates in one direction: train CycleTranslationModule"):
        pix2pix().translate(x, back=True)
    with pytest.raises(InputError, match="TranslationModule translates images and draws none: use translate"):
        pix2pix().sample(3)


@pytest.mark.parametrize("make", [pix2pix, cut, cyclegan])
def test_a_checkpoint_gives_the_same_translations(trainer, tmp_path, make):
    module = make(ema=EMA(half_life_images=8))
    run = trainer(max_epochs=1)
    run.fit(module, DataLoader(pairs(3), batch_size=None))
    run.save_checkpoint(tmp_path / "x.ckpt")
    loaded = GenerativeModule.load_from_checkpoint(tmp_path / "x.ckpt")
    x = torch.rand(2, *SHAPE)
    assert torch.equal(loaded.translate(x), module.translate(x))
    assert not torch.equal(module.translate(x), module.generator.eval()(x)), "the averaged weights translate"
    assert loaded.state_dict().keys() == module.state_dict().keys()


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 3)])
def test_a_resumed_run_has_the_history_of_one_that_was_not_interrupted(trainer, tmp_path, before, after):
    """Half full, and full."""

    def run(module, batches, **options):
        torch.manual_seed(4)
        made = trainer(max_epochs=options.pop("max_epochs"))
        made.fit(module, DataLoader(batches, batch_size=None, shuffle=False), **options)
        return made

    torch.manual_seed(0)
    start = cyclegan(history=8).state_dict()
    whole, parts, rest = (cyclegan(history=8) for _ in range(3))
    for module in (whole, parts):
        module.load_state_dict(start)
    batches = pairs(before)
    run(whole, batches, max_epochs=1 + after)
    run(parts, batches, max_epochs=1).save_checkpoint(tmp_path / "x.ckpt")
    run(rest, batches, max_epochs=1 + after, ckpt_path=str(tmp_path / "x.ckpt"))
    for name, value in whole.state_dict().items():
        assert torch.equal(rest.state_dict()[name], value), name
    assert torch.equal(whole._pools[0].samples, rest._pools[0].samples)


def test_what_a_run_shows_and_measures(trainer):
    module = pix2pix(degradation=GaussianNoise(0.3))
    run = trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=1)
    run.fit(module, Digits(size=16, batch_size=8))
    assert {"val/mae", "val/psnr_db", "val/ssim", module.monitor} <= run.callback_metrics.keys()
    assert 0 <= float(run.callback_metrics["train/discriminator_accuracy"]) <= 1
    (shown,) = module.previews(Batch(torch.zeros(3, *SHAPE)), 3, 0).values()
    assert shown.samples.shape == (9, *SHAPE)
    assert module.previews(None, 3, 0) == {}
    colours = TranslationModule(UNet((1, 16, 16), 3, width=4), {"l1": AbsoluteError()}, degradation=Grey())
    assert next(iter(colours.previews(Batch(torch.zeros(2, 3, 16, 16)), 2, 0).values())).samples.shape == (6, 3, 16, 16)
    larger = TranslationModule(
        SRResNet((1, 4, 4), width=4, blocks=1), {"l1": AbsoluteError()}, degradation=Downsampling()
    )
    assert next(iter(larger.previews(Batch(torch.zeros(2, *SHAPE)), 2, 0).values())).samples.shape == (6, *SHAPE)


def test_errors_are_those_of_pixels_from_0_to_1():
    module = pix2pix()
    target = torch.zeros(2, *SHAPE)
    samples = torch.stack([torch.full(SHAPE, 0.2), torch.full(SHAPE, 0.02)])
    found = module.errors(samples, target)
    assert float(found["mae"]) == pytest.approx((0.1 + 0.01) / 2, rel=1e-5)
    assert float(found["psnr_db"]) == pytest.approx((20 + 40) / 2, rel=1e-5), "the mean over images, not of the mean"
    assert float(module.errors(target, target)["psnr_db"]) == pytest.approx(100)


# what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (pix2pix, {"objective": {"sparsity": L1Sparsity()}}, "'sparsity', L1Sparsity, is for autoencoders"),
        (pix2pix, {"discriminator": judge()}, r"is shown samples of shape (2, 16, 16) and reads (1, 16, 16)"),
        (pix2pix, {"adversarial": None}, "the discriminator has no adversarial losses"),
        (pix2pix, {"discriminator": None}, "the adversarial losses have no discriminator"),
        (pix2pix, {"history": 4}, "a history keeps translations without their sources"),
        (pix2pix, {"adversarial_weight": -1.0}, "adversarial_weight"),
        (pix2pix, {"degradation": Downsampling(2)}, "and the generator reads (1, 16, 16): build it for these"),
        (cut, {"generator": UNet(SHAPE, width=4)}, "the translator has no map 'pixels', which PatchContrast compares"),
        (cut, {"objective": {"c": CycleConsistency(), "x": AbsoluteError()}, "history": -1}, "at least 0, not -1"),
        (cyclegan, {"back_generator": UNet((3, 16, 16), 1, width=4)}, "build each for the shape that the other gives"),
        (
            cyclegan,
            {"generator": UNet(SHAPE, width=4, batch_norm=True)},
            "use instance normalization",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(make, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make(**options)


def test_autoencoders_refuse_terms_of_translations():
    with pytest.raises(InputError, match="'cycle', CycleConsistency, is for translations"):
        AutoencoderModule(
            DenseEncoder(SHAPE, 3, (4,)),
            DenseDecoder(SHAPE, 3, (4,)),
            IdentityBottleneck(3),
            {"reconstruction": BernoulliLikelihood(), "cycle": CycleConsistency()},
        )


class Unrelated(Digits):
    paired = False

    def on_after_batch_transfer(self, batch, dataloader_idx=0):
        batch = super().on_after_batch_transfer(batch)
        return Batch(batch.x, None, batch.x.flip(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (pix2pix, "the data are not paired and the term 'l1' compares each translation"),
        (lambda: cut(conditional=True, discriminator=judge(2)), "set --model.conditional false, or give pairs"),
    ],
)
def test_unpaired_data_are_refused_where_pairs_are_needed(trainer, make, message):
    with pytest.raises(InputError, match=message):
        trainer(max_epochs=1, limit_train_batches=1).fit(make(), Unrelated(size=16, batch_size=8))
    trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=1).fit(cut(), Unrelated(size=16, batch_size=8))


def test_data_without_targets_or_with_others_are_refused(trainer):
    with pytest.raises(InputError, match=r"give pairs, --data PairedFolder or UnpairedFolder, or make a source"):
        trainer(max_epochs=1).fit(pix2pix(), Digits(size=16, batch_size=8))
    wrong = pairs(1, target=(3, 16, 16))
    with pytest.raises(InputError, match=r"targets of shape \(3, 16, 16\) and the model gives translations of shape"):
        fitted(pix2pix(), wrong, trainer)


def test_a_plain_network_translates(trainer):
    class Plain(nn.Module):
        def __init__(self, shape):
            super().__init__()
            self.shape = shape
            self.layer = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x):
            return self.layer(x).tanh()

    module = pix2pix(generator=Plain(SHAPE))
    fitted(module, pairs(1), trainer)
    assert module.translate(torch.zeros(1, *SHAPE)).shape == (1, *SHAPE)
