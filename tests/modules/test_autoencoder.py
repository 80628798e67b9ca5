"""AutoencoderModule against a loop written by hand, and what it offers a user."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

from lightning_gen import AutoencoderModule, InputError
from lightning_gen.augmentations import Masking
from lightning_gen.bottlenecks import GaussianBottleneck, GradientDescent, IdentityBottleneck, VectorQuantizer
from lightning_gen.data import Digits
from lightning_gen.modules.autoencoder_base import sum_of, weighted
from lightning_gen.networks import Concatenation, DenseDecoder, DenseEncoder
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood, ImportanceWeightedBound
from lightning_gen.regularizers import Capacity, CodebookDistance, Commitment, KLDivergence
from lightning_gen.samplers import GaussianMixtureSampler
from lightning_gen.schedules import Constant, Cosine, ImageSchedule, Linear, Schedule


def loader(n=96, batch_size=16):
    return DataLoader(torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1, batch_size=batch_size)


def test_training_is_the_loop_written_by_hand(autoencoder, trainer):
    module = autoencoder(variational=True, optimizer=partial(torch.optim.SGD, lr=0.01))
    encoder, decoder = copy.deepcopy(module.encoder), copy.deepcopy(module.decoder)
    optimizer = torch.optim.SGD([*encoder.parameters(), *decoder.parameters()], lr=0.01)
    rng = torch.Generator().manual_seed(torch.initial_seed() * 2**16)
    for x in loader():
        mu, logvar = encoder(x).chunk(2, dim=1)
        z = mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, generator=rng)
        nll = binary_cross_entropy_with_logits(decoder(z), (x + 1) / 2, reduction="sum") / len(x)
        kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum() / len(x)
        optimizer.zero_grad()
        (nll + kl).backward()
        optimizer.step()
    trainer(max_epochs=1).fit(module, loader())
    torch.testing.assert_close(module.encoder.state_dict(), encoder.state_dict(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(module.decoder.state_dict(), decoder.state_dict(), rtol=1e-4, atol=1e-6)
    assert module.images_seen == 96


def test_decode_after_encode_is_reconstruct_and_needs_no_noise(autoencoder):
    module, x = autoencoder(variational=True), torch.rand(4, 1, 8, 8) * 2 - 1
    assert module.encode(x).shape == (4, 3)
    torch.testing.assert_close(module.decode(module.encode(x)), module.reconstruct(x))
    assert torch.equal(module(x), module(x))
    assert module(x).abs().max() <= 1


def test_the_loss_is_the_weighted_sum_of_the_terms(autoencoder):
    module = autoencoder(variational=True)
    module.objective["kl"].weight = 0.25
    record = module.reconstruction(torch.rand(4, 1, 8, 8), torch.Generator())
    total, terms = module.loss(record)
    torch.testing.assert_close(total, terms["reconstruction"] + 0.25 * terms["kl"])


def test_validation_is_of_the_task_that_is_trained(autoencoder, trainer):
    """A reconstruction of nothing costs the same whatever was there; the squared error is that of clean samples."""
    module, data = autoencoder(corruption=Masking(1.0)), loader(16)
    runner = trainer()
    runner.validate(module, data, verbose=False)
    x = next(iter(data))
    with torch.no_grad():
        blind = module.loss(replace(module.reconstruction(torch.full_like(x, -1), None), x=x))[0]
        clean = (module.reconstruct(x) - x).square().mean() / 4
    torch.testing.assert_close(runner.callback_metrics["val/loss"], blind)
    torch.testing.assert_close(runner.callback_metrics["val/mse"], clean)


@pytest.mark.parametrize("kind", ["code book", "posterior", "bound"])
def test_the_mean_over_two_devices_is_the_loss_of_their_joined_batch(kind):
    """Gradients are averaged over devices: a term that was summed over the batch would be too heavy beside a mean."""
    bottleneck, objective = {
        "code book": (
            VectorQuantizer(3, 8, GradientDescent()),
            {"reconstruction": GaussianLikelihood(), "codes": CodebookDistance(), "commitment": Commitment()},
        ),
        "posterior": (GaussianBottleneck(3), {"reconstruction": BernoulliLikelihood(), "kl": KLDivergence(2.0)}),
        "bound": (GaussianBottleneck(3), {"bound": ImportanceWeightedBound(BernoulliLikelihood())}),
    }[kind]
    networks = DenseEncoder((1, 4, 4), bottleneck.features, (8,)), DenseDecoder((1, 4, 4), 3, (8,))
    module, x = AutoencoderModule(*networks, bottleneck, objective), torch.rand(8, 1, 4, 4) * 2 - 1
    joined, first, second = (module.loss(module.reconstruction(part, None))[1] for part in (x, x[:4], x[4:]))
    for name, value in joined.items():
        torch.testing.assert_close((first[name] + second[name]) / 2, value)


def test_the_encoder_sees_corrupted_samples_and_the_terms_clean_ones(autoencoder):
    module, x = autoencoder(corruption=Masking(1.0)), torch.rand(4, 1, 8, 8)
    record = module.reconstruction(x, torch.Generator(), corrupt=True)
    assert torch.equal(record.x, x)
    torch.testing.assert_close(record.code.sample, module.encode(torch.full_like(x, -1)))
    torch.testing.assert_close(module.reconstruction(x, None).code.sample, module.encode(x))


@pytest.mark.parametrize(
    ("schedule", "settled"),
    [
        (Linear(96, first=0.0, last=8.0), 8.0),
        (Cosine(96, first=8.0, last=0.5), 0.5),
        (Linear(10**9, first=0.0, last=8.0, warmup_images=500), 8.0),
        (Constant(3.0, warmup_images=10**9), 3.0),
    ],
)
def test_validation_weighs_the_terms_as_training_does_in_the_end(autoencoder, trainer, schedule, settled):
    module = autoencoder(variational=True, optimizer=partial(torch.optim.SGD, lr=0.0))
    module.objective["kl"].weight = schedule
    for _ in range(2):
        figures = trainer().validate(module, loader(), verbose=False)[0]
        assert figures["val/kl"] > 0
        weighed = figures["val/reconstruction"] + settled * figures["val/kl"]
        assert figures["val/loss"] == pytest.approx(weighed, rel=1e-6)
        trainer(max_epochs=1).fit(module, loader())


def test_validation_compares_with_the_capacity_of_the_end(autoencoder, trainer):
    module = autoencoder(variational=True)
    module.objective["kl"].weight = 0.0
    module.objective["capacity"] = Capacity(Linear(10**6, first=0.0, last=25.0), weight=1.0)
    figures = trainer().validate(module, loader(), verbose=False)[0]
    assert figures["val/capacity"] == pytest.approx(abs(figures["val/kl"] - 25), rel=1e-4)


def test_only_a_bottleneck_with_a_prior_can_be_sampled(autoencoder):
    seed = partial(torch.Generator().manual_seed, 3)
    module = autoencoder(variational=True)
    assert torch.equal(module.sample(6, generator=seed()), module.sample(6, generator=seed()))
    assert module.sample(6).shape == (6, 1, 8, 8)
    with pytest.raises(InputError, match="no prior to draw from: --sampler gmm"):
        autoencoder().sample(6)


def test_a_sampler_is_fitted_to_codes_drawn_from_the_posterior(autoencoder):
    module = autoencoder(variational=True).eval()
    x = torch.cat(list(loader(n=2000)))
    sampler = module.fit_sampler(GaussianMixtureSampler(1), [x[:1000], (x[1000:],)])
    with torch.no_grad():
        mean, log_variance = module.encoder(x).chunk(2, dim=1)
    spread = mean.var(0) + log_variance.exp().mean(0)  # the law of total variance
    torch.testing.assert_close(sampler.spread.square().float(), spread, rtol=0.15, atol=0)
    assert (sampler.spread.square() > 2 * mean.var(0)).all()
    assert module.sample(5, sampler=sampler).shape == (5, 1, 8, 8)


class Halves(IdentityBottleneck):
    """Codes that are multiples of ½."""

    def quantize(self, code):
        return (2 * code).round() / 2


def test_codes_of_a_sampler_are_put_back_on_the_codebook(autoencoder):
    module = autoencoder(bottleneck=Halves(3))
    sampler = module.fit_sampler(GaussianMixtureSampler(1), loader())
    codes = module.draw_codes(50, torch.Generator(), sampler)
    assert torch.equal(codes, (2 * sampler.draw(50, torch.Generator())).round() / 2)


def test_a_stale_sampler_is_never_used_silently(autoencoder):
    module, data = autoencoder(), list(loader())
    sampler = module.fit_sampler(GaussianMixtureSampler(2), data)
    assert module.progress()["samplers"]
    with torch.no_grad():
        next(module.decoder.parameters()).add_(1)
    assert module.fitted_sampler(GaussianMixtureSampler) is not None, "codes do not depend on the decoder"
    with torch.no_grad():
        next(module.encoder.parameters()).add_(1)
    assert module.fitted_sampler(GaussianMixtureSampler) is None
    assert module.progress()["samplers"] == {}
    for old in (sampler, GaussianMixtureSampler()):
        with pytest.raises(InputError, match="fit it to them"):
            module.sample(3, sampler=old)


def test_fitting_and_drawing_leave_the_module_as_it_was(autoencoder):
    module = autoencoder(variational=True).train()
    data = list(loader())
    state, random = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    sampler = module.fit_sampler(GaussianMixtureSampler(2), data)
    module.sample(3, generator=torch.Generator(), sampler=sampler)
    assert module.training
    assert torch.equal(torch.get_rng_state(), random)
    torch.testing.assert_close(module.state_dict(), state, rtol=0, atol=0)


def test_the_trainers_clipping_and_accumulation_work(autoencoder, trainer):
    modules = [autoencoder(optimizer=partial(torch.optim.SGD, lr=0.1)) for _ in range(2)]
    modules[1].load_state_dict(modules[0].state_dict())
    trainer(max_epochs=1, gradient_clip_val=0.1).fit(modules[0], loader(batch_size=32))
    trainer(max_epochs=1, gradient_clip_val=0.1, accumulate_grad_batches=2).fit(modules[1], loader(batch_size=16))
    torch.testing.assert_close(modules[0].state_dict(), modules[1].state_dict(), rtol=1e-4, atol=1e-6)
    assert modules[0].images_seen == modules[1].images_seen == 96


@pytest.mark.parametrize("options", [{"gradient_clip_val": 0.1}, {}])
def test_a_clipped_step_is_as_long_as_the_trainer_says(autoencoder, trainer, options):
    module = autoencoder(optimizer=partial(torch.optim.SGD, lr=1.0))
    before = torch.cat([p.detach().flatten().clone() for p in module.parameters()])
    trainer(max_steps=1, **options).fit(module, loader())
    moved = (torch.cat([p.detach().flatten() for p in module.parameters()]) - before).norm()
    if options:
        torch.testing.assert_close(moved, torch.tensor(0.1), rtol=1e-4, atol=0)
    else:
        assert moved > 1


@pytest.mark.parametrize("weights", [(1,), (1, 1.0), (0.5, 1), (0.3,), (0.1, 0.7, 1), (1, 2, 0.3, 1, 0.2)])
def test_the_sum_of_the_terms_has_the_bits_of_one_sum_over_their_products(weights):
    generator = torch.Generator().manual_seed(len(weights))
    for scale in (1e-3, 1.0, 1e6):
        values = [(torch.randn((), generator=generator) * scale).requires_grad_() for _ in weights]
        total = sum_of([weighted(value, weight) for value, weight in zip(values, weights, strict=True)])
        stacked = torch.stack([weight * value for value, weight in zip(values, weights, strict=True)]).sum()
        assert torch.equal(total, stacked)
        found, expected = torch.autograd.grad(total, values), torch.autograd.grad(stacked, values)
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


class Weighed(Schedule):
    """Keeps where it was looked at."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def value(self, images):
        self.seen.append(images)
        return 1.0


