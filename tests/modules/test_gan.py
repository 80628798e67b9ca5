"""GANModule: sampling, both losses, joint passes, evaluation."""

import copy
import itertools
import warnings
from dataclasses import replace

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention, softplus
from torch.utils.data import DataLoader

from lightning_gen import Batch, InputError
from lightning_gen.augmentations import ADA, GaussianNoise
from lightning_gen.data import Digits
from lightning_gen.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    DenseDiscriminator,
    DenseGenerator,
    Discriminator,
)
from lightning_gen.networks.conditioning import AuxiliaryClassifier, Concatenation, ConditionalBatchNorm, Projection
from lightning_gen.objectives import (
    Classification,
    FeatureMatching,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPaired,
    Wasserstein,
)
from lightning_gen.priors import Normal, Uniform
from lightning_gen.records import RealFakePair
from lightning_gen.regularizers import DRAGAN, R1, R2, Consistency, GradientPenalty, LeCam, WeightClipping
from lightning_gen.schedules import Linear
from lightning_gen.training import MicroBatch

OBJECTIVES = (Minimax, NonSaturating, LeastSquares, Hinge, Wasserstein, RelativisticPaired, RelativisticAverage)
EXTRAS = {
    "R1": {"penalties": {"penalty": R1()}},
    "GradientPenalty": {"penalties": {"penalty": GradientPenalty()}},
    "DRAGAN": {"penalties": {"penalty": DRAGAN()}},
    "LeCam": {"penalties": {"penalty": LeCam()}},
    "Consistency": {"penalties": {"penalty": Consistency(GaussianNoise(), balanced=True)}},
    "WeightClipping": {"constraint": WeightClipping()},
}
CONDITIONINGS = (Concatenation, Projection, AuxiliaryClassifier)


def loader(n=32, batch_size=8):
    random = torch.Generator().manual_seed(1)
    samples = [
        Batch(x, y) for x, y in zip(torch.rand(n, 1, 8, 8, generator=random) * 2 - 1, torch.arange(n) % 3, strict=True)
    ]
    return DataLoader(samples, batch_size=batch_size)


def seed(number=0):
    return torch.Generator().manual_seed(number)


def conditional(gan, kind=Concatenation, classes=3, batch_norm=False, **options):
    """A small GAN of three classes; the generator reads them beside the latent."""
    shape = (1, 8, 8)
    return gan(
        generator=DenseGenerator(shape, 4, (16,), batch_norm=batch_norm, conditioning=Concatenation(classes)),
        discriminator=DenseDiscriminator(shape, (16,), conditioning=kind(classes)),
        **options,
    )


# sampling -------------------------------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_samples(gan):
    module = gan()
    torch.testing.assert_close(module.sample(5, generator=seed(3)), module.sample(5, generator=seed(3)), rtol=0, atol=0)
    assert not torch.equal(module.sample(5, generator=seed(3)), module.sample(5, generator=seed(4)))
    assert not torch.equal(module.sample(5), module.sample(5)), "its own generator moves on"
    assert module.sample(5).shape == (5, 1, 8, 8)


def test_sampling_uses_the_average_and_leaves_training_alone(gan, trainer):
    module = gan(batch_norm=True)
    trainer(max_epochs=1).fit(module, loader())
    module.train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    latent = module.latents(7, seed())
    expected = module.generator_ema.eval()(latent)
    assert torch.equal(module.sample(7, generator=seed()), expected)
    assert not torch.allclose(module.generator(latent), expected)
    assert module.generator.training
    module.generator.load_state_dict(
        {k.removeprefix("generator."): v for k, v in before.items() if k.startswith("generator.")}
    )
    assert torch.equal(module.sample(7, generator=seed()), expected), "the trained weights are not used"


def test_without_an_average_the_trained_weights_are_sampled(gan):
    module = gan(ema=None)
    assert torch.equal(module.sample(3, generator=seed()), module.generator.eval()(module.latents(3, seed())))
    assert not any(key.startswith("generator_ema") for key in module.state_dict())


