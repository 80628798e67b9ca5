"""AdversarialAutoencoderModule against loops written by hand, and against what neither network may do to the other."""

import copy
import itertools
import math
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu, softplus
from torch.utils.data import DataLoader

from lightning_gen import AdversarialAutoencoderModule, AutoencoderModule, Batch, InputError
from lightning_gen import checkpoint as checkpoints
from lightning_gen.adversaries import (
    AdaptiveWeight,
    GenerationMatching,
    IndependenceMatching,
    PriorMatching,
    ReconstructionMatching,
    last_weight,
)
from lightning_gen.augmentations import Binarization
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.callbacks import SampleGrid, best_checkpoint
from lightning_gen.networks import (
    Concatenation,
    DCGANDiscriminator,
    DenseDecoder,
    DenseDiscriminator,
    DenseEncoder,
    PatchDiscriminator,
)
from lightning_gen.objectives import (
    BernoulliLikelihood,
    DensityRatio,
    FeatureReconstruction,
    GaussianLikelihood,
    Hinge,
    NonSaturating,
    RelativisticPaired,
    SharedScaleGaussianLikelihood,
)
from lightning_gen.priors import Normal
from lightning_gen.regularizers import R1, R2, GradientPenalty, KLDivergence
from lightning_gen.schedules import Constant, ImageSchedule, Linear
from lightning_gen.training.stop_gradient import stop_gradient_at

SHAPE = (1, 16, 16)


def loader(n=32, batch_size=16, labels=False):
    x = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(5)) * 2 - 1
    data = [(x[i], i % 3) for i in range(n)] if labels else x
    return DataLoader(data, batch_size=batch_size)


def module_of(matching, **options):
    """A small module; it judges what the matching shows."""
    bottleneck = options.pop("bottleneck", None) or IdentityBottleneck(3, prior=Normal())
    conditioning = options.pop("conditioning", None)
    shape = matching.discriminator_shape(SHAPE, 3)
    defaults = {
        "encoder": DenseEncoder(SHAPE, bottleneck.features, widths=(16,), conditioning=conditioning),
        "decoder": DenseDecoder(SHAPE, 3, widths=(16,), conditioning=conditioning),
        "bottleneck": bottleneck,
        "objective": {"reconstruction": GaussianLikelihood()},
        "discriminator": DenseDiscriminator(shape, widths=(16,)),
        "adversarial": NonSaturating(),
        "autoencoder_optimizer": partial(torch.optim.SGD, lr=0.01),
        "discriminator_optimizer": partial(torch.optim.SGD, lr=0.1),
    }
    return AdversarialAutoencoderModule(matching=matching, **{**defaults, **options})


def adversarial_autoencoder(**options):
    return module_of(PriorMatching(), adversarial_weight=7.0, **options)


def factor_vae(**options):
    objective = {"reconstruction": BernoulliLikelihood(), "kl": KLDivergence()}
    parts = {"bottleneck": GaussianBottleneck(3), "objective": objective, "adversarial": DensityRatio()}
    return module_of(IndependenceMatching(), adversarial_weight=5.0, **{**parts, **options})


def vq_gan(**options):
    parts = {
        "discriminator": PatchDiscriminator(SHAPE, width=4, depth=1, batch_norm=False),
        "adversarial": Hinge(),
        "adversarial_weight": AdaptiveWeight(0.8),
    }
    return module_of(ReconstructionMatching(), **{**parts, **options})


def vae_gan(**options):
    parts = {
        "bottleneck": GaussianBottleneck(3),
        "objective": {"reconstruction": BernoulliLikelihood(0.1), "kl": KLDivergence()},
        "adversarial_terms": {"features": FeatureReconstruction(0.5)},
    }
    return module_of(GenerationMatching(), **{**parts, **options})


MODULES = (adversarial_autoencoder, factor_vae, vq_gan, vae_gan)
every_module = pytest.mark.parametrize("make", MODULES, ids=lambda make: make.__name__)


# against loops by hand -----------------------------------------------------------------------------------------------