@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_optimizer_that_asks_for_the_loss_again_counts_a_batch_once(autoencoder, trainer, accumulate):
    weight, adapted = Weighed(), []
    module = autoencoder(
        objective={"reconstruction": GaussianLikelihood(weight=weight)},
        optimizer=partial(torch.optim.LBFGS, lr=0.1, max_iter=5),
    )
    module.bottleneck.update_codebook = lambda code, *args: adapted.append(len(code.sample))
    trainer(max_epochs=1, accumulate_grad_batches=accumulate).fit(module, loader())
    assert module.images_seen == 96
    assert len(weight.seen) > 12, "the loss was asked for several times in each step"
    assert list(dict.fromkeys(weight.seen)) == [0, 16, 32, 48, 64, 80]
    assert adapted == [16 * accumulate] * (6 // accumulate)


def test_the_schedule_follows_the_images(autoencoder, trainer):
    module = autoencoder(
        optimizer=partial(torch.optim.SGD, lr=1.0), scheduler=partial(ImageSchedule, learning_rate=Linear(192))
    )
    trainer(max_epochs=1).fit(module, loader())
    assert module.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.5)


def test_mse_is_of_pixels_between_0_and_1(autoencoder, trainer):
    module = autoencoder()
    data = loader()
    figures = trainer().validate(module, data, verbose=False)[0]
    x = torch.cat(list(data))
    with torch.no_grad():
        expected = (((module.eval()(x) + 1) / 2 - (x + 1) / 2) ** 2).mean()
    assert figures["val/mse"] == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_precisions_train(autoencoder, trainer, precision):
    module = autoencoder(variational=True)
    trainer(max_epochs=1, precision=precision).fit(module, loader(), loader())
    assert all(torch.isfinite(p).all() for p in module.parameters())


