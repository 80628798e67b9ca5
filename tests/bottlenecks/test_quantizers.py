import inspect

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from lightning_gen.bottlenecks import (
    FiniteScalarQuantizer,
    GradientDescent,
    MovingAverage,
    Quantizer,
    ResidualQuantizer,
    VectorQuantizer,
)
from lightning_gen.bottlenecks.vector_quantizer import CHECK_EVERY, kept_codebooks
from lightning_gen.errors import InputError
from lightning_gen.networks import ResidualDecoder, ResidualEncoder
from lightning_gen.records import Reconstruction
from lightning_gen.regularizers import CodebookDistance, Commitment

QUANTIZERS = (
    (VectorQuantizer, {"latent_dim": 4, "codes": 16, "learning": MovingAverage(decay=0.9), "normalized": False}),
    (VectorQuantizer, {"latent_dim": 4, "codes": 16, "learning": GradientDescent(), "normalized": False}),
    (
        ResidualQuantizer,
        {"latent_dim": 4, "codes": 16, "depth": 3, "learning": MovingAverage(decay=0.9), "dropout": 0.0},
    ),
    (ResidualQuantizer, {"latent_dim": 4, "codes": 16, "depth": 3, "learning": GradientDescent(), "dropout": 0.0}),
    (FiniteScalarQuantizer, {"levels": (8, 5, 3, 2)}),
    (VectorQuantizer, {"latent_dim": 4, "codes": 16, "learning": MovingAverage(decay=0.9), "normalized": True}),
    (VectorQuantizer, {"latent_dim": 4, "codes": 16, "learning": GradientDescent(), "normalized": True}),
)
IDS = [f"{cls.__name__}-{index}" for index, (cls, _) in enumerate(QUANTIZERS)]
every_quantizer = pytest.mark.parametrize(("cls", "arguments"), QUANTIZERS, ids=IDS)
every_codebook = pytest.mark.parametrize(
    ("cls", "arguments"), [*QUANTIZERS[:4], *QUANTIZERS[5:]], ids=[*IDS[:4], *IDS[5:]]
)
normalized = pytest.mark.parametrize(("cls", "arguments"), QUANTIZERS[5:], ids=IDS[5:])


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def built(cls, arguments):
    """A quantizer that has seen one batch."""
    quantizer = cls(**arguments)
    x = torch.randn(64, 4, 3, 2, generator=source(7))
    quantizer.update_codebook(quantizer(x).detached(), source(), lambda x: x)
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
def test_a_map_is_quantized_at_each_position(cls, arguments):
    quantizer, x = built(cls, arguments), torch.randn(5, 4, 3, 2)
    place = quantizer(x[:, :, 1, 1])
    torch.testing.assert_close(quantizer(x).sample[:, :, 1, 1], place.sample)
    assert torch.equal(quantizer(x).quantizations[0].indices[:, 1, 1], place.quantizations[0].indices)


@every_quantizer
def test_a_code_lies_in_memory_as_the_features_do(cls, arguments):
    for memory_format in (torch.contiguous_format, torch.channels_last):
        quantizer, x = built(cls, arguments), torch.randn(5, 4, 3, 2).to(memory_format=memory_format)
        code = quantizer(x)
        assert code.sample.stride() == x.stride()
        assert quantizer.codes_of([each.indices for each in code.quantizations]).is_contiguous()


@every_codebook
def test_the_gradient_goes_straight_through(cls, arguments):
    quantizer, x, weight = built(cls, arguments), torch.randn(5, 4).requires_grad_(), torch.randn(5, 4)
    (quantizer(x).sample * weight).sum().backward()
    if quantizer.normalized:  # to the direction of the features, not to their norm
        (expected,) = torch.autograd.grad((x / x.norm(dim=1, keepdim=True) * weight).sum(), x)
        torch.testing.assert_close(x.grad, expected)
    else:
        assert torch.equal(x.grad, weight)
    assert all(parameter.grad is None for parameter in quantizer.parameters())


@every_quantizer
def test_in_evaluation_nothing_changes(cls, arguments):
    quantizer = built(cls, arguments).eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    code = quantizer(torch.randn(64, 4), source())
    quantizer.update_codebook(code.detached(), source(), lambda x: x)
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
                quantizer.update_codebook(quantizer(x).detached(), source(step), lambda x: x)
        assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


