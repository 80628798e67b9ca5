"""The game against a loop written by hand, and against its own invariants."""

import copy
import itertools
import math
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader

from lightning_gen import Batch, InputError
from lightning_gen.augmentations import GaussianNoise
from lightning_gen.objectives import AuxiliaryTerm, RelativisticPaired
from lightning_gen.regularizers import DRAGAN, R1, R2, Consistency, GradientPenalty, LeCam, PathLength, WeightClipping
from lightning_gen.schedules import Constant, ImageSchedule
from lightning_gen.training import AlternatingModule, Loss, OptimizedNetwork, Phase


def loader(n=96, batch_size=16):
    return DataLoader(torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1, batch_size=batch_size)


def by_hand(module, batches, updates=1):
    """Algorithm 1 of the GAN paper with the non-saturating loss, in plain PyTorch; returns both networks."""
    g, d = copy.deepcopy(module.generator), copy.deepcopy(module.discriminator)
    opt_g, opt_d = torch.optim.SGD(g.parameters(), lr=0.1), torch.optim.SGD(d.parameters(), lr=0.1)
    rng = torch.Generator().manual_seed(torch.initial_seed() * 2**16)
    for index, real in enumerate(batches):
        fake = g(torch.randn(len(real), 4, generator=rng)).detach()
        opt_d.zero_grad()
        (softplus(-d(real).logits).mean() + softplus(d(fake).logits).mean()).backward()
        opt_d.step()
        if (index + 1) % updates == 0:
            opt_g.zero_grad()
            softplus(-d(g(torch.randn(len(real), 4, generator=rng))).logits).mean().backward()
            opt_g.step()
    return g, d


