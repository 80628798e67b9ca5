import inspect

import numpy as np
import pytest
import torch

from lightning_gen.bottlenecks import (
    FiniteScalarQuantizer,
    GradientDescent,
    MovingAverage,
    Quantizer,
    ResidualQuantizer,
    VectorQuantizer,
)
from lightning_gen.errors import InputError
from lightning_gen.records import Reconstruction
from lightning_gen.regularizers import Commitment

QUANTIZERS = (
    (VectorQuantizer, {"latent_dim": 4, "codes": 16, "learning": MovingAverage(decay=0.9)}),
    (VectorQuantizer, {"latent_dim": 4, "codes": 16, "learning": GradientDescent()}),
    (ResidualQuantizer, {"latent_dim": 4, "codes": 16, "depth": 3, "learning": MovingAverage(decay=0.9)}),
    (ResidualQuantizer, {"latent_dim": 4, "codes": 16, "depth": 3, "learning": GradientDescent()}),
    (FiniteScalarQuantizer, {"levels": (8, 5, 3, 2)}),
)
IDS = [f"{cls.__name__}-{index}" for index, (cls, _) in enumerate(QUANTIZERS)]
every_quantizer = pytest.mark.parametrize(("cls", "arguments"), QUANTIZERS, ids=IDS)
every_codebook = pytest.mark.parametrize(("cls", "arguments"), QUANTIZERS[:4], ids=IDS[:4])


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def built(cls, arguments):
    """A quantizer that has seen one batch."""
    quantizer = cls(**arguments)
    x = torch.randn(64, 4, 3, 2, generator=source(7))
    quantizer.adapt(quantizer(x).settled(), source(), lambda x: x)
    return quantizer


@every_quantizer
def test_codes_are_the_vectors_of_the_codebooks_to_the_bit(cls, arguments):
    quantizer, x = built(cls, arguments), torch.randn(5, 4, 3, 2)
    code = quantizer(x, source())
    assert torch.equal(code.sample, torch.stack([each.vectors for each in code.quantizations]).sum(0))
    assert torch.equal(code.mean, code.sample)
    assert code.levels == ()
    for each in code.quantizations:
        assert each.indices.shape == (5, 3, 2)
        assert each.indices.dtype == torch.int64
        assert 0 <= each.indices.min() <= each.indices.max() < each.size


@every_quantizer
def test_a_map_is_quantized_place_by_place(cls, arguments):
    quantizer, x = built(cls, arguments), torch.randn(5, 4, 3, 2)
    place = quantizer(x[:, :, 1, 1])
    torch.testing.assert_close(quantizer(x).sample[:, :, 1, 1], place.sample)
    assert torch.equal(quantizer(x).quantizations[0].indices[:, 1, 1], place.quantizations[0].indices)


@every_codebook
def test_the_gradient_goes_straight_through(cls, arguments):
    quantizer, x, weight = built(cls, arguments), torch.randn(5, 4).requires_grad_(), torch.randn(5, 4)
    (quantizer(x).sample * weight).sum().backward()
    assert torch.equal(x.grad, weight)
    assert all(parameter.grad is None for parameter in quantizer.parameters())


@every_quantizer
def test_in_evaluation_nothing_changes(cls, arguments):
    quantizer = built(cls, arguments).eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    code = quantizer(torch.randn(64, 4), source())
    quantizer.adapt(code.settled(), source(), lambda x: x)
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())


@every_codebook
def test_a_copied_state_goes_on_to_the_bit(cls, arguments):
    """Before the start as after it."""
    for first in (0, 3):
        ours, theirs = cls(**arguments), cls(**arguments)
        for step in range(20):
            if step == first:
                theirs.load_state_dict(ours.state_dict())
            for quantizer in (ours, theirs) if step >= first else (ours,):
                x = torch.randn(64, 4, generator=source(step))
                quantizer.adapt(quantizer(x).settled(), source(step), lambda x: x)
        assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


