"""Typos and hidden spans: how many there are, and what they leave alone."""

import pytest
import torch

from lightning_gen.alphabet import within_line
from lightning_gen.augmentations import SpanMasking, Typos
from lightning_gen.errors import InputError
from lightning_gen.media import Letters

MEDIUM = Letters(length=40)


def rows(line, count):
    return MEDIUM.to_model(MEDIUM.stored_of([line] * count))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_without_typos_nothing_changes():
    x = rows("nothing changes", 3)
    assert torch.equal(Typos(0.0)(x, seeded()), x)


def test_samples_stay_lines_of_letters():
    y = Typos(0.5)(rows("the quick brown fox jumps over the dog.", 200), seeded())
    assert torch.equal(y.sum(1), torch.ones(200, 40))
    ended = ~within_line(y.argmax(1))
    assert (y.argmax(1)[ended] == 0).all()
    assert torch.equal(y, Typos(0.5)(rows("the quick brown fox jumps over the dog.", 200), seeded()))


def test_all_four_kinds_occur_and_cost_what_they_should():
    x = rows("abcdefghij", 4000)
    found = MEDIUM.lines_of(MEDIUM.to_stored(Typos(0.1)(x, seeded())))
    lengths = torch.tensor([len(line) for line in found], dtype=torch.float)
    assert lengths.mean().item() == pytest.approx(10, abs=0.05)  # as many dropped as inserted
    assert {"bacdefghij", "bcdefghij"} <= set(found)
    (measure,) = MEDIUM.errors
    error = measure.each(x, Typos(0.1)(x, seeded())).mean().item()
    assert error == pytest.approx(0.12, abs=0.01)


def test_spans_hide_about_the_share_and_no_place_more_than_others():
    x = rows("x" * 40, 4000)
    damaged = SpanMasking(0.2, mean=3)(x, seeded()), SpanMasking(0.2, mean=3).corrupt(x, seeded())
    assert torch.equal(damaged[0], damaged[1].x)
    hidden = damaged[1].hidden[:, 0].float()
    assert hidden.mean().item() == pytest.approx(0.2, abs=0.01)
    assert hidden.mean(0).min() > 0.17
    assert hidden.mean(0).max() < 0.23
    assert (damaged[1].x.argmax(1)[hidden.bool()] == 1).all()


@pytest.mark.parametrize("part", [Typos(0.1), SpanMasking(0.1)], ids=repr)
def test_other_samples_are_refused(part):
    with pytest.raises(InputError, match="changes letters"):
        part(torch.zeros(2, 3, 8, 8), seeded())
