"""The likelihood of letters, beside torch's cross-entropy."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from lightning_gen.media import Letters
from lightning_gen.objectives import CategoricalLikelihood


@pytest.fixture
def letters():
    return Letters("abc", 6).stored_of(["ab", "", "cabcab"])


def test_places_up_to_the_first_end_count(letters):
    x, likelihood = Letters("abc", 6).to_model(letters), CategoricalLikelihood()
    logits = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = [
        -cross_entropy(logits[i, :, :n].T, letters[i, :n].long(), reduction="sum") for i, n in ((0, 3), (1, 1), (2, 6))
    ]
    torch.testing.assert_close(likelihood.log_prob(logits, x), torch.stack(expected))
    assert likelihood.log_probs(logits, x).shape == (3, 1, 6)
    assert likelihood.dimensions(x).tolist() == [3, 1, 6]
    changed = logits.clone()
    changed[0, :, 3:] += torch.randn(5, 3)
    assert torch.equal(likelihood.log_prob(changed, x), likelihood.log_prob(logits, x))


def test_equal_logits_cost_the_logarithm_of_the_letters():
    x = Letters("abc", 6).to_model(Letters("abc", 6).stored_of(["abca"]))
    nats = -CategoricalLikelihood().log_prob(torch.zeros(1, 5, 6), x)
    bits = CategoricalLikelihood().bits_per_dim(nats, (5, 6), None, 5.0)
    assert bits.item() == pytest.approx(torch.tensor(5.0).log2().item())


def test_letters_are_drawn_as_often_as_they_are_likely():
    logits = torch.tensor([0.1, 0.2, 0.7]).log().view(1, 3, 1).repeat(20_000, 1, 1)
    drawn = CategoricalLikelihood().sample(logits, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.sum(1), torch.ones(20_000, 1))
    torch.testing.assert_close(drawn.mean((0, 2)), torch.tensor([0.1, 0.2, 0.7]), atol=0.015, rtol=0)