def test_samples_are_the_same_however_many_are_drawn_at_a_time(gan):
    module = gan(batch_norm=True)
    torch.testing.assert_close(module.sample(9, generator=seed(), batch_size=2), module.sample(9, generator=seed()))
    module = conditional(gan)
    torch.testing.assert_close(
        module.sample(9, [0, 2, 1, 1], seed(), batch_size=2), module.sample(9, [0, 2, 1, 1], seed())
    )


@pytest.mark.parametrize(
    ("labels", "drawn"),
    [
        (2, [2, 2, 2, 2, 2]),
        ([0], [0, 0, 0, 0, 0]),
        ([0, 2], [0, 2, 0, 2, 0]),
        ((2, 1, 0, 0, 1, 2), [2, 1, 0, 0, 1]),
        (torch.tensor([1, 0]), [1, 0, 1, 0, 1]),
    ],
)
def test_samples_of_the_classes_that_were_asked_for(gan, labels, drawn):
    module = conditional(gan)
    expected = module.generator_ema.eval()(module.latents(5, seed()), torch.tensor(drawn))
    assert torch.equal(module.sample(5, labels, seed()), expected)
    assert not torch.equal(module.sample(5, [(label + 1) % 3 for label in drawn], seed()), expected)


def test_classes_that_nobody_asked_for_have_even_odds(gan):
    drawn = conditional(gan).classes(30_000, generator=seed())
    assert torch.bincount(drawn).tolist() == pytest.approx([10_000] * 3, rel=0.05)
    assert conditional(gan).sample(5, generator=seed()).shape == (5, 1, 8, 8)


@pytest.mark.parametrize("labels", [3, -1, [0, 1, 7], [], torch.tensor([5])])
def test_classes_that_nobody_knows_are_refused(gan, labels):
    with pytest.raises(InputError, match=r"the classes are 0 to 2 and not .*: give labels among them"):
        conditional(gan).sample(4, labels)


def test_impossible_samples_are_refused(gan):
    with pytest.raises(InputError, match="at least 1"):
        gan().sample(0)
    with pytest.raises(InputError, match="without classes"):
        gan().sample(2, labels=[1, 2])


def test_truncated_samples_come_from_truncated_latents(gan):
    module = gan(prior=Normal())
    expected = module.generator_ema.eval()(Normal().truncated(6, 4, seed(), 0.3))
    assert torch.equal(module.sample(6, generator=seed(), truncation=0.3), expected)
    assert module.latents(1000, truncation=0.3).abs().max() <= 0.3
    with pytest.raises(InputError, match="Uniform is equally dense everywhere"):
        gan(prior=Uniform()).sample(2, truncation=0.5)


def test_latents_come_from_the_prior(gan):
    assert torch.equal(gan().latents(5, seed()), Normal().draw(5, 4, seed()))
    assert torch.equal(gan(prior=Uniform()).latents(5, seed()), Uniform().draw(5, 4, seed()))