class Hand:
    """Copies of a module's networks, an optimizer for each, and the numbers that the module will draw."""

    def __init__(self, module):
        self.e, self.g, self.d = (copy.deepcopy(n) for n in (module.encoder, module.decoder, module.discriminator))
        self.rng = torch.Generator().manual_seed(torch.initial_seed() * 2**16)
        self.of_autoencoder = torch.optim.SGD([*self.e.parameters(), *self.g.parameters()], lr=0.01)
        self.of_discriminator = torch.optim.SGD(self.d.parameters(), lr=0.1)

    def normal(self, *size):
        return torch.randn(*size, generator=self.rng)

    def posterior(self, x):
        mu, logvar = self.e(x).chunk(2, dim=1)
        kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum() / len(x)
        return mu + torch.exp(0.5 * logvar) * self.normal(*mu.shape), kl

    def step(self, optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def equals(self, module, rtol=1e-4, atol=1e-6):
        for ours, theirs in ((module.encoder, self.e), (module.decoder, self.g), (module.discriminator, self.d)):
            torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=rtol, atol=atol)


def squared(output, x):
    return 0.5 * (output - x).square().sum() / len(x)


def cross_entropy(output, x):
    return binary_cross_entropy_with_logits(output, (x + 1) / 2, reduction="sum") / len(x)


def test_the_adversarial_autoencoder_is_the_loop_written_by_hand(trainer):
    module = adversarial_autoencoder()
    hand = Hand(module)
    for x in loader():
        z = hand.e(x)
        hand.step(hand.of_autoencoder, squared(hand.g(z), x) + 7 * softplus(-hand.d(z).logits).mean())
        prior, z = hand.normal(16, 3), z.detach()
        hand.step(hand.of_discriminator, softplus(-hand.d(prior).logits).mean() + softplus(hand.d(z).logits).mean())
    trainer(max_epochs=1).fit(module, loader())
    hand.equals(module)
    assert module.updates == {"autoencoder": 2, "discriminator": 2}


def test_the_factor_vae_is_the_loop_written_by_hand(trainer):
    module = factor_vae()
    hand = Hand(module)
    for x in loader():
        z, kl = hand.posterior(x)
        total_correlation = -hand.d(z).logits.mean()
        hand.step(hand.of_autoencoder, cross_entropy(hand.g(z), x) + kl + 5 * total_correlation)
        z, order = z.detach(), torch.rand(16, 3, generator=hand.rng).argsort(dim=0)
        mixed = torch.stack([z[order[:, i], i] for i in range(3)], dim=1)
        hand.step(hand.of_discriminator, softplus(-hand.d(mixed).logits).mean() + softplus(hand.d(z).logits).mean())
    trainer(max_epochs=1).fit(module, loader())
    hand.equals(module)


def test_the_vq_gan_is_the_loop_written_by_hand(trainer):
    """The losses of both phases, the weight by two derivatives at the decoder's last weight."""
    module = vq_gan()
    hand = Hand(module)
    last = hand.g.layers[-2].weight
    for x in loader():
        output = hand.g(hand.e(x))
        objective, adversarial = squared(output, x), -hand.d(output).logits.mean()
        pulls = [torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (objective, adversarial)]
        weight = 0.8 * torch.clamp(pulls[0] / (pulls[1] + 1e-4), 0, 1e4 * math.prod(SHAPE)).detach()
        assert weight > 0.8
        hand.step(hand.of_autoencoder, objective + weight * adversarial)
        fake = output.detach()
        hand.step(hand.of_discriminator, relu(1 - hand.d(x).logits).mean() + relu(1 + hand.d(fake).logits).mean())
    trainer(max_epochs=1).fit(module, loader())
    hand.equals(module)


def test_the_vae_gan_is_the_loop_written_by_hand(trainer):
    """The adversarial loss reaches the decoder and not the encoder: a second pass through a detached code shows it."""
    module = vae_gan()
    hand = Hand(module)
    for x in loader():
        z, kl = hand.posterior(x)
        logits, p = hand.g(z), hand.normal(16, 3)
        shown = torch.cat([hand.g(z.detach()), hand.g(p)]).sigmoid() * 2 - 1
        features = [hand.d.features(each) for each in (x, logits.sigmoid() * 2 - 1)]
        likeness = 0.5 * (features[0].detach() - features[1]).square().sum() / 16
        objective = 0.1 * cross_entropy(logits, x) + kl
        hand.step(hand.of_autoencoder, objective + softplus(-hand.d(shown).logits).mean() + 0.5 * likeness)
        shown = shown.detach()
        hand.step(hand.of_discriminator, softplus(-hand.d(x).logits).mean() + softplus(hand.d(shown).logits).mean())
    trainer(max_epochs=1).fit(module, loader())
    hand.equals(module)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_spared_encoder_gets_no_gradient_where_only_the_scaled_loss_has_one(dtype):
    """Pulls of 1e-9 are nothing in float16 and 6e-5 behind a factor of 65,536, as loss scaling multiplies them."""
    features, paid = torch.randn(16, 8, requires_grad=True), torch.randn(8, 8).to(dtype).requires_grad_()
    code = features.to(dtype)
    loss = (code @ paid).sum().float() * 1e-9
    (stop_gradient_at(code, loss) * 65_536).backward()
    assert features.grad.abs().max() == 0
    expected = 65_536e-9 * code.float().sum(0)[:, None].expand(8, 8)
    torch.testing.assert_close(paid.grad.float(), expected, rtol=2e-2, atol=1e-6)


