"""What all terms on codes have in common."""

import inspect

import pytest
import torch
from torch.distributions import Normal

from lightning_gen.checkpoint import describe
from lightning_gen.errors import InputError
from lightning_gen.records import Code, Level, Reconstruction
from lightning_gen.regularizers import (
    DIPVAE1,
    DIPVAE2,
    ActivitySparsity,
    Capacity,
    Contraction,
    DimensionwiseKL,
    GaussianKernel,
    KLDivergence,
    L1Sparsity,
    MaximumMeanDiscrepancy,
    MutualInformation,
    TotalCorrelation,
    WeightedSampling,
)
from lightning_gen.schedules import Linear

TERMS = (
    (KLDivergence, {"sampled": True}),
    (Capacity, {"capacity": 3.0, "sampled": False}),
    (MutualInformation, {"sampling": WeightedSampling()}),
    (TotalCorrelation, {"sampling": WeightedSampling()}),
    (DimensionwiseKL, {"sampling": WeightedSampling()}),
    (DIPVAE1, {"off_diagonal": 2.0, "diagonal": 3.0}),
    (DIPVAE2, {"off_diagonal": 2.0, "diagonal": 3.0}),
    (MaximumMeanDiscrepancy, {"kernel": GaussianKernel(2.0, (1.0, 3.0))}),
    (L1Sparsity, {}),
    (ActivitySparsity, {"target": 0.3}),
    (Contraction, {}),
)
every_term = pytest.mark.parametrize(("cls", "arguments"), TERMS)


def record(n=6, draws=1, dtype=torch.float32, map_size=()):
    """A pass with a code in (0, 1) that has a posterior, a prior, and depends on what was seen."""
    source = torch.Generator().manual_seed(0)
    seen = torch.randn(n, 3, *map_size, generator=source, dtype=torch.double).to(dtype).requires_grad_()
    mean = seen.tanh().repeat_interleave(draws, 0)
    wide = mean.to(torch.promote_types(dtype, torch.float32))
    noise = torch.randn(mean.shape, generator=source, dtype=torch.double).to(wide)
    level = Level(wide + 0.3 * noise, Normal(wide, 0.3 + 0.1 * wide), Normal(torch.zeros_like(wide), 1.0))
    draw_prior = lambda n: torch.randn(n, 3, *map_size, generator=torch.Generator().manual_seed(1))  # noqa: E731
    code = Code(level.sample.sigmoid().to(dtype), mean, (level,))
    x = torch.zeros(len(mean), 1)
    return Reconstruction(x, code, x, seen, codes_per_sample=draws, images=100, dataset_size=50, draw_prior=draw_prior)


@every_term
def test_terms_are_unweighted_scalars(cls, arguments):
    value = cls(**arguments)(record())
    assert value.shape == ()
    assert torch.equal(cls(**arguments, weight=7.0)(record()), value)
    assert torch.equal(cls(**arguments, weight=Linear(10))(record()), value)


@every_term
def test_constructor_arguments_are_attributes_that_a_checkpoint_can_describe(cls, arguments):
    values = {**arguments, "weight": 0.3}
    assert set(inspect.signature(cls).parameters) == set(values)
    assert {name: getattr(cls(**values), name) for name in values} == values
    assert describe(cls(**values))["init_args"].keys() == values.keys()
    assert describe(cls())


@every_term
def test_gradients_reach_the_encoder(cls, arguments):
    passed = record()
    (gradient,) = torch.autograd.grad(cls(**arguments)(passed), passed.seen)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@every_term
def test_the_smallest_batches_give_numbers(cls, arguments):
    for n in (1, 2):
        assert cls(**arguments)(record(n)).isfinite()
        assert cls()(record(n)).isfinite()


@every_term
def test_codes_that_are_maps_are_understood(cls, arguments):
    value = cls(**arguments)(record(map_size=(2, 2)))
    assert value.shape == ()
    assert value.isfinite()


@every_term
def test_half_precision_is_summed_in_float32(cls, arguments):
    if cls is Contraction:
        pytest.skip("a gradient has the precision of what was differentiated")
    value = cls(**arguments)(record(dtype=torch.bfloat16))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, cls(**arguments)(record()), atol=0.05, rtol=0.05)


@every_term
def test_autocast_changes_nothing(cls, arguments):
    passed, alone = record(), record()
    with torch.autocast("cpu", torch.bfloat16):
        value = cls(**arguments)(passed)
    torch.testing.assert_close(value, cls(**arguments)(alone))


@pytest.mark.parametrize("cls", [DIPVAE1, DIPVAE2, L1Sparsity, ActivitySparsity, Contraction, Capacity, KLDivergence])
def test_the_same_draw_twice_changes_nothing(cls):
    once, twice = record(), record(draws=2)
    sample = once.code.sample.repeat_interleave(2, 0)
    level, prior = once.code.levels[0], twice.code.levels[0].prior
    levels = (Level(level.sample.repeat_interleave(2, 0), twice.code.levels[0].posterior, prior),)
    twice = Reconstruction(twice.x, Code(sample, twice.code.mean, levels), twice.output, twice.seen, codes_per_sample=2)
    once = Reconstruction(once.x, once.code, once.output, once.seen)
    torch.testing.assert_close(cls()(twice), cls()(once))


@pytest.mark.parametrize("cls", [MutualInformation, TotalCorrelation, DimensionwiseKL, DIPVAE1, DIPVAE2])
@pytest.mark.parametrize("levels", [0, 2])
def test_a_code_without_the_one_level_is_refused(cls, levels):
    passed = record()
    passed = Reconstruction(passed.x, Code(passed.x, passed.x, passed.code.levels * levels), passed.x, dataset_size=9)
    with pytest.raises(InputError, match=f"{cls.__name__} needs a code of one stochastic level .* has {levels}: use"):
        cls()(passed)