@pytest.mark.parametrize("averaged", [True, False])
def test_standing_statistics_are_those_computed_by_hand(gan, averaged):
    module = gan(batch_norm=True, **({} if averaged else {"ema": None})).train()
    norm, linear = module.sampler.layers[1], module.sampler.layers[0]
    nn.init.normal_(linear.weight)
    weights = {name: p.detach().clone() for name, p in module.named_parameters()}
    random = seed(7)
    inputs = [linear(module.latents(16, random)).detach() for _ in range(5)]
    module.recalibrate(batches=5, batch_size=16, generator=seed(7))
    torch.testing.assert_close(norm.running_mean, torch.stack([x.mean(0) for x in inputs]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([x.var(0) for x in inputs]).mean(0))
    assert norm.momentum == 0.1
    assert norm.training, "modes stay as they were"
    assert all(torch.equal(p, weights[name]) for name, p in module.named_parameters())


def test_standing_statistics_of_a_conditional_generator_are_over_all_classes(gan):
    module = conditional(gan, batch_norm=True)
    norm, linear = module.sampler.layers[1], module.sampler.layers[0]
    module.recalibrate(batches=40, batch_size=64, generator=seed())
    # N(0, I) latents and even odds: the mean input is the mean of the columns of the classes
    expected = linear.weight[:, 4:].mean(1).detach()
    torch.testing.assert_close(norm.running_mean, expected, atol=0.06, rtol=0)


def test_standing_statistics_without_batch_norm_do_nothing(gan):
    module = gan()
    state = module.rng.get_state()
    module.recalibrate()
    assert torch.equal(module.rng.get_state(), state)


# the game -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objective", "extra"),
    [*((objective, "R1") for objective in OBJECTIVES), *((Hinge, extra) for extra in EXTRAS if extra != "R1")],
)
def test_every_objective_and_every_penalty_train_both_networks(gan, trainer, objective, extra):
    module = gan(objective=objective(), augmentation=GaussianNoise(0.1), **copy.deepcopy(EXTRAS[extra]))
    before = {k: v.clone() for k, v in module.named_parameters()}
    trainer(max_epochs=1, limit_train_batches=2).fit(module, loader())
    after = dict(module.named_parameters())
    unchanged = {k for k, v in after.items() if torch.equal(v, before[k])}
    # a bias after the last layer cancels where only differences of logits count
    cancels = {"discriminator.head.logit.bias"} if objective not in (Minimax, NonSaturating, LeastSquares) else set()
    assert unchanged <= cancels
    assert all(v.isfinite().all() for v in after.values())
    if extra == "WeightClipping":
        assert max(v.abs().max() for k, v in after.items() if k.startswith("discriminator")) <= 0.01


def double(module, latents):
    """A module in float64 that draws the given latents, over and over."""
    rows = itertools.cycle(latents)
    module.latents = lambda n, generator=None, rows=rows: torch.stack(list(itertools.islice(rows, n)))
    return module.double().train()


def assert_same_loss(module, loss, expected):
    """Two losses have one value and one gradient at the discriminator."""
    torch.testing.assert_close(loss, expected)
    weights = list(module.discriminator.parameters())
    for ours, theirs in zip(
        *(torch.autograd.grad(value, weights, allow_unused=True) for value in (loss, expected)), strict=True
    ):
        ours, theirs = (torch.zeros(()).double() if g is None else g for g in (ours, theirs))
        torch.testing.assert_close(ours.expand_as(theirs) if ours.dim() == 0 else ours, theirs)


def squared_gradient(discriminator, x, labels=None):
    """E‖∇D(x)‖² over packs, by plain torch."""
    x = x.detach().requires_grad_()
    logits = discriminator(x, labels).logits
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.pow(2).sum() / len(logits)


@pytest.mark.parametrize(
    ("kind", "packing", "penalties"),
    [
        (None, 1, ("r1", "r2")),
        (None, 2, ("r1",)),
        (Concatenation, 1, ("r2",)),
        (Concatenation, 2, ("r1", "r2")),
        (Projection, 1, ("r1",)),
        (Projection, 1, ("r1", "r2")),
    ],
)
def test_the_discriminators_loss_is_the_one_written_by_hand(gan, penalties, packing, kind):
    shape = (1, 8, 8)
    x, labels, latents = torch.rand(6, *shape).double() * 2 - 1, torch.arange(6) % 3, torch.randn(6, 4).double()
    kinds = {"r1": R1(0.7), "r2": R2(Linear(1000, first=1.0, last=3.0))}
    module = double(
        gan(
            generator=DenseGenerator(shape, 4, (16,), False, conditioning=Concatenation(3) if kind else None),
            discriminator=DenseDiscriminator(shape, (16,), packing=packing, conditioning=kind(3) if kind else None),
            penalties={name: kinds[name] for name in penalties},
        ),
        latents,
    )
    module.images_seen = 250
    loss = module.discriminator_loss(MicroBatch(Batch(x, labels if kind else None)))
    d, given = module.discriminator, labels if kind else None
    fake = module.generator(latents, given).detach()
    real_logits, fake_logits = d(x, given).logits, d(fake, given).logits
    assert len(real_logits) == 6 // packing
    expected = softplus(-real_logits).mean() + softplus(fake_logits).mean()
    values = {"r1": 0.5 * squared_gradient(d, x, given), "r2": 0.5 * squared_gradient(d, fake, given)}
    weights = {"r1": 0.7, "r2": 1.5}
    expected = expected + sum(weights[name] * values[name] for name in penalties)
    assert_same_loss(module, loss.total, expected)
    for name in penalties:
        torch.testing.assert_close(loss.terms[name], values[name])
    torch.testing.assert_close(loss.terms["real_logit"], real_logits.mean())
    torch.testing.assert_close(loss.terms["fake_logit"], fake_logits.mean())


