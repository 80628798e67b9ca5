"""The average of the generator's weights against its closed form."""

import copy
import math
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from lightning_gen import EMA, InputError
from lightning_gen.networks import DenseGenerator
from lightning_gen.schedules import Exponential, Linear
from lightning_gen.training.ema import Tensors


def test_half_of_a_weight_is_left_after_a_half_life():
    average, source = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.constant_(average.weight, 1.0)
    nn.init.constant_(source.weight, 0.0)
    ema = EMA(half_life_images=640, ramp_up=None)
    for step in range(10):
        ema.update(Tensors.of(average), Tensors.of(source), images=64, images_seen=64 * (step + 1))
    assert average.weight.item() == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("batch", [8, 64, 320])
def test_the_half_life_does_not_depend_on_the_batch_size(batch):
    ema = EMA(half_life_images=1000, ramp_up=None)
    kept = 1.0
    for _ in range(6400 // batch):
        kept *= ema.decay(batch, images_seen=10**6)
    assert kept == pytest.approx(0.5**6.4)


def test_ramp_up_shortens_the_half_life_early_on():
    ema = EMA(half_life_images=10_000, ramp_up=0.05)
    assert ema.decay(64, images_seen=6_400) == pytest.approx(0.5 ** (64 / 320))
    assert ema.decay(64, images_seen=80_000) == pytest.approx(0.5 ** (64 / 4_000)), "a short run ends below the bound"
    for later in (200_000, 10**9):
        assert ema.decay(64, images_seen=later) == pytest.approx(0.5 ** (64 / 10_000))


def test_a_scheduled_half_life_is_the_one_after_the_images_seen():
    ema = EMA(half_life_images=Linear(end_images=1000, first=100.0, last=1100.0), ramp_up=None)
    for seen, half_life in [(0, 100), (250, 350), (1000, 1100), (9999, 1100)]:
        assert ema.decay(50, seen) == pytest.approx(0.5 ** (50 / half_life))


def test_a_scheduled_half_life_is_bounded_early_on_too():
    ema = EMA(half_life_images=Exponential(end_images=1000, first=400.0, last=100.0), ramp_up=0.1)
    assert ema.decay(8, images_seen=500) == pytest.approx(0.5 ** (8 / 50)), "a tenth of the images seen"
    assert ema.decay(8, images_seen=1000) == pytest.approx(0.5 ** (8 / 100))
    assert ema.decay(8, images_seen=5000) == pytest.approx(0.5 ** (8 / 100))


def test_a_scheduled_average_is_the_product_of_its_decays():
    average, source = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.constant_(average.weight, 1.0)
    nn.init.constant_(source.weight, 0.0)
    ema = EMA(half_life_images=Linear(end_images=640, first=64.0, last=640.0), ramp_up=None)
    exponent = 0.0
    for seen in range(64, 641, 64):
        ema.update(Tensors.of(average), Tensors.of(source), images=64, images_seen=seen)
        exponent += 64 / (64 + (640 - 64) * seen / 640)
    assert average.weight.item() == pytest.approx(0.5**exponent, rel=1e-5)


def test_a_half_life_of_nothing_copies_the_weights():
    average, source = nn.Linear(3, 2), nn.Linear(3, 2)
    EMA(half_life_images=Linear(100, first=1.0, last=0.0), ramp_up=None).update(
        Tensors.of(average), Tensors.of(source), 8, 100
    )
    torch.testing.assert_close(average.state_dict(), source.state_dict())


def test_it_agrees_with_a_loop_over_parameters():
    source = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = copy.deepcopy(source)
    expected = [p.detach().clone() for p in average.parameters()]
    for step in range(5):
        for p in source.parameters():
            nn.init.normal_(p)
        source[1].running_mean.fill_(step)
        decay = EMA(500).decay(32, 32 * (step + 1))
        expected = [decay * e + (1 - decay) * p.detach() for e, p in zip(expected, source.parameters(), strict=True)]
        EMA(500).update(Tensors.of(average), Tensors.of(source), 32, 32 * (step + 1))
    for e, p in zip(expected, average.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), e)
    assert average[1].running_mean.eq(4).all(), "buffers are copied"


