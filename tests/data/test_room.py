"""Data that would not fit into memory are refused before they are made, with the options that make them smaller."""

import pytest

from lightning_gen.data import Digits, Grid, Ring, Sprites, StackedDigits
from lightning_gen.errors import InputError


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: Sprites(positions=10**12),
            "set smaller --data.size, --data.scales, --data.orientations and --data.pos",
        ),
        (lambda: Sprites(size=10**6), "15,552 images of 1000000 x 1000000 pixels would take"),
        (lambda: Ring(modes=10**12), "a ring of 1,000,000,000,000 Gaussians would take"),
        (lambda: Grid(side=10**6), "set a smaller --data.side"),
        (lambda: Ring(count=10**12), "1,000,000,000,000 points would take 24,000 GB"),
        (lambda: StackedDigits(count=10**12), "1,000,000,000,000 stacks would take"),
    ],
)
def test_data_that_do_not_fit_into_memory_are_refused(make, expected):
    with pytest.raises(InputError) as refused:
        make()
    assert expected in str(refused.value)


def test_fractions_that_are_not_numbers_are_refused():
    with pytest.raises(InputError, match=r"--data\.val_fraction nan and --data\.test_fraction 0\.1 leave nothing"):
        Digits(val_fraction=float("nan"))


def test_a_split_without_samples_has_a_remedy_that_works():
    data = Digits(size=8)
    data.setup()
    data.train_set = data.train_set.__class__(data.train_set.x[:0])
    with pytest.raises(InputError, match=r"^no sample is left for the training split: lower --data\.val_fraction and"):
        data.setup("fit")