def test_both_losses_of_an_auxiliary_classifier_gan_are_those_written_by_hand(gan):
    x, labels, latents = torch.rand(6, 1, 8, 8).double() * 2 - 1, torch.arange(6) % 3, torch.randn(6, 4).double()
    terms = {"classes": Classification(0.5), "match": FeatureMatching(0.25)}
    module = double(conditional(gan, AuxiliaryClassifier, terms=terms), latents)
    d, fake = module.discriminator, module.generator(latents, labels)

    def surprise(samples):
        return cross_entropy(d.head.classes(d.layers(samples)), labels)

    loss = module.discriminator_loss(MicroBatch(Batch(x, labels)))
    flat = fake.detach()
    expected = softplus(-d(x, labels).logits).mean() + softplus(d(flat, labels).logits).mean()
    assert_same_loss(module, loss.total, expected + 0.5 * (surprise(x) + surprise(flat)))
    torch.testing.assert_close(loss.terms["discriminator_classes"], surprise(x) + surprise(flat))
    assert "discriminator_match" not in loss.terms

    loss = module.generator_loss(MicroBatch(Batch(x, labels)))
    apart = d.layers(x).mean(0).detach() - d.layers(fake).mean(0)
    expected = softplus(-d(fake, labels).logits).mean() + 0.5 * surprise(fake) + 0.25 * apart.square().sum()
    torch.testing.assert_close(loss.total, expected)
    weights = list(module.generator.parameters())
    for ours, theirs in zip(*(torch.autograd.grad(v, weights) for v in (loss.total, expected)), strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(loss.terms["generator_match"], apart.square().sum())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_generator_asks_for_real_logits_only_where_they_matter(gan, objective):
    module, passed = gan(objective=objective()), []
    module.discriminator.layers.register_forward_hook(lambda m, args, out: passed.append(len(args[0])))
    module.generator_loss(MicroBatch(Batch(torch.rand(6, 1, 8, 8))))
    assert sum(passed) == (12 if objective.uses_real_logits_for_generator else 6)


@pytest.mark.parametrize("updates", [1, 2])
def test_both_networks_share_the_samples_of_a_pass_where_they_are_told_to(gan, trainer, updates):
    module, drawn, passed = gan(shared_samples=True, discriminator_updates=updates), [], []
    module.generator.register_forward_hook(lambda m, args, out: drawn.append((out.requires_grad, out.detach())))
    module.discriminator.layers.register_forward_hook(lambda m, args, out: passed.append(args[0].detach()))
    trainer(max_epochs=1).fit(module, loader(16 * updates, 8))
    with_graph = [False] * (updates - 1) + [True]
    assert [graph for graph, _ in drawn] == with_graph * 2
    seen = [x[-8:] for x in passed]  # in the discriminator's phases after the real ones, in the generator's alone
    in_turn = [*range(updates), updates - 1]
    shown = [drawn[number + first][1] for first in (0, updates) for number in in_turn]
    assert all(torch.equal(a.flatten(), b.flatten()) for a, b in zip(seen, shown, strict=True))


def test_a_round_that_was_broken_off_leaves_no_samples_to_share(gan, trainer):
    module = gan(shared_samples=True)

    def interrupt(*_):
        hook.remove()
        raise RuntimeError("broken off")

    hook = module.discriminator.layers.register_forward_hook(interrupt)
    with pytest.raises(RuntimeError, match="broken off"):
        trainer(max_epochs=1).fit(module, loader(8, 8))
    drawn = []
    module.generator.register_forward_hook(lambda m, args, out: drawn.append(out))
    trainer(max_epochs=1).fit(module, loader(8, 8))
    assert len(drawn) == 1


def test_samples_are_shared_or_accumulated(gan):
    with pytest.raises(InputError, match=r"keeps its graph: set --model\.shared_samples false"):
        gan(shared_samples=True, accumulate=2)
    with pytest.raises(InputError, match=r"keeps its graph: set --model\.shared_samples false"):
        gan(shared_samples=True).split_batches(2)


@pytest.mark.parametrize(
    ("kind", "penalty"),
    [
        *((kind, None) for kind in CONDITIONINGS),
        (Concatenation, R1),
        (Projection, GradientPenalty),
        (Projection, LeCam),
    ],
)
def test_conditional_networks_train_and_validate(gan, trainer, kind, penalty):
    terms = {"classes": Classification()} if kind is AuxiliaryClassifier else {}
    module = conditional(gan, kind, batch_norm=True, terms=terms, penalties={"penalty": penalty()} if penalty else {})
    before = {k: v.clone() for k, v in module.named_parameters()}
    runner = trainer(max_epochs=1)
    runner.fit(module, loader(), loader(16, 5))
    assert not [k for k, v in module.named_parameters() if torch.equal(v, before[k])]
    assert runner.callback_metrics["val/sliced_wasserstein"] > 0


def test_a_generator_with_batch_norm_of_each_class_trains(gan, trainer):
    shape = (1, 16, 16)
    module = gan(
        generator=DCGANGenerator(shape, 4, 4, conditioning=ConditionalBatchNorm(3)),
        discriminator=DCGANDiscriminator(shape, 4, batch_norm=False, conditioning=Projection(3)),
    )
    data = DataLoader([Batch(torch.rand(6, *shape), torch.arange(6) % 3)], batch_size=None)
    trainer(max_epochs=1).fit(module, data)
    samples = module.sample(2, labels=[0, 1])
    assert samples.shape == (2, *shape)


@pytest.mark.parametrize(("every", "due"), [(1, [0, 1, 2, 3, 4, 5, 6, 7, 8]), (4, [0, 4, 8]), (9, [0])])
def test_a_lazy_penalty_is_computed_when_it_is_due(gan, trainer, every, due):
    computed = []
    module = gan(penalties={"r1": R1(every=every)}, discriminator_updates=3)
    module.penalties["r1"].register_forward_hook(lambda *_: computed.append(module.updates["discriminator"]))
    trainer(max_epochs=1).fit(module, loader(72))
    assert computed == due


def test_a_lazy_penalty_counts_as_often_as_it_is_rare(gan):
    x, latents = torch.rand(6, 1, 8, 8).double(), torch.randn(6, 4).double()
    module = double(gan(penalties={"r1": R1(0.7, every=4)}), latents)
    losses = []
    for update in range(5):
        module.updates["discriminator"] = update
        losses.append(module.discriminator_loss(MicroBatch(Batch(x))).total)
    plain = losses[1].detach()
    value = 0.5 * squared_gradient(module.discriminator, x).item()
    assert [(loss.detach() - plain).item() for loss in losses] == pytest.approx(
        [4 * 0.7 * value, 0, 0, 0, 4 * 0.7 * value]
    )


def test_a_lazy_penalty_is_logged_as_it_was_last(gan, trainer):
    module, seen = gan(penalties={"r1": R1(every=4)}), []
    module.report = lambda values, **options: seen.append(values.get("train/r1"))
    trainer(max_epochs=1, log_every_n_steps=3).fit(module, loader(72))
    assert len(seen) == 5
    assert all(value > 0 for value in seen), "updates 0, 1, 2, 5 and 8, of which the first and the last alone are due"


def test_the_weight_of_a_penalty_follows_its_schedule(gan):
    x, latents = torch.rand(6, 1, 8, 8).double(), torch.randn(6, 4).double()
    module = double(gan(penalties={"r1": R1(Linear(1000, first=2.0, last=0.0))}), latents)
    totals = []
    for images in (0, 500, 1000):
        module.images_seen = images
        totals.append(module.discriminator_loss(MicroBatch(Batch(x))).total.item())
    value = 0.5 * squared_gradient(module.discriminator, x).item()
    assert [total - totals[-1] for total in totals] == pytest.approx([2 * value, value, 0])


@pytest.mark.parametrize("penalties", [(), (R1(), R2()), (R1(),)])
@pytest.mark.parametrize("packing", [1, 2])
def test_one_pass_over_real_and_fake_gives_the_logits_and_gradients_of_two(gan, penalties, packing):
    module = gan(discriminator=DenseDiscriminator((1, 8, 8), (16,), packing=packing))
    real, fake = torch.rand(6, 1, 8, 8), torch.rand(6, 1, 8, 8)
    alone = [module.discriminator(x) for x in (real, fake)]
    passes = []
    hook = module.discriminator.layers.register_forward_hook(lambda m, args, out: passes.append(len(args[0])))
    penalties = dict(enumerate(penalties))
    (record,) = replace(module.losses, penalties=penalties).passes(RealFakePair(real, fake), torch.Generator())
    assert len(passes) == (2 if len(penalties) == 1 else 1), "no gradient is computed that nobody asks for"
    hook.remove()
    for ours, theirs in zip((record.on_real, record.on_fake), alone, strict=True):
        torch.testing.assert_close(ours.logits, theirs.logits)
        torch.testing.assert_close(ours.features, theirs.features)
    for penalty in penalties.values():
        gradient, x = (record.real_gradient, real) if penalty.at_real else (record.fake_gradient, fake)
        torch.testing.assert_close(gradient, record.gradient(x))


@pytest.mark.parametrize("options", [{}, {"batch_norm": False, "minibatch_std": True}])
def test_a_discriminator_that_mixes_samples_sees_real_and_fake_apart(gan, options):
    shape = (1, 16, 16)
    discriminator = DCGANDiscriminator(shape, 4, **options)
    module = gan(generator=DCGANGenerator(shape, 4, 4), discriminator=discriminator).train()
    sizes = []
    module.discriminator.layers.register_forward_hook(lambda m, args, out: sizes.append(len(args[0])))
    module.losses.passes(RealFakePair(torch.rand(6, *shape), torch.rand(6, *shape)), torch.Generator())
    assert sizes == [6, 6]


@pytest.mark.parametrize(
    ("penalty", "warned"),
    [(R1(), True), (DRAGAN(), True), (LeCam(), False), (Consistency(GaussianNoise()), False)],
    ids=lambda value: type(value).__name__,
)
def test_a_gradient_penalty_on_mixed_samples_is_warned_of(gan, penalty, warned):
    shape = (1, 16, 16)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gan(
            generator=DCGANGenerator(shape, 4, 4),
            discriminator=DCGANDiscriminator(shape, 4),
            penalties={"penalty": penalty},
        )
    assert any("one sample at a time" in str(warning.message) for warning in caught) == warned


# evaluation -----------------------------------------------------------------------------------------------------------


def test_validation_is_repeatable_and_takes_no_random_numbers_of_training(gan, trainer):
    module, runner = gan(), trainer()
    state = module.rng.get_state()
    first = runner.validate(module, loader_of_ones(), verbose=False)
    second = runner.validate(module, loader_of_ones(), verbose=False)
    assert first == second
    assert torch.equal(module.rng.get_state(), state)
    assert first[0]["val/sliced_wasserstein"] > 0


def loader_of_ones():
    return DataLoader(torch.ones(16, 1, 8, 8), batch_size=5)


def test_validation_fills_the_last_pack_with_samples_of_its_batch(gan, trainer):
    module = gan(discriminator=DenseDiscriminator((1, 8, 8), (16,), packing=3))
    x = torch.rand(4, 1, 8, 8)
    figures = trainer().validate(module, DataLoader(x, batch_size=4), verbose=False)[0]
    expected = module.discriminator(torch.cat([x, x[:2]])).logits.mean().item()
    assert figures["val/real_logit"] == pytest.approx(expected)


def test_a_discriminator_that_guesses_classes_must_be_trained_to(gan):
    told = {"generator": DenseGenerator((1, 8, 8), 4, (16,), conditioning=Concatenation(3))}
    guesses = DenseDiscriminator((1, 8, 8), (16,), conditioning=AuxiliaryClassifier(3))
    with pytest.raises(InputError, match="learns nothing without its term"):
        gan(discriminator=guesses, **told)
    with pytest.raises(InputError, match="needs a discriminator"):
        gan(terms={"classes": Classification()})


def test_an_adaptive_augmentation_of_an_objective_of_differences_is_warned_of(gan):
    with pytest.warns(UserWarning, match="means nothing to RelativisticPaired: set --model.augmentation.target null"):
        gan(objective=RelativisticPaired(), augmentation=ADA())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gan(objective=RelativisticPaired(), augmentation=ADA(target=None, probability=0.5))


def test_predict_gives_as_many_samples_as_the_batch_holds(gan, trainer):
    assert [len(x) for x in trainer().predict(gan(), DataLoader(torch.rand(11, 1, 8, 8), batch_size=8))] == [8, 3]


@pytest.mark.parametrize("extra", EXTRAS)
def test_bfloat16_trains(gan, trainer, extra):
    module = gan(batch_norm=True, terms={"match": FeatureMatching()}, **copy.deepcopy(EXTRAS[extra]))
    trainer(max_epochs=1, limit_train_batches=2, precision="bf16-mixed").fit(module, loader())
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in module.parameters())


