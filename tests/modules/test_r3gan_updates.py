"""Whole updates of R3GAN in double precision against a loop that is written down a second time, networks included."""

import math
from functools import partial

import pytest
import torch
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, softplus
from torch.utils.data import DataLoader

from lightning_gen import GANModule
from lightning_gen.augmentations import ADA
from lightning_gen.cli import recipes
from lightning_gen.networks import ClassEmbedding, InnerProduct, R3GANDiscriminator, R3GANGenerator
from lightning_gen.objectives import RelativisticPaired
from lightning_gen.regularizers import R1, R2
from lightning_gen.schedules import Cosine, ImageSchedule
from lightning_gen.training.ema import EMA

CLASSES, BATCH, ROUNDS, END = 3, 6, 3, 40
NETWORKS = {"width": 4, "growth": 2, "blocks": 1, "group_width": 4}
RUNS = {
    "gan/r3gan_cifar10": ((3, 32, 32), 10, 20e6, (0.05, 0.005), 0.55, 5e6),
    "gan/r3gan_ffhq64": ((3, 64, 64), None, 20e6, (2, 0.2), 0.3, 0.5e6),
    "gan/r3gan_ffhq256": ((3, 256, 256), None, 20e6, (150, 15), 0.3, 0.5e6),
    "gan/r3gan_imagenet32": ((3, 32, 32), 1000, 200e6, (0.5, 0.05), 0.5, 50e6),
    "gan/r3gan_imagenet64": ((3, 64, 64), 1000, 200e6, (1, 0.1), 0.4, 50e6),
}
"""Shape, classes, end of the schedules, ends of gamma, last probability and last half-life."""
PARAMETERS = {
    "gan/r3gan_cifar10": (20_781_952, 21_280_512),
    "gan/r3gan_ffhq256": (23_057_952, 23_009_568),
}


@pytest.fixture
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def cosine(images, first, last, end=END):
    return first + (last - first) * (1 - math.cos(math.pi * min(images / end, 1))) / 2


def module():
    """A small R3GAN with all that a published run has, whose schedules end soon."""
    torch.manual_seed(0)
    rates = partial(
        ImageSchedule, learning_rate=Cosine(END, first=1.0, last=0.25), beta2=Cosine(END, first=0.9, last=0.99)
    )
    adam = partial(torch.optim.Adam, lr=2e-3, betas=(0.0, 0.9))
    made = GANModule(
        R3GANGenerator((3, 8, 8), 5, **NETWORKS, conditioning=ClassEmbedding(CLASSES, 7)),
        R3GANDiscriminator((3, 8, 8), **NETWORKS, conditioning=InnerProduct(CLASSES)),
        RelativisticPaired(),
        penalties={"r1": R1(Cosine(END, first=2.0, last=0.2)), "r2": R2(Cosine(END, first=2.0, last=0.2))},
        augmentation=ADA(None, Cosine(END, first=0.0, last=0.6), color=0.5, cutout=True),
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        generator_scheduler=rates,
        discriminator_scheduler=rates,
        ema=EMA(half_life_images=Cosine(END, first=0.0, last=10.0), ramp_up=None),
        fresh_reals=True,
    )
    for weights in (*made.generator.parameters(), *made.discriminator.parameters()):
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.2)  # blocks that are the identity would have no gradient inside
    made.generator_ema.load_state_dict(made.generator.state_dict())
    return made


# the networks, from their weights by name ----------------------------------------------------------------------------


def block(w, at, x):
    inside = leaky_relu(conv2d(x, w[f"{at}.branch.0.weight"], w[f"{at}.branch.0.bias"]), 0.2)
    grouped = conv2d(
        inside, w[f"{at}.branch.2.weight"], w[f"{at}.branch.2.bias"], padding=1, groups=inside.shape[1] // 4
    )
    return x + conv2d(leaky_relu(grouped, 0.2), w[f"{at}.branch.4.weight"])