@every_quantizer
def test_there_is_no_prior(cls, arguments):
    quantizer = cls(**arguments)
    assert not quantizer.has_prior
    with pytest.raises(InputError, match=f"{cls.__name__} has no prior"):
        quantizer.sample_prior(3, source())


@pytest.mark.parametrize(("cls", "arguments"), [QUANTIZERS[index] for index in (0, 1, 4)])
def test_snapping_is_a_projection_onto_the_codes(cls, arguments):
    quantizer = built(cls, arguments)
    codes = quantizer(torch.randn(64, 4, 3, 2)).sample.detach()
    assert torch.equal(quantizer.snap(codes), codes)
    nudged = codes + 1e-3 * torch.randn_like(codes)
    assert torch.equal(quantizer.snap(nudged), codes)
    assert not quantizer.snap(codes.clone().requires_grad_()).requires_grad


def test_snapping_finds_the_nearest_level():
    quantizer = FiniteScalarQuantizer((4, 5))
    all_codes = torch.cartesian_prod(torch.arange(-2, 2) / 2, torch.arange(-2, 3) / 2)
    drawn = 3 * torch.randn(500, 2)
    assert torch.equal(quantizer.snap(drawn), all_codes[torch.cdist(drawn, all_codes).argmin(1)])


def test_snapping_to_residual_codes_is_quantizing():
    quantizer = built(*QUANTIZERS[2])
    x = torch.randn(10, 4)
    assert torch.equal(quantizer.snap(x), quantizer(x).mean)


@every_quantizer
def test_constructor_arguments_are_attributes(cls, arguments):
    quantizer = cls(**arguments)
    assert {name: getattr(quantizer, name) for name in inspect.signature(cls).parameters} == arguments
    assert quantizer.latent_dim == quantizer.features == 4


@every_quantizer
def test_half_precision_features_are_quantized_in_float32(cls, arguments):
    quantizer, x = built(cls, arguments), torch.randn(50, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        code = quantizer(x)
    assert code.sample.dtype == torch.bfloat16
    for ours, theirs in zip(code.quantizations, quantizer(x.float()).quantizations, strict=True):
        assert torch.equal(ours.indices, theirs.indices)
        assert torch.equal(ours.vectors, theirs.vectors)


@every_quantizer
def test_features_of_another_width_are_refused(cls, arguments):
    with pytest.raises(InputError, match=f"{cls.__name__} with latent_dim 4 reads features of shape .n, 4"):
        cls(**arguments)(torch.randn(3, 5))


def test_commitment_is_alive_at_every_depth():
    """Residuals of straight-through outputs would have no gradient: each depth must have its own, 2 (r - e) / n."""
    quantizer, x = built(*QUANTIZERS[2]), torch.randn(6, 4).requires_grad_()
    for each in quantizer(x).quantizations:
        distance = (each.features - each.vectors.detach()).square().sum(1).mean()
        (gradient,) = torch.autograd.grad(distance, x, retain_graph=True)
        assert gradient.abs().max() > 1e-3
        torch.testing.assert_close(gradient, 2 * (each.features - each.vectors).detach() / 6)


def test_commitment_is_the_distance_to_the_partial_sums():
    """Equation 7 of the RQ-VAE paper: the sum over d of ||z - sg[sum of the first d vectors]||²."""
    quantizer, x = built(*QUANTIZERS[2]), torch.randn(6, 4)
    code, partial, expected = quantizer(x), torch.zeros(6, 4), 0.0
    for each in code.quantizations:
        partial = partial + each.vectors
        expected += (x - partial).square().sum(1).mean()
    torch.testing.assert_close(Commitment()(Reconstruction(x, code, x)), expected)


def test_each_depth_leaves_less_over():
    quantizer, x = built(*QUANTIZERS[2]), torch.randn(500, 4)
    left = [each.features.square().mean().item() for each in quantizer(x).quantizations]
    assert left == sorted(left, reverse=True)
    assert (quantizer(x).mean - x).square().mean() < 0.5 * left[1]


def test_one_codebook_of_residuals_is_a_vector_quantizer():
    ours, theirs = ResidualQuantizer(4, 16, depth=1), VectorQuantizer(4, 16)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(20, 4)
    assert torch.equal(ours(x).sample, theirs(x).sample)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: VectorQuantizer(4, codes=1), "codes 1: give at least 2"),
        (lambda: ResidualQuantizer(4, codes=0), "codes 0: give at least 2"),
        (lambda: ResidualQuantizer(4, depth=0), "depth 0: give at least 1 codebook"),
        (lambda: VectorQuantizer(0), "latent_dim of at least 1"),
        (lambda: FiniteScalarQuantizer((8, 1)), "levels .8, 1.: give one number of at least 2"),
        (lambda: FiniteScalarQuantizer(()), "levels ..: give one number of at least 2"),
    ],
)
def test_numbers_that_cannot_work_are_refused(build, sentence):
    with pytest.raises(InputError, match=sentence):
        build()


