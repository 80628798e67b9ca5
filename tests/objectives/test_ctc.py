"""The likelihood of letters without places, beside all fillings of the slots by hand."""

from itertools import groupby, product

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.media import Letters
from lightning_gen.objectives import CTCLikelihood, HiddenPart
from lightning_gen.records import Code, Reconstruction

MEDIUM = Letters("ab", 3)


def said(slots):
    """The line of a filling: equal neighbours are one, and 0 is none."""
    return tuple(letter for letter, _ in groupby(slots) if letter)


@pytest.fixture
def output():
    return torch.randn(1, 8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def by_line(output):
    """The probability of each line, by all 4^6 fillings of six slots."""
    logits = torch.stack([output[0, 4 * (slot % 2) : 4 * (slot % 2) + 4, slot // 2] for slot in range(6)])
    probabilities = logits.softmax(1).tolist()
    found = {}
    for slots in product(range(4), repeat=6):
        p = 1.0
        for slot, letter in enumerate(slots):
            p *= probabilities[slot][letter]
        found[said(slots)] = found.get(said(slots), 0) + p
    return found


def test_it_is_the_sum_over_all_fillings(output, by_line):
    assert sum(by_line.values()) == pytest.approx(1)
    for line in ("", "a", "bb", "abb", "aba"):
        x = MEDIUM.to_model(MEDIUM.stored_of([line]), torch.float64)
        key = tuple(MEDIUM.stored_of([line])[0].tolist()[: len(line)])
        assert CTCLikelihood().log_prob(output, x).exp().item() == pytest.approx(by_line[key], rel=1e-6)


def test_lines_are_drawn_as_often_as_they_are_likely(output, by_line):
    many = output.float().expand(20_000, -1, -1)
    drawn = MEDIUM.to_stored(CTCLikelihood().sample(many, torch.Generator().manual_seed(0)))
    for line in ("", "a", "ab", "bab"):
        stored = MEDIUM.stored_of([line])[0]
        key = tuple(stored.tolist()[: len(line)])
        share = (drawn == stored).all(1).double().mean().item()
        if len(line) == 3:  # longer lines lose their last letters
            key, p = key, sum(p for each, p in by_line.items() if each[:3] == key)
        else:
            p = by_line[key]
        assert share == pytest.approx(p, abs=0.01)


def test_the_mean_is_the_line_of_the_likeliest_filling():
    slots = torch.tensor([[2, 2, 0, 2, 3, 0], [0, 0, 0, 0, 0, 0], [2, 3, 2, 3, 2, 3]])
    logits = 9 * torch.nn.functional.one_hot(slots, 4).float()  # (n, slots, letters)
    output = logits.view(3, 3, 2, 4).permute(0, 2, 3, 1).flatten(1, 2)
    mean = CTCLikelihood().mean(output)
    assert MEDIUM.lines_of(MEDIUM.to_stored(mean)) == ["aab", "", "aba"]
    torch.testing.assert_close(mean.sum(1), torch.ones(3, 3))


def test_a_letter_too_many_moves_no_other_one():
    x = MEDIUM.to_model(MEDIUM.stored_of(["ba"]))
    filling = torch.tensor([0, 3, 0, 0, 2, 0])
    output = (20 * torch.nn.functional.one_hot(filling, 4).float()).view(1, 3, 2, 4).permute(0, 2, 3, 1).flatten(1, 2)
    assert CTCLikelihood().log_prob(output, x).item() == pytest.approx(0, abs=1e-4)


def test_what_it_cannot_be_used_for_is_a_sentence(output):
    with pytest.raises(InputError, match="cannot have slots 1: give a number of at least 2"):
        CTCLikelihood(slots=1)
    x = MEDIUM.to_model(MEDIUM.stored_of(["ab"]))
    record = Reconstruction(x, Code(x, x), output.float(), hidden=torch.ones(1, 1, 3, dtype=torch.bool))
    with pytest.raises(InputError, match="the places of a sample depend on each other in CTCLikelihood"):
        HiddenPart(CTCLikelihood())(record)