@every_codebook
def test_a_state_from_before_the_start_is_started_anew(cls, arguments):
    """Whatever the quantizer knew of the state that it had before."""
    ours, fresh = built(cls, arguments), cls(**arguments)
    ours.load_state_dict(fresh.state_dict())
    for quantizer in (ours, fresh):
        x = 100 + torch.randn(64, 4, generator=source(3))
        quantizer.update_codebook(quantizer(x).detached(), source(5), lambda x: x)
    assert all(torch.equal(value, ours.state_dict()[name]) for name, value in fresh.state_dict().items())
    assert ours.quantize(x).mean() > (0.4 if ours.normalized else 90)


@every_codebook
def test_features_that_are_not_finite_are_refused_before_they_spoil_the_codes(cls, arguments):
    """At once in the first batch of a run, and soon later on; until then they change no code to what is not finite."""

    def learn(quantizer, x):
        quantizer.update_codebook(quantizer(x).detached(), source(), lambda x: x)

    x = torch.randn(64, 4)
    bad = x.index_fill(0, torch.tensor(3), torch.nan)
    for quantizer in (cls(**arguments), resumed(built(cls, arguments))):
        before = {name: value.clone() for name, value in quantizer.state_dict().items()}
        with pytest.raises(InputError, match=r"no longer finite .* lower the learning rate"):
            learn(quantizer, bad)
        assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())
    quantizer = built(cls, arguments)
    with pytest.raises(InputError, match="no longer finite"):  # noqa: PT012 - which of them raises is what is asked
        for step in range(CHECK_EVERY):
            learn(quantizer, bad)
            assert all(value.isfinite().all() for value in quantizer.state_dict().values()), step


@every_codebook
def test_features_that_are_not_finite_on_one_device_stop_all(cls, arguments):
    """Else the others would wait for it for ever; here it is the other one of two that has a bad number."""
    quantizer, x = cls(**arguments), torch.randn(64, 4)
    with pytest.raises(InputError, match="no longer finite"):
        quantizer.update_codebook(quantizer(x).detached(), source(), lambda mine: mine + 1)


def resumed(quantizer):
    """The same quantizer as another process finds it."""
    other = type(quantizer)(
        **{name: getattr(quantizer, name) for name in inspect.signature(type(quantizer)).parameters}
    )
    other.load_state_dict(quantizer.state_dict())
    return other


@every_quantizer
@pytest.mark.parametrize(("dtype", "map_size"), [(torch.float32, ()), (torch.bfloat16, (3, 2))])
def test_a_code_is_its_indices(cls, arguments, dtype, map_size):
    """Written down as numbers and read again by a quantizer of the same state."""
    quantizer = built(cls, arguments).eval()
    code = quantizer((2 * torch.randn(200, 4, *map_size)).to(dtype))
    written = [each.indices.tolist() for each in code.quantizations]
    found = resumed(quantizer).codes_of([torch.tensor(each) for each in written])
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert torch.equal(found.to(dtype), code.sample)


@every_quantizer
def test_indices_decode_to_the_picture_that_the_code_did(cls, arguments):
    """To the bit, in evaluation mode, without the encoder."""
    quantizer, x = built(cls, arguments).eval(), torch.rand(6, 1, 16, 16) * 2 - 1
    encoder = ResidualEncoder((1, 16, 16), 4, width=4, downsamplings=2).eval()
    decoder = ResidualDecoder((1, 16, 16), 4, width=4, downsamplings=2).eval()
    with torch.no_grad():
        code = quantizer(20 * encoder(x))
        indices = [each.indices.clone() for each in code.quantizations]
        assert torch.equal(decoder(quantizer.codes_of(indices)), decoder(code.sample))
    assert len(indices[0].unique()) > 4


@every_quantizer
def test_indices_of_another_number_of_codebooks_are_refused(cls, arguments):
    quantizer = cls(**arguments)
    count = len(quantizer(torch.randn(3, 4)).quantizations)
    sentence = f"{cls.__name__} needs {count} tensors of indices for a code and got {count + 1}: give a list"
    with pytest.raises(InputError, match=sentence):
        quantizer.codes_of([torch.zeros(3, dtype=torch.long)] * (count + 1))


@every_quantizer
def test_there_is_no_prior(cls, arguments):
    quantizer = cls(**arguments)
    assert not quantizer.has_prior
    with pytest.raises(InputError, match=f"{cls.__name__} has no prior"):
        quantizer.sample_prior(3, source())


@pytest.mark.parametrize(("cls", "arguments"), [QUANTIZERS[index] for index in (0, 1, 4, 5, 6)])
def test_snapping_is_a_projection_onto_the_codes(cls, arguments):
    quantizer = built(cls, arguments)
    codes = quantizer(torch.randn(64, 4, 3, 2)).sample.detach()
    assert torch.equal(quantizer.quantize(codes), codes)
    nudged = codes + 1e-3 * torch.randn_like(codes)
    assert torch.equal(quantizer.quantize(nudged), codes)
    assert not quantizer.quantize(codes.clone().requires_grad_()).requires_grad