def test_a_cross_entropy_of_coordinates_is_refused(autoencoder):
    with pytest.raises(InputError, match="GaussianLikelihood"):
        autoencoder(shape=(5,))


def test_a_scheduler_that_waits_for_a_figure_is_refused(autoencoder, trainer):
    module = autoencoder(scheduler=torch.optim.lr_scheduler.ReduceLROnPlateau)
    with pytest.raises(InputError, match="ImageSchedule"):
        trainer(max_epochs=1).fit(module, loader())


def after_another(optimizer):
    constant = torch.optim.lr_scheduler.ConstantLR(optimizer)
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [constant, ImageSchedule(optimizer, Linear(100))], [10])


def beside_another(optimizer):
    return torch.optim.lr_scheduler.ChainedScheduler([after_another(optimizer)], optimizer=optimizer)


@pytest.mark.parametrize("scheduler", [after_another, beside_another])
def test_a_schedule_in_images_inside_one_that_counts_steps_is_refused(autoencoder, trainer, scheduler):
    with pytest.raises(InputError, match="never learns how many images were seen: give one ImageSchedule alone"):
        trainer(max_epochs=1).fit(autoencoder(scheduler=scheduler), loader())


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_weights_in_another_type_are_refused(autoencoder, trainer, precision):
    with pytest.raises(InputError, match="bf16-mixed"):
        trainer(max_epochs=1, precision=precision).fit(autoencoder(), loader())