@pytest.mark.parametrize("flag", ["fast_dev_run", "overfit_batches", "limit_train_batches", "limit_val_batches"])
def test_the_trainers_debug_flags_work(gan, trainer, flag):
    module = gan()
    trainer(max_epochs=1, detect_anomaly=True, profiler="simple", **{flag: 1}).fit(module, loader(), loader())
    assert module.images_seen > 0


# what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["type", "train", "keys", "a.b", ""])
def test_a_name_that_torch_keeps_is_refused(gan, name):
    with pytest.raises(InputError, match="cannot be called"):
        gan(penalties={name: R1()})


def test_networks_of_different_shapes_are_refused(gan):
    with pytest.raises(InputError, match="same shape"):
        gan(generator=DCGANGenerator((3, 8, 8), 4, 4))


def test_networks_of_different_classes_are_refused(gan):
    with pytest.raises(InputError, match="the same num_classes"):
        gan(
            generator=DenseGenerator((1, 8, 8), 4, (16,), conditioning=Concatenation(3)),
            discriminator=DenseDiscriminator((1, 8, 8), (16,), conditioning=Projection(4)),
        )


def test_networks_that_share_weights_are_refused(gan):
    generator = DenseGenerator((1, 8, 8), 64, (16,), batch_norm=False)
    discriminator = DenseDiscriminator((1, 8, 8), (16,))
    assert discriminator.layers[1].weight.shape == generator.layers[0].weight.shape
    discriminator.layers[1] = generator.layers[0]
    with pytest.raises(InputError, match="share weights, which neither could train: build each with its own"):
        gan(generator=generator, discriminator=discriminator)