def low_pass(channels):
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return torch.outer(line, line).expand(channels, 1, 4, 4)


def draw(w, z, y):
    joined = torch.cat([z, w["class_embedding.weight"][y]], 1)
    scale = joined @ w["layers.0.modulation.weight"].T
    x = block(w, "layers.1", w["layers.0.basis"] * scale[:, :, None, None])
    x = conv2d(x, w["layers.2.weight"])
    x = conv_transpose2d(x, 4 * low_pass(x.shape[1]), stride=2, padding=1, groups=x.shape[1])
    return conv2d(block(w, "layers.4", x), w["layers.5.weight"])


def score(w, x, y):
    x = block(w, "layers.1", conv2d(x, w["layers.0.weight"]))
    x = conv2d(x, low_pass(x.shape[1]), stride=2, padding=1, groups=x.shape[1])
    x = block(w, "layers.4", conv2d(x, w["layers.3.weight"]))
    h = (x * w["layers.5.weight"][:, 0]).sum((2, 3)) @ w["head.map.weight"].T
    return (h * w["head.embedding.weight"][y]).sum(1)


# the updates ---------------------------------------------------------------------------------------------------------


def by_hand(made, batches, rng):
    """Rounds of the discriminator and then of the generator; returns the weights of both and of the average."""
    g, d = (
        {name: p.detach().clone().requires_grad_() for name, p in network.named_parameters()}
        for network in (made.generator, made.discriminator)
    )
    average = {name: weights.detach().clone() for name, weights in g.items()}
    adam_g, adam_d = (torch.optim.Adam(w.values(), lr=2e-3, betas=(0.0, 0.9)) for w in (g, d))

    def update(optimizer, loss, before):
        """The learning rate and beta2 are those after the images of earlier updates."""
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * cosine(before, 1.0, 0.25)
            group["betas"] = (0.0, cosine(before, 0.9, 0.99))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    seen = 0
    for (real, classes), (fresh, fresh_classes) in batches:
        before, seen = seen, seen + BATCH
        gamma = cosine(seen, 2.0, 0.2)
        augment = ADA(None, cosine(seen, 0.0, 0.6), color=0.5, cutout=True)

        fake = draw(g, torch.randn(BATCH, 5, generator=rng), classes).detach()
        real, fake = (augment(x, rng).requires_grad_() for x in (real, fake))
        on_real, on_fake = score(d, real, classes), score(d, fake, classes)
        loss = softplus(on_fake - on_real).mean()
        for x, logits in ((real, on_real), (fake, on_fake)):
            (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
            loss = loss + gamma / 2 * slope.square().sum() / BATCH
        update(adam_d, loss, before)

        fake = augment(draw(g, torch.randn(BATCH, 5, generator=rng), fresh_classes), rng)
        on_real = score(d, augment(fresh, rng), fresh_classes).detach()
        update(adam_g, softplus(on_real - score(d, fake, fresh_classes)).mean(), before)

        kept = 0.5 ** (BATCH / cosine(seen, 0.0, 10.0))
        for name, weights in average.items():
            weights.copy_(kept * weights + (1 - kept) * g[name].detach())
    return g, d, average


@pytest.mark.usefixtures("_double_precision")
def test_the_updates_are_those_of_a_loop_by_hand(trainer):
    made = module()
    before = {name: p.detach().clone() for name, p in made.named_parameters()}
    count = 2 * BATCH * ROUNDS
    x, labels = torch.rand(count, 3, 8, 8) * 2 - 1, torch.randint(CLASSES, (count,))
    halves = list(zip(x.split(BATCH), labels.split(BATCH), strict=True))
    rounds = list(zip(halves[::2], halves[1::2], strict=True))
    g, d, average = by_hand(made, rounds, torch.Generator().set_state(made.rng.get_state()))
    trainer(max_epochs=1).fit(made, DataLoader(list(zip(x, labels, strict=True)), batch_size=2 * BATCH))
    for network, weights in ((made.generator, g), (made.discriminator, d), (made.generator_ema, average)):
        own = dict(network.named_parameters())
        assert own.keys() == weights.keys()
        for name, value in own.items():
            torch.testing.assert_close(value, weights[name], rtol=1e-9, atol=1e-12, check_dtype=True)
    assert made.images_seen == ROUNDS * BATCH
    assert all((p - before[name]).abs().max() > 1e-4 for name, p in made.named_parameters() if "ema" not in name)


@pytest.mark.usefixtures("_double_precision")
@pytest.mark.parametrize("seed", [0, 1])
def test_the_networks_are_those_written_down_a_second_time(seed):
    made = module()
    torch.manual_seed(seed)
    z, x, y = torch.randn(4, 5), torch.randn(4, 3, 8, 8), torch.tensor([0, 2, 1, 2])
    torch.testing.assert_close(made.generator(z, y), draw(dict(made.generator.named_parameters()), z, y))
    torch.testing.assert_close(
        made.discriminator(x, y).logits, score(dict(made.discriminator.named_parameters()), x, y)
    )


# the published runs --------------------------------------------------------------------------------------------------


def settings(name):
    return recipes.load(recipes.find(name))["model"]["init_args"]


def schedule(content):
    assert content["class_path"] == "Cosine"
    return Cosine(**content["init_args"])


@pytest.mark.parametrize("name", RUNS)
def test_the_schedules_of_a_published_run(name):
    _, _, end, gamma, probability, half_life = RUNS[name]
    model = settings(name)
    rates = model["generator_scheduler"]["init_args"]
    assert rates == model["discriminator_scheduler"]["init_args"]
    assert model["generator_optimizer"]["init_args"] == {"lr": 2e-4, "betas": [0.0, 0.9]}
    expected = {
        "learning rate": (rates["learning_rate"], 1.0, 5e-5 / 2e-4),
        "beta2": (rates["beta2"], 0.9, 0.99),
        "R1": (model["penalties"]["r1"]["init_args"]["weight"], *gamma),
        "R2": (model["penalties"]["r2"]["init_args"]["weight"], *gamma),
        "probability": (model["augmentation"]["init_args"]["probability"], 0, probability),
        "half-life": (model["ema"]["half_life_images"], 0, half_life),
    }
    for what, (content, first, last) in expected.items():
        for share in (0, 0.1, 0.25, 0.5, 0.9, 1, 3):
            value = schedule(content)(int(share * end))
            assert value == pytest.approx(cosine(share, first, last, end=1)), f"{what} after {share} of the schedule"


@pytest.mark.parametrize("name", RUNS)
def test_the_networks_of_a_published_run(name):
    shape, classes, *_ = RUNS[name]
    model, made = settings(name), []
    kinds = ((R3GANGenerator, ClassEmbedding), (R3GANDiscriminator, InnerProduct))
    for role, (kind, conditioning) in zip(("generator", "discriminator"), kinds, strict=True):
        assert model[role]["class_path"] == kind.__name__
        options = dict(model[role]["init_args"])
        assert options.pop("conditioning", None) == (conditioning.__name__ if classes else None)
        with torch.device("meta"):
            made.append(kind(shape, **options, conditioning=conditioning(classes) if classes else None))
    blocks = [layer for network in made for layer in network.modules() if type(layer).__name__ == "FixupBlock"]
    assert len(blocks) == 2 * 2 * int(math.log2(shape[1]) - 1)
    widest = max(layer.branch[0].in_channels for layer in blocks)
    assert widest == (1536 if classes == 1000 else 768)
    assert {widest * 2 // layer.branch[2].groups for layer in blocks if layer.branch[0].in_channels == widest} == {
        32 if classes == 1000 else 16
    }
    counts = tuple(sum(p.numel() for p in network.parameters()) for network in made)
    assert counts == PARAMETERS.get(name, counts)