def test_parts_that_do_not_fit_are_refused(autoencoder):
    with pytest.raises(InputError, match="encoder's features"):
        autoencoder(bottleneck=IdentityBottleneck(5))
    with pytest.raises(InputError, match="likelihoods"):
        autoencoder(objective={})


def test_a_gaussian_likelihood_gives_points_back_in_their_own_units(autoencoder, trainer):
    module = autoencoder(shape=(5,), objective={"reconstruction": GaussianLikelihood()})
    data = DataLoader(torch.randn(64, 5) * 10, batch_size=16)
    trainer(max_epochs=2).fit(module, data, data)
    assert module.reconstruct(torch.randn(3, 5)).shape == (3, 5)


def conditional(autoencoder, **options):
    bottleneck = GaussianBottleneck(3)
    return autoencoder(
        variational=True,
        bottleneck=bottleneck,
        encoder=DenseEncoder((1, 8, 8), bottleneck.features, (16,), conditioning=Concatenation(10)),
        decoder=DenseDecoder((1, 8, 8), 3, (16,), conditioning=Concatenation(10)),
        **options,
    )


def test_a_conditional_autoencoder_is_told_the_classes_everywhere(autoencoder, trainer):
    module, data = conditional(autoencoder), Digits(8)
    runner = trainer(max_steps=2)
    runner.fit(module, data)
    runner.validate(module, data, verbose=False)
    x, labels = data.scaled(data.test_set[:])
    predicted = torch.cat(runner.predict(module, data))
    with torch.no_grad():
        torch.testing.assert_close(predicted, module.eval().reconstruct(x, labels))
    code = torch.zeros(1, 3)
    assert not torch.equal(module.decode(code, torch.tensor([3])), module.decode(code, torch.tensor([7])))
    sampler = module.fit_sampler(GaussianMixtureSampler(2), data)
    assert module.sample(20, labels=[3, 7], sampler=sampler).shape == (20, 1, 8, 8)


def test_a_conditional_autoencoder_without_labels_is_refused(autoencoder, trainer):
    with pytest.raises(InputError, match="samples come without labels: take data with labels"):
        trainer(max_epochs=1).fit(conditional(autoencoder), loader())


def test_samples_that_are_not_finite_are_refused_before_the_first_update(autoencoder, trainer):
    module = autoencoder()
    state, x = copy.deepcopy(module.state_dict()), torch.cat(list(loader()))
    x[5, 0, 3, 3] = float("nan")
    x[7] = float("inf")
    with pytest.raises(InputError, match=r"batch 0 of the training data .* first in its sample 5: remove"):
        trainer(max_epochs=1).fit(module, DataLoader(x, batch_size=16))
    torch.testing.assert_close(module.state_dict(), state, rtol=0, atol=0)


def test_pictures_outside_the_range_of_a_cross_entropy_are_refused(autoencoder, trainer):
    x = torch.cat(list(loader()))
    scaled = DataLoader((x + 1) * 127.5, batch_size=16)
    with pytest.raises(InputError, match=r"BernoulliLikelihood is for images in \[-1, 1\] .* goes from 0.* to 25"):
        trainer(max_epochs=1).fit(autoencoder(), scaled)
    trainer(max_steps=1).fit(autoencoder(objective={"reconstruction": GaussianLikelihood()}), scaled)


def test_only_the_first_batch_of_a_run_is_looked_at(autoencoder, trainer):
    module, x = autoencoder(), torch.cat(list(loader()))
    x[20:] *= 1.5
    trainer(max_steps=2).fit(module, DataLoader(x, batch_size=16))
    with pytest.raises(InputError, match="batch 0"):
        trainer(max_steps=2).fit(module, DataLoader(x.flip(0), batch_size=16))