class Points(pl.LightningDataModule):
    """Samples without labels."""

    num_classes = None

    def train_dataloader(self):
        return DataLoader(torch.rand(8, 1, 8, 8), batch_size=4)


def test_data_without_labels_are_refused_by_a_conditional_gan(gan, trainer):
    with pytest.raises(InputError, match="the networks are conditional and the data have no labels: take data with"):
        trainer(max_epochs=1).fit(conditional(gan), datamodule=Points())
    with pytest.raises(InputError, match="is conditional and the samples come without labels: take data with labels"):
        trainer(max_epochs=1).fit(conditional(gan), DataLoader(torch.rand(8, 1, 8, 8), batch_size=4))
    trainer(max_epochs=1).fit(gan(), datamodule=Points())


def test_data_of_more_classes_than_the_networks_know_are_refused(gan, trainer):
    with pytest.raises(InputError, match="the data have 10 classes and the networks know 3: set num_classes to 10"):
        trainer(max_epochs=1).fit(conditional(gan), datamodule=Digits(size=8))
    trainer(fast_dev_run=1).fit(conditional(gan, classes=10), datamodule=Digits(size=8))


def test_the_term_of_an_auxiliary_classifier_needs_one(gan, trainer):
    with pytest.raises(InputError, match="AuxiliaryClassifier"):
        trainer(fast_dev_run=1).fit(conditional(gan, Projection, terms={"classes": Classification()}), loader())