def test_a_frozen_encoder_needs_no_sparing(trainer):
    module = vae_gan()
    for part in (module.encoder, module.bottleneck):
        part.requires_grad_(False)
    before = copy.deepcopy(module.state_dict())
    trainer(max_epochs=1).fit(module, loader())
    moved = {name.split(".")[0] for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"decoder", "discriminator"}


# the game ------------------------------------------------------------------------------------------------------------


@every_module
def test_one_pass_a_batch_serves_both_phases(make, trainer):
    module, calls = make(), []
    module.encoder.register_forward_hook(lambda *args: calls.append("encoder"))
    module.decoder.register_forward_hook(lambda *args: calls.append("decoder"))
    trainer(max_epochs=1).fit(module, loader())
    drawn = isinstance(module.matching, GenerationMatching)
    assert calls.count("encoder") == 2
    assert calls.count("decoder") == (4 if drawn else 2), "and one for what is drawn from the prior"


@every_module
def test_no_phase_moves_the_other_network_or_leaves_it_a_gradient(make, trainer):
    module, phases = make(), []
    networks = {"autoencoder": module.autoencoder, "discriminator": module.discriminator}
    before = {name: copy.deepcopy(network.state_dict()) for name, network in networks.items()}

    def spy(phase, images, loss):
        (other,) = networks.keys() - {phase.name}
        assert all(p.grad is None for p in networks[other].parameters())
        torch.testing.assert_close(networks[other].state_dict(), before[other], rtol=0, atol=0)
        assert any(p.grad is not None and p.grad.any() for p in phase.network.parameters())
        assert all(p.requires_grad for network in networks.values() for p in network.parameters())
        phase.network.zero_grad()
        before[phase.name] = copy.deepcopy(phase.network.state_dict())
        phases.append(phase.name)
        original(phase, images, loss)

    original, module.after_update = module.after_update, spy
    trainer(max_epochs=1).fit(module, loader())
    assert phases == ["autoencoder", "discriminator"] * 2


@every_module
def test_the_discriminator_is_neither_run_nor_charged_before_its_start(make, trainer):
    module, seen = make(discriminator_start_images=40), []
    before = copy.deepcopy(module.discriminator.state_dict())
    module.discriminator.register_forward_hook(lambda *args: seen.append(module.images_seen))
    trainer(max_epochs=1, limit_train_batches=3).fit(module, loader(80))
    assert seen == []
    assert module.updates == {"autoencoder": 3, "discriminator": 0}
    torch.testing.assert_close(module.discriminator.state_dict(), before, rtol=0, atol=0)
    assert not module.trainer.optimizers[1].state
    trainer(max_epochs=1).fit(module, loader(80))
    assert min(seen) == 64, "the batch that begins with 48 images seen"
    assert module.updates == {"autoencoder": 8, "discriminator": 5}


@every_module
def test_nothing_is_charged_for_a_discriminator_that_only_trains(make, trainer):
    module, terms = make(discriminator_start_images=16, adversarial_start_images=64), []
    before = copy.deepcopy(module.discriminator.state_dict())
    loss = module.autoencoder_loss
    module.autoencoder_loss = lambda part: terms.append(found := loss(part)) or found
    trainer(max_epochs=1).fit(module, loader(64))
    assert module.updates == {"autoencoder": 4, "discriminator": 3}
    assert any(not torch.equal(now, before[name]) for name, now in module.discriminator.state_dict().items())
    for found in terms:
        assert set(found.terms) == {*module.terms, "loss"}
        assert torch.equal(found.total, found.terms["loss"])
    trainer(max_epochs=1).fit(module, loader(64))
    assert ["adversarial" in found.terms for found in terms] == [False] * 4 + [True] * 4


