import inspect
import math

import numpy as np
import pytest
import torch

from lightning_gen.bottlenecks import (
    FiniteScalarQuantizer,
    GradientDescent,
    IdentityBottleneck,
    ResidualQuantizer,
    VectorQuantizer,
)
from lightning_gen.errors import InputError
from lightning_gen.records import Reconstruction
from lightning_gen.regularizers import CodebookDistance, CodebookEntropy, Commitment

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


# the entropy of the choices ------------------------------------------------------------------------------------------


def entropy_by_hand(features, codes, temperature):
    """One position after another, in numpy and float64."""
    chosen = []
    for feature in features:
        logits = np.array([-((feature - code) ** 2).sum() / temperature for code in codes])
        likelihoods = np.exp(logits - logits.max())
        chosen.append(likelihoods / likelihoods.sum())

    def entropy(p):
        return -sum(each * math.log(each) for each in p if each > 0)

    return sum(map(entropy, chosen)) / len(chosen) - entropy(np.mean(chosen, axis=0))


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_the_entropy_by_hand(normalized, temperature):
    quantizer, x = VectorQuantizer(4, 8, GradientDescent(), normalized), torch.randn(5, 4, 3, 2)
    torch.nn.init.normal_(quantizer.codebooks[0].vectors)
    features, codes = x.movedim(1, -1).reshape(30, 4), quantizer.codebooks[0].vectors.detach()
    if normalized:
        features, codes = (each / each.norm(dim=1, keepdim=True) for each in (features, codes))
    expected = entropy_by_hand(features.double().numpy(), codes.double().numpy(), temperature)
    value = CodebookEntropy(temperature=temperature)(record(quantizer(x)))
    torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.float32), rtol=1e-4, atol=1e-5)


def test_the_entropy_is_least_where_each_code_is_taken_equally_often_and_surely():
    quantizer = VectorQuantizer(4, 8, GradientDescent())
    torch.nn.init.normal_(quantizer.codebooks[0].vectors)
    codes = quantizer.codebooks[0].vectors.detach()
    term = CodebookEntropy(temperature=1e-3)
    assert term(record(quantizer(codes))).item() == pytest.approx(-math.log(8), abs=1e-4)
    assert term(record(quantizer(codes[:1].expand(8, 4)))).item() == pytest.approx(0, abs=1e-4)
    assert CodebookEntropy(temperature=1e6)(record(quantizer(codes))).item() == pytest.approx(0, abs=1e-4)


def test_the_entropy_moves_encoder_and_codes_and_stays_finite_where_a_code_is_out_of_reach():
    quantizer, x = VectorQuantizer(4, 8, GradientDescent()), torch.randn(5, 4).requires_grad_()
    vectors = torch.nn.init.normal_(quantizer.codebooks[0].vectors)
    with torch.no_grad():
        vectors[0] += 1000
    gradients = torch.autograd.grad(CodebookEntropy(temperature=0.3)(record(quantizer(x))), (x, vectors))
    assert all(each.isfinite().all() and each.abs().max() > 1e-4 for each in gradients)


def test_the_entropies_of_several_codebooks_are_summed():
    quantizer, x = trained(2), torch.randn(6, 4)
    found = quantizer(x).quantizations
    parts = [
        entropy_by_hand(each.features.detach().double().numpy(), each.codes.detach().double().numpy(), 0.5)
        for each in found
    ]
    assert CodebookEntropy(temperature=0.5)(record(quantizer(x))).item() == pytest.approx(sum(parts), rel=1e-4)


def test_a_code_by_rounding_has_no_entropy_to_train():
    code = FiniteScalarQuantizer((3, 3))(torch.randn(5, 2))
    with pytest.raises(InputError, match="needs a codebook that lists its codes, not one of 9 codes by rounding"):
        CodebookEntropy()(record(code))
    with pytest.raises(InputError, match="CodebookEntropy needs a code from a codebook"):
        CodebookEntropy()(record(IdentityBottleneck(3)(torch.zeros(2, 3))))


def test_arguments_of_the_entropy_are_attributes():
    values = {"weight": 0.3, "temperature": 0.5}
    assert set(inspect.signature(CodebookEntropy).parameters) == set(values)
    assert {name: getattr(CodebookEntropy(**values), name) for name in values} == values