class Attentive(Discriminator):
    """Looks at its samples through a layer that torch cannot differentiate twice."""

    def __init__(self, shape):
        super().__init__(shape)
        self.query = nn.Linear(8, 8)
        self.head = self.make_head(64)

    def features(self, x):
        rows = x.reshape(-1, 1, 8, 8)
        return scaled_dot_product_attention(self.query(rows), rows, rows)


@pytest.mark.parametrize("penalty", [R1, GradientPenalty])
def test_a_layer_without_second_derivative_is_named(gan, trainer, penalty):
    module = gan(discriminator=Attentive((1, 8, 8)), penalties={"penalty": penalty()})
    sentence = r"needs the discriminator's second derivative and a layer has none \(.*attention.*\): leave out the"
    with pytest.raises(InputError, match=sentence):
        trainer(fast_dev_run=1).fit(module, loader())
    trainer(fast_dev_run=1).fit(gan(discriminator=Attentive((1, 8, 8)), penalties={"lecam": LeCam()}), loader())


def test_batches_that_make_no_whole_packs_are_refused(gan, trainer):
    module = gan(discriminator=DenseDiscriminator((1, 8, 8), (16,), packing=3))
    with pytest.raises(InputError, match=r"8 samples cannot be divided into packs of 3: set --data.batch_size"):
        trainer(fast_dev_run=1).fit(module, loader())