def test_a_discriminator_that_only_trains_moves_no_bit_of_the_autoencoder(trainer):
    ours = vq_gan(discriminator_start_images=16, adversarial_start_images=10**6)
    alone = vq_gan(discriminator_start_images=10**6)
    alone.load_state_dict(ours.state_dict())
    for module in (ours, alone):
        trainer(max_epochs=1).fit(module, loader(64))
    for name in ("encoder", "decoder"):
        states = [getattr(module, name).state_dict() for module in (ours, alone)]
        torch.testing.assert_close(*states, rtol=0, atol=0)


def test_without_a_start_of_its_own_the_adversarial_loss_starts_with_the_discriminator(trainer):
    ours, theirs = (
        vq_gan(discriminator_start_images=16),
        vq_gan(discriminator_start_images=16, adversarial_start_images=16),
    )
    theirs.load_state_dict(ours.state_dict())
    for module in (ours, theirs):
        trainer(max_epochs=1).fit(module, loader(64))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("start", [0, 39, float("nan")])
def test_an_adversarial_start_before_the_discriminators_is_refused(start):
    with pytest.raises(InputError, match=r"is before discriminator_start_images 40, .*: give at least 40, or leave it"):
        vq_gan(discriminator_start_images=40, adversarial_start_images=start)


@every_module
def test_before_the_start_it_trains_as_an_autoencoder_alone(make, trainer):
    module = make(discriminator_start_images=10**6)
    alone = AutoencoderModule(
        *(copy.deepcopy(part) for part in (module.encoder, module.decoder, module.bottleneck)),
        {name: copy.deepcopy(term) for name, term in module.terms.items()},
        optimizer=partial(torch.optim.SGD, lr=0.01),
    )
    trainer(max_epochs=1).fit(module, loader())
    trainer(max_epochs=1).fit(alone, loader())
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], value, rtol=1e-5, atol=1e-7)


class Watched(Constant):
    """Notes what it is asked for."""

    def __init__(self, first: float = 1.0, warmup_images: int = 0):
        super().__init__(first, warmup_images)
        self.seen = []

    def value(self, images):
        self.seen.append(images)
        return super().value(images)


def test_schedules_of_terms_see_the_images_that_an_autoencoder_alone_sees(trainer):
    watched = Watched()
    objective = {"reconstruction": GaussianLikelihood(weight=watched)}
    trainer(max_epochs=1).fit(adversarial_autoencoder(objective=objective), loader(48))
    assert watched.seen == [0, 16, 32]


def test_the_bound_of_an_adaptive_weight_counts_the_numbers_of_a_sample(trainer):
    """Of an adversarial loss whose gradient is far below 1e-4 the bound is what is left: 0.8e4 for each number."""
    module, seen = vq_gan(), []
    torch.nn.init.normal_(module.discriminator.logits.weight, std=1e-12)
    module.report = lambda values, **options: seen.append(values["train/adversarial_weight"])
    torch.nn.init.normal_(last_weight(module.decoder), std=1e3)
    trainer(max_steps=2, log_every_n_steps=1).fit(module, loader(16))
    assert seen[0] == pytest.approx(0.8e4 * math.prod(SHAPE))


def test_which_images_a_schedule_counts(trainer):
    """Terms and learning rates those of earlier updates, the discriminator's penalties those of their own as well."""
    term, penalty, rate = Watched(), Watched(), Watched()
    module = adversarial_autoencoder(
        objective={"reconstruction": GaussianLikelihood(weight=term)},
        penalties={"r1": R1(penalty)},
        discriminator_scheduler=partial(ImageSchedule, learning_rate=rate),
    )
    trainer(max_epochs=1).fit(module, loader(48))
    assert term.seen == [0, 16, 32]
    assert penalty.seen == [16, 32, 48]
    assert sorted(set(rate.seen)) == [0, 16, 32, 48]


@pytest.mark.parametrize("make", [adversarial_autoencoder, lambda **o: vq_gan(adversarial_weight=0.5, **o)])
def test_parts_of_a_batch_give_the_gradient_of_the_whole_from_one_pass_each(make, trainer):
    modules, calls = [make(accumulate=parts) for parts in (1, 4)], []
    modules[1].load_state_dict(modules[0].state_dict())
    modules[1].encoder.register_forward_hook(lambda *args: calls.append(len(args[-1])))
    table = torch.randn(16, 3)
    for module in modules:
        rows = itertools.cycle(table)  # the same draws, however many are asked for at a time
        module.prior_codes = lambda _, n, generator, rows=rows: torch.stack(list(itertools.islice(rows, n)))
        trainer(max_epochs=1).fit(module, loader())
    torch.testing.assert_close(modules[0].state_dict(), modules[1].state_dict(), rtol=1e-4, atol=1e-6)
    assert calls == [4] * 8