def test_snapping_finds_the_nearest_level():
    quantizer = FiniteScalarQuantizer((4, 5))
    all_codes = torch.cartesian_prod(torch.arange(-2, 2) / 2, torch.arange(-2, 3) / 2)
    drawn = 3 * torch.randn(500, 2)
    assert torch.equal(quantizer.quantize(drawn), all_codes[torch.cdist(drawn, all_codes).argmin(1)])


def test_snapping_to_residual_codes_is_quantizing():
    quantizer = built(*QUANTIZERS[2])
    x = torch.randn(10, 4)
    assert torch.equal(quantizer.quantize(x), quantizer(x).mean)


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


# normalized codes ---------------------------------------------------------------------------------------------


@normalized
def test_normalized_codes_are_those_of_the_largest_cosine(cls, arguments):
    """As in LlamaGen's quantizer: both are divided by their norms, then the nearest is taken."""
    quantizer, x = built(cls, arguments), 3 * torch.randn(50, 4)
    codes = quantizer.codebooks[0].vectors.detach()
    cosines = torch.nn.functional.cosine_similarity(x[:, None], codes[None], dim=2)
    code = quantizer(x)
    assert torch.equal(code.quantizations[0].indices, cosines.argmax(1))
    torch.testing.assert_close(code.sample, codes[cosines.argmax(1)] / codes[cosines.argmax(1)].norm(dim=1)[:, None])
    torch.testing.assert_close(quantizer(0.01 * x).sample, code.sample)


@normalized
def test_normalized_codes_have_norm_1_from_the_first_to_the_last_batch(cls, arguments):
    quantizer = cls(**arguments)
    for step in range(30):
        x = 5 * torch.randn(64, 4, generator=source(step))
        code = quantizer(x)
        torch.testing.assert_close(code.sample.norm(dim=1), torch.ones(64))
        quantizer.update_codebook(code.detached(), source(step), lambda x: x)
    assert quantizer.started


@normalized
def test_a_normalized_codebook_starts_about_as_well_as_it_can(cls, arguments):
    """Beside k-means of scikit-learn, whose means are divided by their norms."""
    quantizer, x = cls(**arguments), torch.randn(2000, 4, generator=source(2))
    directions = x / x.norm(dim=1, keepdim=True)
    quantizer.update_codebook(quantizer(x).detached(), source(), lambda x: x)
    ours = (directions - quantizer(x).sample).square().sum()
    means = torch.from_numpy(KMeans(16, n_init=3, random_state=0).fit(directions.numpy()).cluster_centers_)
    theirs = torch.cdist(directions, means / means.norm(dim=1, keepdim=True)).min(1).values.square().sum()
    assert ours < 1.1 * theirs


@normalized
def test_the_terms_of_a_codebook_compare_directions(cls, arguments):
    quantizer, x = built(cls, arguments), 7 * torch.randn(20, 4)
    code = quantizer(x)
    expected = (2 - 2 * torch.nn.functional.cosine_similarity(x, code.sample, dim=1)).mean()
    torch.testing.assert_close(Commitment()(Reconstruction(x, code, x)), expected)


def test_a_normalized_codebook_that_learns_by_gradient_learns_directions():
    quantizer, x = built(*QUANTIZERS[6]), torch.randn(20, 4)
    vectors = quantizer.codebooks[0].vectors
    (gradient,) = torch.autograd.grad(CodebookDistance()(Reconstruction(x, quantizer(x), x)), vectors)
    assert gradient.abs().max() > 1e-3
    torch.testing.assert_close((gradient * vectors).sum(1), torch.zeros(16), rtol=0, atol=1e-6)


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


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (8, 6, 5), (9, 3, 4, 7), (16,)])
def test_finite_scalars_against_the_papers_listing(levels):
    z = 2 * torch.randn(5000, len(levels), dtype=torch.double)
    code = FiniteScalarQuantizer(levels)(z)
    expected, indices = listing(z.numpy(), levels)
    np.testing.assert_allclose(code.sample.numpy(), expected)
    assert (code.quantizations[0].indices.numpy() == indices).all()


