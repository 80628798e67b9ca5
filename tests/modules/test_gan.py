"""GANModule: sampling, both logits, joint passes, evaluation."""

import pytest
import torch
from torch.utils.data import DataLoader

from lightning_gen import InputError
from lightning_gen.augmentations import GaussianNoise
from lightning_gen.networks import DCGANDiscriminator, DCGANGenerator
from lightning_gen.objectives import Hinge, LeastSquares, Minimax, NonSaturating, RelativisticPaired, Wasserstein
from lightning_gen.regularizers import R1


def loader():
    return DataLoader(torch.rand(32, 1, 8, 8) * 2 - 1, batch_size=8)


def seed(number=0):
    return torch.Generator().manual_seed(number)


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


@pytest.mark.parametrize("objective", [Minimax, NonSaturating, LeastSquares, Hinge, Wasserstein, RelativisticPaired])
def test_every_objective_trains_both_networks(gan, trainer, objective):
    module = gan(objective=objective(), penalties={"r1": R1()}, augmentation=GaussianNoise(0.1))
    before = {k: v.clone() for k, v in module.named_parameters()}
    trainer(max_epochs=1).fit(module, loader())
    unchanged = [k for k, v in module.named_parameters() if torch.equal(v, before[k])]
    # a bias after the last layer cancels where only differences of logits count
    assert set(unchanged) <= {"discriminator.layers.3.bias"}


def test_one_pass_over_real_and_fake_gives_the_logits_of_two(gan):
    module = gan()
    real, fake = torch.rand(6, 1, 8, 8), torch.rand(6, 1, 8, 8)
    for joint, alone in zip(
        module.judge(real, fake), (module.discriminator(real), module.discriminator(fake)), strict=True
    ):
        torch.testing.assert_close(joint, alone)


def test_a_discriminator_with_batch_norm_sees_real_and_fake_apart(gan):
    shape = (1, 16, 16)
    module = gan(generator=DCGANGenerator(shape, 4, 4), discriminator=DCGANDiscriminator(shape, 4)).train()
    sizes = []
    module.discriminator.register_forward_hook(lambda m, args, out: sizes.append(len(args[0])))
    module.judge(torch.rand(6, *shape), torch.rand(6, *shape))
    assert sizes == [6, 6]


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


def test_predict_gives_as_many_samples_as_the_batch_holds(gan, trainer):
    assert [len(x) for x in trainer().predict(gan(), DataLoader(torch.rand(11, 1, 8, 8), batch_size=8))] == [8, 3]


@pytest.mark.parametrize("name", ["type", "train", "keys", "a.b", ""])
def test_a_name_that_torch_keeps_is_refused(gan, name):
    with pytest.raises(InputError, match="cannot be called"):
        gan(penalties={name: R1()})


def test_networks_of_different_shapes_are_refused(gan):
    with pytest.raises(InputError, match="same shape"):
        gan(generator=DCGANGenerator((3, 8, 8), 4, 4))


def test_impossible_samples_are_refused(gan):
    with pytest.raises(InputError, match="at least 1"):
        gan().sample(0)
    with pytest.raises(InputError, match="without classes"):
        gan().sample(2, labels=[1, 2])


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_precisions_train(gan, trainer, precision):
    module = gan(batch_norm=True)
    trainer(max_epochs=1, precision=precision).fit(module, loader())
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in module.parameters())


@pytest.mark.parametrize("flag", ["fast_dev_run", "overfit_batches", "limit_train_batches", "limit_val_batches"])
def test_the_trainers_debug_flags_work(gan, trainer, flag):
    module = gan()
    trainer(max_epochs=1, detect_anomaly=True, profiler="simple", **{flag: 1}).fit(module, loader(), loader())
    assert module.images_seen > 0