@pytest.mark.parametrize("parts", [1, 4])
def test_the_bottleneck_follows_the_whole_batch_after_the_autoencoders_update(parts, trainer):
    module, seen = adversarial_autoencoder(accumulate=parts), []

    def update_codebook(code, generator, total):
        assert not code.sample.requires_grad
        seen.append((module.updates["autoencoder"], module.updates["discriminator"], len(code.sample)))

    module.bottleneck.update_codebook = update_codebook
    trainer(max_epochs=1).fit(module, loader())
    assert seen == [(1, 0, 16), (2, 1, 16)]


def test_each_network_has_its_own_rate_schedule_and_clipping(trainer):
    norms = {}

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            if closure is not None:
                closure()
            (group,) = self.param_groups
            gradients = [p.grad for p in group["params"]]
            norms.setdefault(len(group["params"]), []).append((group["lr"], nn.utils.get_total_norm(gradients).item()))

    module = adversarial_autoencoder(
        autoencoder_optimizer=partial(Spy, lr=1e-3),
        discriminator_optimizer=partial(Spy, lr=1e-2),
        autoencoder_clip=0.5,
        discriminator_scheduler=partial(ImageSchedule, learning_rate=Linear(64)),
    )
    trainer(max_epochs=1).fit(module, loader())
    of_autoencoder, of_discriminator = norms[8], norms[4]
    assert [rate for rate, _ in of_autoencoder] == [1e-3, 1e-3]
    assert [norm for _, norm in of_autoencoder] == pytest.approx([0.5, 0.5], rel=1e-3)
    assert [rate for rate, _ in of_discriminator] == pytest.approx([1e-2, 0.75e-2])


@pytest.mark.parametrize(
    ("make", "penalty", "precision"),
    [
        (adversarial_autoencoder, R1(0.1), "32-true"),
        (adversarial_autoencoder, GradientPenalty(), "bf16-mixed"),
        (vae_gan, R2(0.1), "32-true"),  # of twice as many fakes
        (vae_gan, GradientPenalty(), "bf16-mixed"),
    ],
)
def test_penalties_on_the_discriminator_are_paid(penalty, make, precision, trainer):
    module, paid = make(penalties={"penalty": penalty}), []
    module.penalties["penalty"].register_forward_hook(lambda m, args, out: paid.append((args[0], out.item())))
    trainer(max_epochs=1, precision=precision).fit(module, loader())
    assert len(paid) == 2
    for record, value in paid:
        assert value > 0
        assert len(record.real) == len(record.fake) == len(record.on_fake.logits) == 16


@every_module
@pytest.mark.parametrize("adversarial", [Hinge(), RelativisticPaired()], ids=lambda each: type(each).__name__)
def test_any_adversarial_objective_goes_with_any_matching(make, adversarial, trainer):
    module = make(adversarial=adversarial)
    trainer(max_epochs=1).fit(module, loader())
    assert module.updates["discriminator"] == 2
    assert all(torch.isfinite(p).all() for p in module.parameters())


def test_batch_norm_in_the_discriminator_sees_either_side_alone(trainer):
    module = vae_gan(discriminator=DCGANDiscriminator(SHAPE, width=4))
    trainer(max_epochs=1).fit(module, loader())
    assert all(torch.isfinite(p).all() for p in module.parameters())


@pytest.mark.parametrize("make", [adversarial_autoencoder, vae_gan])
def test_conditional_networks_and_observation(make, trainer):
    module = make(conditioning=Concatenation(3), input_transform=Binarization(), codes_per_sample=2)
    shape = module.matching.discriminator_shape(SHAPE, 3)
    module = make(
        conditioning=Concatenation(3),
        input_transform=Binarization(),
        codes_per_sample=2,
        discriminator=DenseDiscriminator(shape, widths=(8,), conditioning=Concatenation(3)),
    )
    trainer(max_epochs=1).fit(module, loader(labels=True), loader(labels=True))
    assert module.sample(6, labels=[0, 2]).shape == (6, *SHAPE)
    assert module.updates["discriminator"] == 2