def test_the_default_optimizer_is_that_of_dcgan(gan, trainer):
    """Radford et al. 2015, section 4: Adam with learning rate 2e-4 and beta1 0.5."""
    module = gan(generator_optimizer=None, discriminator_optimizer=None)
    trainer(fast_dev_run=1).fit(module, loader())
    for optimizer in module.trainer.optimizers:
        assert isinstance(optimizer, torch.optim.Adam)
        assert (optimizer.defaults["lr"], optimizer.defaults["betas"]) == (2e-4, (0.5, 0.999))


class Leave(Callback):
    """Leaves an evaluation in its first batch, once."""

    def __init__(self, error):
        self.error = error

    def leave(self, trainer, *args):
        if not trainer.sanity_checking and self.error is not None:
            error, self.error = self.error, None
            raise error

    on_validation_batch_end = on_test_batch_end = leave


@pytest.mark.parametrize("verb", ["validate", "test"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_evaluation_that_was_left_leaves_no_samples_to_the_next(gan, trainer, verb, error):
    module = gan()
    (expected,) = getattr(trainer(), verb)(module, loader(), verbose=False)
    with pytest.raises((error, SystemExit)):
        getattr(trainer(callbacks=[Leave(error())]), verb)(module, loader(), verbose=False)
    assert module.distance.real, "it was left in the middle"
    (figures,) = getattr(trainer(), verb)(module, loader(), verbose=False)
    assert figures == expected


def test_a_validation_that_was_left_in_a_run_leaves_no_samples_to_the_next(gan, trainer):
    module = gan()
    with pytest.raises(RuntimeError, match="left"):
        trainer(max_epochs=1, callbacks=[Leave(RuntimeError("left"))]).fit(module, loader(), loader())
    seen = []
    module.distance.compute = lambda: seen.append(sum(map(len, module.distance.real))) or torch.zeros(())
    trainer(max_epochs=2, num_sanity_val_steps=2, limit_val_batches=3).fit(module, loader(), loader())
    assert seen[-1] == 24, "three batches of 8"