@pytest.mark.parametrize("updates", [1, 3])
def test_training_is_the_loop_written_by_hand(gan, trainer, updates):
    module = gan(discriminator_updates=updates, ema=None)
    g, d = by_hand(module, loader(), updates)
    trainer(max_epochs=1).fit(module, loader())
    torch.testing.assert_close(module.generator.state_dict(), g.state_dict(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(module.discriminator.state_dict(), d.state_dict(), rtol=1e-5, atol=1e-7)
    assert module.updates == {"discriminator": 6, "generator": 6 // updates}
    assert module.images_seen == 96


@pytest.mark.parametrize(
    "make",
    [
        dict,
        lambda: {"objective": RelativisticPaired(), "penalties": {"r1": R1(0.1), "r2": R2(0.1)}},
        lambda: {"penalties": {"r1": R1(0.1, every=2)}, "constraint": WeightClipping(0.1)},
    ],
    ids=["plain", "R3GAN", "lazy R1 and clipping"],
)
def test_accumulation_gives_the_gradient_of_the_whole_batch(gan, trainer, make):
    modules = [gan(accumulate=parts, **make()) for parts in (1, 4)]
    modules[1].load_state_dict(modules[0].state_dict())
    table = torch.randn(24, 4)
    for module in modules:
        rows = itertools.cycle(table)  # the same latents, however many are asked for at a time
        module.latents = lambda n, generator=None, rows=rows: torch.stack(list(itertools.islice(rows, n)))
        trainer(max_epochs=1).fit(module, loader(batch_size=24))
    torch.testing.assert_close(modules[0].state_dict(), modules[1].state_dict(), rtol=1e-4, atol=1e-6)
    assert modules[1].updates == {"discriminator": 4, "generator": 4}


def test_the_discriminator_gets_no_gradient_in_the_phase_of_the_generator(gan, trainer):
    module = gan()
    seen = []
    original = module.generator_loss

    def spy(part):
        seen.append([p.requires_grad for p in module.discriminator.parameters()])
        return original(part)

    module.generator_loss = spy
    trainer(fast_dev_run=2).fit(module, loader())
    assert seen
    assert not any(flag for flags in seen for flag in flags)
    assert all(p.requires_grad for p in module.discriminator.parameters()), "and is thawed afterwards"


def test_clipping_bounds_the_gradient_of_its_own_network(gan, trainer):
    norms = {}

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            if closure is not None:
                closure()
            (group,) = self.param_groups
            norms.setdefault(group["lr"], []).append(nn.utils.get_total_norm([p.grad for p in group["params"]]).item())

    module = gan(
        discriminator_clip=1e-3,
        generator_optimizer=partial(Spy, lr=0.1),
        discriminator_optimizer=partial(Spy, lr=0.2),
    )
    trainer(max_epochs=1).fit(module, loader())
    assert max(norms[0.2]) <= 1e-3 * 1.0001
    assert min(norms[0.1]) > 1e-3


def test_batch_size_and_updates_leave_the_count_of_images_alone(gan, trainer):
    counts = []
    for batch_size, updates in [(16, 1), (16, 3), (48, 1)]:
        module = gan(discriminator_updates=updates)
        trainer(max_epochs=2).fit(module, loader(batch_size=batch_size))
        counts.append(module.images_seen)
    assert counts == [192, 192, 192]


@pytest.mark.parametrize("penalty", [R1(0.1), R2(0.1), GradientPenalty(), DRAGAN()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_penalties_are_computed_in_float32(gan, trainer, penalty, precision):
    dtypes = set()
    module = gan(penalties={"penalty": penalty})
    module.discriminator.layers.register_forward_hook(
        lambda m, args, out: dtypes.add(out.dtype) if args[0].requires_grad and args[0].is_leaf else None
    )
    trainer(fast_dev_run=2, precision=precision).fit(module, loader())
    assert dtypes == {torch.float32}
    assert all(torch.isfinite(p).all() for p in module.parameters())


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_mixed_precision_gives_the_penalty_of_float32(gan, trainer, precision):
    """The same networks on the same samples: the penalty is that of a pass of its own in float32."""
    module = gan(penalties={"r1": R1(0.1)})
    (x,) = loader(16)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(module.discriminator(x).logits.sum(), x)
    expected = 0.5 * gradient.square().sum() / 16
    seen = []
    module.penalties["r1"].register_forward_hook(lambda m, args, out: seen.append(out.item()))
    trainer(fast_dev_run=1, precision=precision).fit(module, loader(16))
    assert seen == [pytest.approx(expected.item(), rel=1e-6)]


def test_half_precision_weights_with_an_average_are_refused(gan, trainer):
    with pytest.raises(InputError, match="bf16-mixed"):
        trainer(fast_dev_run=1, precision="bf16-true").fit(gan(), loader())


def test_a_batch_may_be_a_tensor_a_pair_or_a_record(gan, trainer):
    x, labels = torch.rand(8, 1, 8, 8), torch.arange(8)
    for batch in (x, (x, labels), [x, labels], Batch(x, labels)):
        module = gan()
        trainer(max_steps=2).fit(module, DataLoader([batch], batch_size=None))
        assert module.images_seen == 8


def test_a_batch_of_another_kind_is_refused(gan, trainer):
    with pytest.raises(InputError, match="yield a tensor"):
        trainer(max_steps=2).fit(gan(), DataLoader([{"picture": torch.rand(2, 1, 8, 8)}], batch_size=None))


def test_the_constraint_follows_each_update_of_the_discriminator(gan, trainer):
    module, largest = gan(constraint=WeightClipping(0.03), discriminator_updates=2), []
    original = module.after_update

    def spy(phase, images, loss):
        original(phase, images, loss)
        largest.append((phase.name, max(p.abs().max().item() for p in phase.network.parameters())))

    module.after_update = spy
    trainer(max_epochs=1).fit(module, loader())
    assert [name for name, _ in largest] == 3 * ["discriminator", "discriminator", "generator"]
    for name, bound in largest:
        assert (bound <= 0.03 * (1 + 1e-6)) == (name == "discriminator")


def test_a_schedule_warms_up_with_the_first_update(gan, trainer):
    """SGD moves the weights by rate · gradient; before the first image the rise over 64 images is at its first."""
    moved = []
    for scheduler in (None, partial(ImageSchedule, learning_rate=Constant(warmup_images=64))):
        torch.manual_seed(0)
        module = gan(discriminator_scheduler=scheduler)
        before = {k: p.detach().clone() for k, p in module.discriminator.named_parameters()}
        rates = []
        original = module.after_update

        def spy(phase, images, loss, original=original, module=module, rates=rates):
            rates.append(module.trainer.optimizers[0].param_groups[0]["lr"])
            original(phase, images, loss)

        module.after_update = spy
        trainer(max_epochs=1, limit_train_batches=1).fit(module, loader())
        moved.append({k: p.detach() - before[k] for k, p in module.discriminator.named_parameters()})
    for name, full in moved[0].items():
        torch.testing.assert_close(moved[1][name], full / 64, rtol=1e-3, atol=1e-7)
    assert rates[0] == pytest.approx(0.1 * 16 / 64)


def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(gan, trainer, tmp_path):
    def make():
        torch.manual_seed(3)
        return gan(
            penalties={
                "r1": R1(0.1, every=4),
                "lecam": LeCam(),
                "consistency": Consistency(GaussianNoise(), weight=0.1),
            },
            constraint=WeightClipping(0.2),
            discriminator_scheduler=partial(ImageSchedule, learning_rate=Constant(warmup_images=150)),
        )

    whole = make()
    trainer(max_epochs=2).fit(whole, loader())
    runner = trainer(max_epochs=1)
    runner.fit(make(), loader())
    runner.save_checkpoint(tmp_path / "gan.ckpt")
    resumed = make()
    trainer(max_epochs=2).fit(resumed, loader(), ckpt_path=tmp_path / "gan.ckpt")
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
    assert any(key.startswith("penalties.lecam.") for key in whole.state_dict())


@pytest.mark.parametrize("options", [{"discriminator_updates": 0}, {"accumulate": 0}])
def test_counts_below_one_are_refused(gan, options):
    with pytest.raises(InputError, match="at least 1"):
        gan(**options)


class Own(AlternatingModule):
    """Phases of one's own: each makes the sum of a layer small."""

    data_shape = (1, 8, 8)

    def __init__(self, first, second, network=None, **options):
        super().__init__()
        self.first, self.second, self.network, self.options = first, second, network or {}, options

    def phases(self):
        sgd = partial(torch.optim.SGD, lr=0.1)
        return [
            Phase(name, OptimizedNetwork(name, each, sgd, **self.network), self.loss_of(each), **self.options)
            for name, each in (("first", self.first), ("second", self.second))
        ]

    def loss_of(self, network):
        return lambda part: Loss(network(part.batch.x.flatten(1)).square().sum())

    def sample(self, n, labels=None, generator=None):
        raise NotImplementedError

    def evaluation_step(self, batch):
        return {}


def test_networks_that_share_a_layer_are_refused_in_any_module(trainer):
    """Each is frozen while the other one plays: the layer would never be trained."""
    shared = nn.Linear(64, 4)
    module = Own(nn.Sequential(shared, nn.Linear(4, 1)), nn.Sequential(shared, nn.Linear(4, 1)))
    with pytest.raises(InputError, match="first and second share weights, which neither could train: build each"):
        trainer(fast_dev_run=1).fit(module, loader())
    with pytest.raises(InputError, match="share weights"):
        trainer(fast_dev_run=1).fit(Own(shared, shared), loader())


def test_what_is_tied_within_a_network_is_trained(trainer):
    tied = nn.Linear(64, 64)
    module, before = Own(nn.Sequential(tied, tied), nn.Linear(64, 1)), tied.weight.detach().clone()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "no phase trains")
        trainer(fast_dev_run=1).fit(module, loader())
    assert not torch.equal(tied.weight, before)


class Scaled(AuxiliaryTerm):
    """A term with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def generator(self, real, fake):
        return self.scale * fake.logits.mean()


def test_a_parameter_that_no_phase_trains_is_named(gan, trainer):
    with pytest.warns(UserWarning, match=r"no phase trains terms\.mine\.scale: make it part of"):
        trainer(fast_dev_run=1).fit(gan(terms={"mine": Scaled()}), loader())


def test_an_optimizer_that_evaluates_its_loss_again_is_refused(gan, trainer):
    with pytest.raises(InputError, match=r"LBFGS evaluates its loss several times .* give the generator another"):
        trainer(fast_dev_run=1).fit(gan(generator_optimizer=torch.optim.LBFGS), loader())


@pytest.mark.parametrize(
    ("named", "options"),
    [
        ("clip", {"network": {"clip": 0.0}}),
        ("clip", {"network": {"clip": -0.01}}),
        ("clip", {"network": {"clip": math.nan}}),
        ("every", {"every": 0}),
        ("start_images", {"start_images": -1}),
        ("start_images", {"start_images": math.nan}),
    ],
    ids=str,
)
def test_a_phase_out_of_range_is_refused(trainer, named, options):
    with pytest.raises(InputError, match=f"cannot have {named} for the first .*: give"):
        trainer(fast_dev_run=1).fit(Own(nn.Linear(64, 1), nn.Linear(64, 1), **options), loader())


@pytest.mark.parametrize(
    "make",
    [
        partial(torch.optim.Adam, lr=-1.0),
        partial(torch.optim.Adam, lr=math.nan),
        partial(torch.optim.Adam, betas=(1.5, 0.9)),
        partial(torch.optim.SGD, lr=math.nan),
        partial(torch.optim.SGD, lr=math.inf),
        partial(torch.optim.SGD, lr=0.1, momentum=math.nan),
        partial(torch.optim.AdamW, weight_decay=math.nan),
        partial(torch.optim.Adam, eps=math.inf),
    ],
    ids=lambda make: f"{make.func.__name__} {make.keywords}",
)
def test_an_optimizer_out_of_range_is_refused(gan, autoencoder, trainer, make):
    with pytest.raises(InputError, match=r"^the generator's optimizer cannot .*: give"):
        trainer(fast_dev_run=1).fit(gan(generator_optimizer=make), loader())
    with pytest.raises(InputError, match=r"^the optimizer cannot .*: give"):
        trainer(fast_dev_run=1).fit(autoencoder(optimizer=make), loader())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1), "scheduler cannot be made .*: give it other"),
        (partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=math.nan, total_steps=9), "OneCycleLR cannot have .* nan"),
        (partial(torch.optim.lr_scheduler.StepLR, step_size=0), "cannot go on after|scheduler cannot be made"),
        (
            partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=4),
            "OneCycleLR cannot go on after 80 images .*: give it other numbers, and go on from the last checkpoint",
        ),
    ],
)
def test_a_scheduler_out_of_range_is_refused(gan, autoencoder, trainer, make, sentence):
    with pytest.raises(InputError, match=sentence):
        trainer(max_epochs=1).fit(autoencoder(scheduler=make), loader())
    with pytest.raises(InputError, match=sentence):
        trainer(max_epochs=1).fit(gan(discriminator_scheduler=make), loader())


# phases ---------------------------------------------------------------------------------------------------------------


class Lazy(AlternatingModule):
    """Two phases on one optimizer: a loss on each batch, and a penalty on the weight itself on each third."""

    data_shape = (1, 8, 8)

    def __init__(self, separate=True, momentum=0.9):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.separate = nn.Linear(64, 1, bias=False), separate
        self.momentum = momentum

    def phases(self):
        make = partial(torch.optim.SGD, lr=0.05, momentum=self.momentum)
        network = OptimizedNetwork("layer", self.layer, make, clip=10.0)
        loss = Phase("loss", network, lambda part: Loss(self.layer(part.batch.x.flatten(1)).square().mean()))
        penalty = Phase("penalty", network, lambda part: Loss(3 * self.layer.weight.square().sum()), every=3)
        return [loss, penalty] if self.separate else [loss]

    def sample(self, n, labels=None, generator=None):
        raise NotImplementedError

    def evaluation_step(self, batch):
        return {}


def lazily(batches, momentum=0.9):
    """The same in plain torch."""
    torch.manual_seed(0)
    layer = nn.Linear(64, 1, bias=False)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05, momentum=momentum)
    for number, x in enumerate(batches, 1):
        for loss in [lambda x=x: layer(x.flatten(1)).square().mean()] + [lambda: 3 * layer.weight.square().sum()] * (
            number % 3 == 0
        ):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
    return layer


def test_several_phases_share_one_optimizer(trainer):
    module = Lazy()
    trainer(max_epochs=1, log_every_n_steps=1).fit(module, loader())
    assert len(module.trainer.optimizers) == 1
    assert module.updates == {"loss": 6, "penalty": 2}
    torch.testing.assert_close(module.layer.weight, lazily(loader()).weight)
    metrics = module.trainer.callback_metrics
    assert {"train/loss_loss", "train/penalty_loss", "train/learning_rate_layer"} <= set(metrics)


def test_phases_that_share_an_optimizer_resume_to_the_bit(trainer, tmp_path):
    whole = Lazy()
    trainer(max_epochs=2).fit(whole, loader())
    runner = trainer(max_epochs=1)
    runner.fit(Lazy(), loader())
    runner.save_checkpoint(tmp_path / "lazy.ckpt")
    resumed = Lazy()
    trainer(max_epochs=2).fit(resumed, loader(), ckpt_path=tmp_path / "lazy.ckpt")
    assert torch.equal(resumed.layer.weight, whole.layer.weight)
    assert resumed.updates == whole.updates == {"loss": 12, "penalty": 4}


def test_a_scheduler_counts_the_updates_of_the_first_phase_of_its_network(trainer):
    module, rates = Lazy(), []
    plain = module.phases

    def phases():
        found = plain()
        network = OptimizedNetwork("layer", module.layer, partial(torch.optim.SGD, lr=1e-3), decay)
        return [Phase(each.name, network, each.loss, each.every) for each in found]

    decay = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)
    module.phases = phases
    module.after_update = lambda phase, images, loss: rates.append(module.trainer.optimizers[0].param_groups[0]["lr"])
    trainer(max_epochs=1).fit(module, loader())
    assert rates == pytest.approx([1e-3 * 0.5**n for n in (1, 2, 3, 3, 4, 5, 6, 6)])


def test_phases_of_one_name_are_refused(trainer):
    module = Lazy()
    found = module.phases()
    module.phases = lambda: [found[0], found[0]]
    with pytest.raises(InputError, match="loss, loss: rename one"):
        trainer(fast_dev_run=1).fit(module, loader())


def test_a_module_without_phases_says_what_to_write(trainer):
    class Empty(Lazy):
        phases = AlternatingModule.phases

    with pytest.raises(NotImplementedError, match=r"Empty has no phases: let its method phases\(\) return them"):
        trainer(fast_dev_run=1).fit(Empty(), loader())


def test_results_pass_from_phase_to_phase_part_by_part(trainer):
    """What an earlier phase leaves on a part of a batch is there for a later one, on the same part and step alone."""
    seen = []

    class Handing(Own):
        def loss_of(self, network):
            def loss(part):
                if network is self.first:
                    assert not part.results
                    part.results["x"] = part.batch.x
                else:
                    seen.append(torch.equal(part.results.pop("x"), part.batch.x))
                return Loss(network(part.batch.x.flatten(1)).square().sum())

            return loss

    module = Handing(nn.Linear(64, 1), nn.Linear(64, 1))
    module.split_batches(2)
    trainer(max_epochs=1).fit(module, loader(32))
    assert seen == [True] * 4


def test_modules_of_version_0_1_describe_phases_as_players(trainer):
    from lightning_gen.training.earlier import Player

    class Earlier(Own):
        phases = AlternatingModule.phases

        def players(self):
            sgd = partial(torch.optim.SGD, lr=0.1)
            networks = (("first", self.first), ("second", self.second))
            return [Player(name, each, sgd, partial(self.summed, each)) for name, each in networks]

        def summed(self, network, batch):
            self.told.append(type(batch))
            return Loss(network(batch.x.flatten(1)).square().sum())

        def after_update(self, phase, images, loss):
            self.after.append((phase.name, phase.network is getattr(self, phase.name)))

    torch.manual_seed(0)
    module = Earlier(nn.Linear(64, 1), nn.Linear(64, 1))
    module.told, module.after = [], []
    today = Own(copy.deepcopy(module.first), copy.deepcopy(module.second))
    trainer(max_epochs=1).fit(module, loader(32))
    trainer(max_epochs=1).fit(today, loader(32))
    assert set(module.told) == {Batch}
    assert module.after == [("first", True), ("second", True)] * 2
    torch.testing.assert_close(module.state_dict(), today.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("kind", [DRAGAN, R1])
def test_a_separate_penalty_is_an_update_of_its_own(gan, trainer, kind):
    """With SGD and the same gradient twice, two updates are one with the sum; the second is at other weights."""
    module = gan(penalties={"slope": kind(0.1, every=3)}, separate_penalties=True)
    trainer(max_epochs=1, log_every_n_steps=1).fit(module, loader())
    assert module.updates == {"discriminator": 6, "slope": 2, "generator": 6}
    assert len(module.trainer.optimizers) == 2
    assert "train/slope" in module.trainer.callback_metrics


def test_a_generator_may_have_penalties(gan, trainer):
    lengths = []
    for separate in (False, True):
        module = gan(generator_penalties={"path": PathLength(every=2)}, separate_penalties=separate)
        trainer(max_epochs=1, log_every_n_steps=1).fit(module, loader())
        lengths.append(module.generator_penalties["path"].mean_length.item())
        expected = {"discriminator": 6, "generator": 6} | ({"path": 3} if separate else {})
        assert module.updates == expected
        assert "train/path" in module.trainer.callback_metrics
    assert all(length > 0 for length in lengths)