def test_of_two_levels_the_sign_decides():
    """The paper's shift is for l tanh(s) = ½, and l is 0.4995: it puts 94 of 100 normal features onto one level."""
    z = torch.randn(5000, 3, dtype=torch.double, requires_grad=True)
    code = FiniteScalarQuantizer((2, 2, 2))(z)
    assert torch.equal(code.sample, (z > 0).double() - 1)
    assert torch.equal(code.quantizations[0].indices, ((z > 0) * torch.tensor([1, 2, 4])).sum(1))
    code.sample.sum().backward()
    torch.testing.assert_close(z.grad, 0.4995 * (1 - z.detach().tanh() ** 2))


def test_features_of_zero_become_zero_or_lie_between_the_only_two_levels():
    """There the bound is far from saturated, l - o² / l steep, so that a fresh encoder can leave."""
    for levels in range(2, 18):
        z = torch.zeros(1, 1, dtype=torch.double, requires_grad=True)
        bounded = FiniteScalarQuantizer((levels,)).bound(z)
        bounded.sum().backward()
        half, offset = 0.999 * (levels - 1) / 2, 0.0 if levels % 2 else 0.5
        middle = pytest.approx(-0.5 if levels == 2 else 0.0, abs=5e-4 if levels == 4 else 1e-4)
        assert bounded.item() == middle, levels
        slope = pytest.approx(half - (offset**2 / half if levels > 2 else 0), rel=1e-3)
        assert z.grad.item() == slope, levels


@pytest.mark.parametrize("levels", [(2,), (2, 2, 3), (4, 2), (3, 5), (2, 7, 6)])
def test_there_are_as_many_codes_as_the_product_of_the_levels(levels):
    """Features reach those that there are indices for, and no others."""
    quantizer = FiniteScalarQuantizer(levels)
    reached = quantizer(3 * torch.randn(20_000, len(levels))).sample.unique(dim=0)
    assert len(reached) == quantizer.size == np.prod(levels)
    assert torch.equal(reached, quantizer.codes_of([torch.arange(quantizer.size)]).unique(dim=0))


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


# dropout of codebooks -------------------------------------------------------------------------------------------------


def dropping(dropout=0.5, depth=4):
    torch.manual_seed(3)
    quantizer = ResidualQuantizer(6, codes=16, depth=depth, dropout=dropout)
    features = torch.randn(64, 6, 5)
    quantizer.start(features, torch.Generator().manual_seed(0), lambda x: x)
    return quantizer, features


def test_a_sample_keeps_its_first_codebooks_in_training_alone():
    quantizer, features = dropping()
    whole = quantizer.quantizations(features)
    prefixes = torch.stack([sum(each.vectors for each in whole[:k]) for k in range(1, 5)])
    code = quantizer(features, torch.Generator().manual_seed(0))
    matches = torch.stack([torch.isclose(code.sample, prefix, atol=1e-6).flatten(1).all(1) for prefix in prefixes])
    assert (matches.sum(0) == 1).all(), "each sample is the sum of a number of the first codebooks"
    assert matches.any(1).all(), "and every number occurs"
    for same in (quantizer(features, None), quantizer.eval()(features, torch.Generator().manual_seed(0))):
        torch.testing.assert_close(same.sample, prefixes[-1])


def test_the_number_of_codebooks_has_the_probabilities_that_were_asked_for():
    kept = kept_codebooks(40_000, 4, 0.5, torch.Generator().manual_seed(1)).sum(0)
    found = torch.bincount(kept, minlength=5)[1:] / 40_000
    torch.testing.assert_close(found, torch.tensor([0.125, 0.125, 0.125, 0.625]), atol=0.01, rtol=0)


def test_codebooks_that_a_sample_lost_have_no_loss_from_it():
    quantizer, features = dropping(dropout=1.0)
    features.requires_grad_()
    code = quantizer(features, torch.Generator().manual_seed(5))
    counts = kept_codebooks(64, 4, 1.0, torch.Generator().manual_seed(5)).sum(0)
    for depth, each in enumerate(code.quantizations):
        distance = (each.features - each.vectors.detach()).square().flatten(1).sum(1)
        assert ((distance > 0) == (counts > depth)).all()
        if depth < 3:  # each stage that was kept reaches the encoder
            (gradient,) = torch.autograd.grad(distance.sum(), features, retain_graph=True)
            assert ((gradient.flatten(1).abs().sum(1) > 0) == (counts > depth)).all()


def test_without_dropout_no_random_number_is_drawn():
    quantizer, features = dropping(dropout=0.0)
    source = torch.Generator().manual_seed(0)
    before = source.get_state()
    quantizer(features, source)
    assert torch.equal(source.get_state(), before)


def test_a_dropout_that_is_no_probability_is_refused():
    with pytest.raises(InputError, match=r"ResidualQuantizer cannot have dropout 1\.5: give a probability"):
        ResidualQuantizer(dropout=1.5)