@pytest.mark.parametrize(
    "options",
    [
        {"half_life_images": 0},
        {"half_life_images": -5},
        {"half_life_images": math.nan},
        {"half_life_images": math.inf},
        {"ramp_up": 0},
        {"ramp_up": math.nan},
    ],
)
def test_values_that_mean_nothing_are_refused(options):
    with pytest.raises(InputError, match="must be above 0"):
        EMA(**options)


def spectral(gan, kind):
    """A GAN whose generator divides its weights by their largest singular values, in one of torch's two ways."""
    torch.manual_seed(0)
    generator = DenseGenerator((1, 8, 8), latent_dim=4, widths=(16,), batch_norm=False)
    for part in list(generator.modules()):
        if isinstance(part, nn.Linear):
            kind(part)
    return gan(generator=generator, ema=EMA(5_000, ramp_up=None), generator_optimizer=partial(torch.optim.SGD, lr=2.0))


def norms(network):
    """The largest singular values of the weights that a pass has."""
    network.eval()(torch.zeros(2, 4))
    return [
        torch.linalg.matrix_norm(part.weight.detach(), 2).item()
        for part in network.modules()
        if isinstance(part, nn.Linear)
    ]


def loader():
    return DataLoader(torch.rand(320, 1, 8, 8, generator=torch.Generator().manual_seed(5)), batch_size=16)


every_kind = pytest.mark.parametrize(
    "kind", [nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm], ids=["parametrization", "hook"]
)


@every_kind
def test_a_spectral_norm_of_the_average_is_that_of_its_own_weights(gan, trainer, tmp_path, kind):
    module = spectral(gan, kind)
    runner = trainer(max_epochs=2)
    runner.fit(module, loader())
    assert max(norms(module.generator_ema)) > 1.05, "the vectors are those of the weights that are trained"
    before = torch.get_rng_state()
    assert norms(module.sampler) == pytest.approx([1, 1], abs=0.01)
    assert torch.equal(torch.get_rng_state(), before)
    module = spectral(gan, kind)
    runner = trainer(max_epochs=2)
    runner.fit(module, loader())
    runner.save_checkpoint(tmp_path / "gan.ckpt")
    again = spectral(gan, kind)
    again.load_state_dict(torch.load(tmp_path / "gan.ckpt", weights_only=True)["state_dict"])
    assert norms(again.generator_ema) == pytest.approx([1, 1], abs=0.01)


@every_kind
def test_a_use_of_the_average_leaves_no_trace_in_training(gan, trainer, tmp_path, kind):
    """Sampled and written or not, interrupted or not: the same bits at the end."""

    class Use(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if batch_idx % 3 == 0:
                pl_module.sample(2, generator=torch.Generator().manual_seed(0))
                pl_module.sample(2, generator=torch.Generator().manual_seed(0))
            if batch_idx % 7 == 0:
                trainer.save_checkpoint(tmp_path / "on_the_way.ckpt")

    written = []
    for name, callbacks in (("plain", []), ("used", [Use()])):
        runner = trainer(max_epochs=1, callbacks=callbacks)
        runner.fit(spectral(gan, kind), loader())
        runner.save_checkpoint(tmp_path / f"{name}.ckpt")
    for name, start in (("whole", None), ("resumed", tmp_path / "plain.ckpt")):
        runner = trainer(max_epochs=2)
        runner.fit(spectral(gan, kind), loader(), ckpt_path=start)
        runner.save_checkpoint(tmp_path / f"{name}.ckpt")
    for name in ("plain", "used", "whole", "resumed"):
        written.append(torch.load(tmp_path / f"{name}.ckpt", weights_only=True)["state_dict"])
    torch.testing.assert_close(written[0], written[1], rtol=0, atol=0)
    torch.testing.assert_close(written[2], written[3], rtol=0, atol=0)


def test_a_checkpoint_that_is_sampled_from_is_left_as_it_is(gan):
    module = spectral(gan, nn.utils.parametrizations.spectral_norm)
    nn.init.normal_(module.generator_ema.layers[0].parametrizations.weight.original)
    before = copy.deepcopy(module.state_dict())
    module.sample(4)
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)
