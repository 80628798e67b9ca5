import pytest
import torch

from lightning_gen.bottlenecks import GradientDescent, IdentityBottleneck, ResidualQuantizer, VectorQuantizer
from lightning_gen.errors import InputError
from lightning_gen.records import Reconstruction
from lightning_gen.regularizers import CodebookDistance, Commitment

TERMS = (Commitment, CodebookDistance)
every_term = pytest.mark.parametrize("cls", TERMS)


def record(code):
    x = torch.zeros(len(code.sample), 1)
    return Reconstruction(x, code, x)


def trained(depth=1):
    return ResidualQuantizer(4, 8, GradientDescent(), depth)


@every_term
def test_closed_form(cls):
    """Mean over the batch and the places of the sum over the dimensions of ||z - e||²."""
    quantizer, x = trained(), torch.randn(5, 4, 3, 2)
    flat = x.movedim(1, -1).reshape(30, 4)
    expected = torch.cdist(flat, quantizer.codebooks[0].vectors).min(1).values.square().mean()
    torch.testing.assert_close(cls()(record(quantizer(x))), expected)


@every_term
def test_the_weight_does_not_depend_on_the_batch_or_the_map(cls):
    """Summed over the batch and added to a mean, it would be 128 times as heavy with 128 samples."""
    quantizer, x = trained(2), torch.randn(3, 4, 2, 2)
    value = cls()(record(quantizer(x)))
    torch.testing.assert_close(cls()(record(quantizer(x.repeat(128, 1, 1, 1)))), value)
    torch.testing.assert_close(cls()(record(quantizer(x.repeat(1, 1, 4, 4)))), value)


@every_term
def test_codebooks_are_summed(cls):
    quantizer, x = trained(3), torch.randn(6, 4)
    found = quantizer(x).quantizations
    expected = sum((each.features - each.vectors).square().sum(1).mean() for each in found)
    torch.testing.assert_close(cls()(record(quantizer(x))), expected)


def test_beta_moves_the_encoder_and_leaves_the_codebook_alone():
    """Equation 3: ||sg[z] - e||² + beta ||z - sg[e]||², with beta on the second."""
    quantizer, x = trained(), torch.randn(5, 4).requires_grad_()
    code = quantizer(x)
    assert Commitment().weight == 0.25
    assert CodebookDistance().weight == 1.0
    vectors = quantizer.codebooks[0].vectors
    to_encoder, to_codes = torch.autograd.grad(Commitment()(record(code)), (x, vectors), allow_unused=True)
    torch.testing.assert_close(to_encoder, 2 * (x - code.sample).detach() / 5)
    assert to_codes is None
    to_encoder, to_codes = torch.autograd.grad(
        CodebookDistance()(record(quantizer(x))), (x, vectors), allow_unused=True
    )
    assert to_encoder is None
    expected = torch.zeros(8, 4).index_add(0, code.quantizations[0].indices, 2 * (code.sample - x).detach() / 5)
    torch.testing.assert_close(to_codes, expected)


@every_term
def test_terms_are_unweighted(cls):
    code = trained()(torch.randn(5, 4))
    assert torch.equal(cls(weight=7.0)(record(code)), cls()(record(code)))


@every_term
def test_a_code_without_codebook_is_refused(cls):
    with pytest.raises(InputError, match=f"{cls.__name__} needs a code from a codebook: use VectorQuantizer"):
        cls()(record(IdentityBottleneck(3)(torch.zeros(2, 3))))


def test_a_codebook_without_gradient_is_refused_where_one_is_asked_for():
    code = VectorQuantizer(4, 8)(torch.randn(5, 4))
    with pytest.raises(InputError, match=r"these have none: leave the term out, or let .* learn by GradientDescent"):
        CodebookDistance()(record(code))


def test_without_gradients_the_distance_is_only_measured():
    with torch.no_grad():
        code = trained()(torch.randn(5, 4))
        assert torch.equal(CodebookDistance()(record(code)), Commitment()(record(code)))