def test_parameters_of_the_objective_are_trained(trainer):
    """A learned scale that no optimizer holds stays where it began."""
    module = vq_gan(objective={"reconstruction": SharedScaleGaussianLikelihood()})
    before = [p.detach().clone() for p in module.objective.parameters()]
    trainer(max_epochs=1).fit(module, loader())
    assert before
    assert not any(torch.equal(p, old) for p, old in zip(module.objective.parameters(), before, strict=True))


# as an autoencoder -------------------------------------------------------------------------------------------------


@every_module
def test_it_logs_what_an_autoencoder_logs_and_the_discriminator(make, trainer):
    runner = trainer(max_epochs=1, log_every_n_steps=1)
    module = make(discriminator_start_images=16)
    runner.fit(module, loader(), loader())
    found = set(runner.callback_metrics)
    names = {"loss", *module.terms, "adversarial", "discriminator_loss", "real_logit", "fake_logit"}
    assert {f"train/{name}" for name in names} <= found
    assert {f"val/{name}" for name in ("loss", "mse", *module.terms)} <= found
    assert ("train/adversarial_weight" in found) == (make is vq_gan)
    assert best_checkpoint(module, "folder").monitor == "val/loss"


def test_the_terms_of_the_loss_are_those_of_the_objective(trainer):
    module = factor_vae()
    runner = trainer(max_epochs=1, log_every_n_steps=1)
    runner.fit(module, loader())
    logged = {name: value.item() for name, value in runner.callback_metrics.items()}
    assert logged["train/loss"] == pytest.approx(logged["train/reconstruction"] + logged["train/kl"], rel=1e-5)
    paid = logged["train/loss"] + 5 * logged["train/adversarial"]
    assert logged["train/autoencoder_loss"] == pytest.approx(paid, rel=1e-5)


def test_pictures_and_samples_are_those_of_an_autoencoder(trainer, tmp_path):
    grid = SampleGrid(None, tmp_path, count=4)
    module = vae_gan()
    trainer(max_epochs=1, callbacks=[grid]).fit(module, loader(), loader())
    assert sorted(path.name.split("-")[0] for path in grid.latest) == ["reconstructions", "samples"]
    x = next(iter(loader()))
    torch.testing.assert_close(module.decode(module.encode(x)), module.reconstruct(x))


@every_module
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(make, trainer, tmp_path):
    def build():
        torch.manual_seed(3)
        return make(discriminator_start_images=48)

    whole = build()
    trainer(max_epochs=2).fit(whole, loader(64))
    runner = trainer(max_epochs=1)
    runner.fit(build(), loader(64))
    runner.save_checkpoint(tmp_path / "half.ckpt")
    resumed = build()
    trainer(max_epochs=2).fit(resumed, loader(64), ckpt_path=tmp_path / "half.ckpt")
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
    assert resumed.updates == whole.updates == {"autoencoder": 8, "discriminator": 5}


@every_module
def test_a_checkpoint_describes_it_and_holds_each_weight_once(make, trainer, tmp_path):
    module, runner = make(), trainer(max_epochs=1)
    runner.fit(module, loader())
    runner.save_checkpoint(tmp_path / "last.ckpt")
    loaded = AdversarialAutoencoderModule.load_from_checkpoint(tmp_path / "last.ckpt")
    torch.testing.assert_close(loaded.state_dict(), module.state_dict(), rtol=0, atol=0)
    ours, theirs = (
        {name: value for name, value in each.hparams.items() if not name.endswith("optimizer")}
        for each in (loaded, module)
    )
    assert ours == theirs
    assert {name.split(".")[0] for name in module.state_dict()} <= {"encoder", "decoder", "bottleneck", "discriminator"}


@every_module
def test_bfloat16_trains(make, trainer):
    module = make()
    trainer(max_epochs=1, precision="bf16-mixed").fit(module, loader(), loader())
    assert all(torch.isfinite(p).all() for p in module.parameters())


# refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: adversarial_autoencoder(discriminator=DenseDiscriminator(SHAPE)), "codes of shape .3,. and it reads"),
        (lambda: vq_gan(discriminator=DenseDiscriminator((3,))), "samples of shape .1, 16, 16. and it reads .3,."),
        (lambda: adversarial_autoencoder(bottleneck=IdentityBottleneck(3)), "give the bottleneck one"),
        (lambda: vae_gan(bottleneck=IdentityBottleneck(3)), "IdentityBottleneck.prior=Normal"),
        (lambda: vq_gan(discriminator=DenseDiscriminator(SHAPE, packing=2)), "each sample .* packing to 1"),
        (lambda: factor_vae(discriminator=DenseDiscriminator((3,), packing=2)), "each code .* packing to 1"),
        (lambda: vq_gan(discriminator=DenseDiscriminator(SHAPE, conditioning=Concatenation(3))), "on none: give"),
        (lambda: adversarial_autoencoder(accumulate=0), "accumulate must be at least 1"),
        (lambda: adversarial_autoencoder(codes_per_sample=0), "codes_per_sample must be at least 1"),
        *(
            (partial(module_of, PriorMatching(), **{name: number}), f"{name}.*{number}")
            for name, numbers in {
                "discriminator_start_images": (-1, math.nan),
                "adversarial_weight": (-1.0, math.nan, math.inf),
                "autoencoder_clip": (0.0, -1.0, math.nan),
                "discriminator_clip": (0.0, -1.0, math.nan),
            }.items()
            for number in numbers
        ),
        (lambda: adversarial_autoencoder(adversarial_terms={"f": FeatureReconstruction()}), "leave it out"),
        (lambda: module_of(PriorMatching(), adversarial_weight=AdaptiveWeight()), "give adversarial_weight a number"),
    ],
)
def test_parts_that_do_not_fit_are_refused(build, sentence):
    with pytest.raises(InputError, match=sentence):
        build()


def test_shared_weights_are_refused():
    discriminator = DenseDiscriminator(SHAPE, widths=(16,))
    encoder = DenseEncoder(SHAPE, 3, widths=(16,))
    encoder.layers[1] = discriminator.layers[1]
    with pytest.raises(InputError, match="share weights"):
        vq_gan(discriminator=discriminator, encoder=encoder)


def test_a_batch_of_one_does_no_harm(trainer):
    module = factor_vae()
    trainer(max_epochs=1).fit(module, DataLoader([Batch(torch.rand(1, *SHAPE))], batch_size=None))
    assert all(torch.isfinite(p).all() for p in module.parameters())


# several processes ---------------------------------------------------------------------------------------------------

SMALL = ["--data.size=16", "--data.batch_size=32", "--model.encoder.width=4", "--model.decoder.width=4"]


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path):
    """Nothing in the model is random: the mean of two halves' gradients is that of the batch."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    fit = [sys.executable, "-m", "lightning_gen", "fit", "--config", str(recipe), *SMALL, "--max_images=256"]
    two = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
    for name, devices in (("one", []), ("two", two)):
        command = [*fit, *devices, f"--name={name}", f"--runs_dir={tmp_path}", "--trainer.num_sanity_val_steps=0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=Path.cwd())
        assert done.returncode == 0, done.stderr
    one, two = (checkpoints.read(tmp_path / name / "checkpoints/last.ckpt") for name in ("one", "two"))
    torch.testing.assert_close(two["state_dict"], one["state_dict"], rtol=1e-3, atol=1e-5)
    assert one["lightning_gen"]["updates"] == two["lightning_gen"]["updates"] == {"autoencoder": 8, "discriminator": 4}


RECIPE = """
model:
  class_path: AdversarialAutoencoderModule
  init_args:
    encoder: ConvEncoder
    bottleneck: IdentityBottleneck
    decoder: ConvDecoder
    objective: {reconstruction: GaussianLikelihood}
    discriminator: {class_path: PatchDiscriminator, init_args: {width: 4, depth: 1, batch_norm: false}}
    matching: ReconstructionMatching
    adversarial: Hinge
    discriminator_start_images: 128
    autoencoder_optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.001}}
    discriminator_optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.01}}
data: Digits
"""


def test_codes_of_a_step_that_was_interrupted_are_discarded(trainer):
    module, sizes = adversarial_autoencoder(), []

    def fail(loss):
        raise RuntimeError("interrupted")

    module.manual_backward = fail
    with pytest.raises(RuntimeError, match="interrupted"):
        trainer(max_epochs=1).fit(module, loader())
    del module.manual_backward
    module.bottleneck.update_codebook = lambda code, *_: sizes.append(len(code.sample))
    trainer(max_epochs=1).fit(module, loader())
    assert sizes == [16, 16]