def test_the_base_is_only_a_contract():
    assert inspect.isabstract(Quantizer)


# finite scalar quantization -----------------------------------------------------------------------------------


def listing(z, levels, eps=1e-3):
    """Appendix A.1 of the FSQ paper, in numpy: the code, and its index."""
    levels = np.array(levels)
    half_l = (levels - 1) * (1 - eps) / 2
    offset = np.where(levels % 2 == 1, 0.0, 0.5)
    bounded = np.tanh(z + np.tan(offset / half_l)) * half_l - offset
    quantized = np.round(bounded) / (levels // 2)
    basis = np.concatenate(([1], np.cumprod(levels[:-1])))
    return quantized, ((quantized * (levels // 2) + levels // 2) * basis).sum(-1).astype(int)


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (8, 6, 5), (2, 3, 4, 7), (16,)])
def test_finite_scalars_against_the_papers_listing(levels):
    z = 2 * torch.randn(5000, len(levels), dtype=torch.double)
    code = FiniteScalarQuantizer(levels)(z)
    expected, indices = listing(z.numpy(), levels)
    np.testing.assert_allclose(code.sample.numpy(), expected)
    assert (code.quantizations[0].indices.numpy() == indices).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_code_is_reached_and_none_is_lost(dtype):
    """In bfloat16 too: indices and codes are one to one."""
    quantizer = FiniteScalarQuantizer((8, 6, 5))
    code = quantizer((2 * torch.randn(100_000, 3)).to(dtype))
    indices = code.quantizations[0].indices
    assert torch.equal(indices.unique(), torch.arange(240))
    assert code.quantizations[0].size == quantizer.size == 240
    assert len(code.sample.unique(dim=0)) == 240
    assert len(torch.cat([code.sample.float(), indices[:, None]], 1).unique(dim=0)) == 240
    assert code.sample.abs().max() == 1


def test_the_gradient_of_finite_scalars_is_that_of_the_bound():
    """d/dz of l tanh(z + s) / ⌊L / 2⌋, as if nothing had been rounded."""
    z = torch.randn(7, 3, dtype=torch.double, requires_grad=True)
    FiniteScalarQuantizer((5, 3, 7))(z).sample.sum().backward()
    half = torch.tensor([4, 2, 6]).double() * (1 - 1e-3) / 2
    expected = half * (1 - z.detach().tanh() ** 2) / torch.tensor([2.0, 1.0, 3.0])
    torch.testing.assert_close(z.grad, expected)


def test_many_levels_are_numbered_exactly():
    """2^32 codes do not fit into float32's whole numbers."""
    quantizer = FiniteScalarQuantizer((16,) * 8)
    indices = quantizer(torch.tensor([[-9.0] * 8, [9.0] * 8, [9.0] * 7 + [-9.0]])).quantizations[0].indices
    assert indices.tolist() == [0, 16**8 - 1, 16**7 - 1]
