import copy
import inspect
from itertools import product

import pytest
import torch
from host_reads import HostReads

from lightning_gen.bottlenecks import (
    Bottleneck,
    FiniteScalarQuantizer,
    GaussianBottleneck,
    GradientDescent,
    HierarchicalBottleneck,
    IdentityBottleneck,
    Quantizer,
    ResidualQuantizer,
    SigmoidBottleneck,
    TopKBottleneck,
    VectorQuantizer,
)
from lightning_gen.errors import InputError
from lightning_gen.priors import Uniform
from lightning_gen.records import Code, Reconstruction
from lightning_gen.regularizers import CodebookDistance, Commitment, KLDivergence

BOTTLENECKS = (  # each for codes of 4 numbers
    IdentityBottleneck(4),
    IdentityBottleneck(4, Uniform()),
    GaussianBottleneck(4),
    HierarchicalBottleneck((3, 1), 6),
    TopKBottleneck(4, 2),
    SigmoidBottleneck(4),
    VectorQuantizer(4, 8),
    VectorQuantizer(4, 8, GradientDescent()),
    ResidualQuantizer(4, 8, depth=2),
    ResidualQuantizer(4, 8, GradientDescent(restart_below=0.0), depth=2),
    FiniteScalarQuantizer((8, 5, 5, 5)),
)
every_bottleneck = pytest.mark.parametrize("bottleneck", BOTTLENECKS, ids=lambda part: type(part).__name__)
MAP_SIZES = ((), (3, 2))


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@every_bottleneck
def test_codes_are_as_wide_as_promised(bottleneck):
    assert bottleneck.latent_dim == 4
    for map_size, generator in product(MAP_SIZES, (None, source())):
        code = bottleneck(torch.randn(3, bottleneck.features, *map_size), generator)
        assert code.sample.shape == code.mean.shape == bottleneck.quantize(code.sample).shape == (3, 4, *map_size)


@every_bottleneck
def test_constructor_arguments_are_attributes(bottleneck):
    assert all(hasattr(bottleneck, name) for name in inspect.signature(type(bottleneck)).parameters)


@every_bottleneck
def test_without_a_generator_nothing_is_random(bottleneck):
    features = torch.randn(3, bottleneck.features)
    state = torch.get_rng_state()
    for mode in (True, False):
        code = bottleneck.train(mode)(features)
        assert torch.equal(code.sample, code.mean)
    assert torch.equal(torch.get_rng_state(), state)


@every_bottleneck
def test_same_generator_same_code(bottleneck):
    features = torch.randn(3, bottleneck.features)
    assert torch.equal(bottleneck(features, source(1)).sample, bottleneck(features, source(1)).sample)


@every_bottleneck
def test_a_prior_is_either_there_or_refused(bottleneck):
    for map_size in MAP_SIZES:
        if bottleneck.has_prior:
            assert bottleneck.sample_prior(3, source(), map_size).shape == (3, 4, *map_size)
        else:
            with pytest.raises(InputError, match=f"{type(bottleneck).__name__} has no prior"):
                bottleneck.sample_prior(3, source(), map_size)


@every_bottleneck
def test_features_of_another_width_are_refused(bottleneck):
    name = type(bottleneck).__name__
    with pytest.raises(InputError, match=f"{name} with latent_dim 4 reads features of shape .n, "):
        bottleneck(torch.randn(3, bottleneck.features + 1))


def trained(bottleneck, seed):
    """What a training step reads on the host: a pass, its terms, their gradient and what the bottleneck learns."""
    with HostReads() as reads:
        features = torch.randn(16, bottleneck.features, 3, 2, requires_grad=True)
        code = bottleneck(features, source(seed))
        record = Reconstruction(features, code, code.sample)
        terms = [code.sample.square().sum()]
        terms += [KLDivergence()(record)] if code.levels else []
        terms += [Commitment()(record)] if code.quantizations else []
        terms += [CodebookDistance()(record)] if any(each.vectors.requires_grad for each in code.quantizations) else []
        torch.stack(terms).sum().backward()
        bottleneck.update_codebook(code.detached(), source(seed), lambda x: x)
    return reads.found


