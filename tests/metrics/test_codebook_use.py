"""Use of a codebook against values worked out by hand."""

import math

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.metrics import codebook_use
from lightning_gen.records import Quantization


def chosen(indices, size):
    features = torch.zeros(len(indices), 2)
    return Quantization(features, features, torch.as_tensor(indices), size)


def test_codes_used_equally_often_are_all_used_and_as_many_as_the_perplexity():
    found = codebook_use([(chosen(torch.arange(64), 64),)])
    assert found.used_percent == 100
    assert found.perplexity == pytest.approx(64)
    assert found.measurements()[1].meaning.endswith("at most 64, higher is better")


def test_perplexity_is_the_exponential_of_the_entropy():
    found = codebook_use([(chosen([0, 0, 0, 2], 8),)])
    assert found.used_percent == 25
    assert found.perplexity == pytest.approx(math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4)))
    assert codebook_use([(chosen([5, 5], 8),)]).perplexity == 1


@pytest.mark.parametrize("size", [1, 7, 512])
def test_a_batch_of_another_size_gives_the_same(size):
    indices = (torch.rand(600, generator=torch.Generator().manual_seed(0)) ** 2 * 512).long().view(150, 2, 2)
    whole = codebook_use([(chosen(indices, 512),)])
    assert codebook_use((chosen(part, 512),) for part in indices.split(size)) == whole
    assert whole.indices == 600
    counts = torch.bincount(indices.flatten()).double()
    entropy = torch.distributions.Categorical(counts / counts.sum()).entropy()
    assert whole.perplexity == pytest.approx(entropy.exp().item())


def test_of_several_codebooks_it_is_the_mean():
    found = codebook_use([(chosen([0, 1], 2), chosen([0, 0], 4))])
    assert (found.used_percent, found.perplexity) == (pytest.approx(62.5), pytest.approx(1.5))
    assert found.sizes == (2, 4)
    assert "mean over codebooks" in found.protocol["perplexity"]


@pytest.mark.parametrize("batches", [[], [()]], ids=("no batch", "no codebook"))
def test_without_codes_there_is_nothing_to_count(batches):
    with pytest.raises(InputError, match="no codebook was used"):
        codebook_use(batches)