@every_bottleneck
def test_an_ordinary_training_step_waits_for_no_result(bottleneck):
    """The first one may look; on a GPU the host must otherwise stay ahead of it."""
    bottleneck = copy.deepcopy(bottleneck).train()
    looked = trained(bottleneck, 0)
    assert bool(looked) == isinstance(bottleneck, (VectorQuantizer, ResidualQuantizer))
    for seed in (1, 2, 3):
        assert trained(bottleneck, seed) == []
    bottleneck.load_state_dict(bottleneck.state_dict())
    assert len(trained(bottleneck, 4)) <= 1
    assert trained(bottleneck, 5) == []


@pytest.mark.parametrize(
    "cls",
    [IdentityBottleneck, GaussianBottleneck, TopKBottleneck, SigmoidBottleneck, VectorQuantizer, ResidualQuantizer],
)
def test_no_code_is_refused(cls):
    with pytest.raises(InputError, match="latent_dim of at least 1"):
        cls(latent_dim=0)


def test_the_base_is_only_a_contract():
    assert inspect.isabstract(Bottleneck)


def test_identity_is_the_identity():
    features = torch.randn(3, 8)
    code = IdentityBottleneck(8)(features, source())
    assert torch.equal(code.sample, features)


def test_gaussian_reads_mean_and_log_variance():
    mean, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    (level,) = GaussianBottleneck(4)(torch.cat([mean, log_variance], 1), source()).levels
    torch.testing.assert_close(level.posterior.mean, mean)
    torch.testing.assert_close(level.posterior.variance, log_variance.exp())
    assert (level.prior.mean == 0).all()
    assert (level.prior.variance == 1).all()


def test_gaussian_samples_are_distributed_as_the_posterior():
    features = torch.tensor([1.0, -2.0, 0.5, -1.0]).expand(200_000, 4)
    z = GaussianBottleneck(2)(features, source()).sample
    deviation = torch.tensor([0.5, -1.0]).mul(0.5).exp()
    torch.testing.assert_close(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.01, rtol=0)
    torch.testing.assert_close(z.std(0), deviation, atol=0.01, rtol=0)
    assert torch.corrcoef(z.T)[0, 1].abs() < 0.01


def test_gaussian_gradients_are_those_of_the_reparameterisation():
    """z = mu + exp(lv / 2) eps, so dz/dmu = 1 and dz/dlv = (z - mu) / 2."""
    features = torch.randn(5, 6, requires_grad=True)
    code = GaussianBottleneck(3)(features, source())
    code.sample.sum().backward()
    torch.testing.assert_close(features.grad[:, :3], torch.ones(5, 3))
    torch.testing.assert_close(features.grad[:, 3:], ((code.sample - code.mean) / 2).detach())


def test_gaussian_prior_is_standard_normal():
    z = GaussianBottleneck(2).sample_prior(200_000, source())
    torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=0.01, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(2), atol=0.015, rtol=0)


def test_half_precision_features_keep_a_precise_posterior():
    code = GaussianBottleneck(3)(torch.randn(5, 6).bfloat16(), source())
    assert code.sample.dtype == code.mean.dtype == torch.bfloat16
    assert code.levels[0].posterior.mean.dtype == torch.float32


def test_a_subclass_may_still_define_methods_by_their_earlier_names():
    with pytest.warns(DeprecationWarning, match="quantize"):

        class Rounded(Quantizer):
            features = 2

            def forward(self, features, generator=None):
                return Code(features.round(), features.round())

            def snap(self, code):
                return code.round()

            def codes_of(self, indices):
                return indices[0]

    with pytest.warns(DeprecationWarning, match="update_codebook"):

        class Counted(IdentityBottleneck):
            count = 0

            def adapt(self, code, generator, total):
                self.count += 1

    assert torch.equal(Rounded(2).quantize(torch.tensor([[0.2, 0.8]])), torch.tensor([[0.0, 1.0]]))
    counted = Counted(2)
    counted.update_codebook(Code(torch.zeros(1, 2), torch.zeros(1, 2)), source(), lambda x: x)
    assert counted.count == 1
