"""Copies of training images, on points whose neighbours are known."""

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from lightning_gen.metrics import neighbours
from lightning_gen.metrics.copies import digests

LINE = torch.tensor([[0.0], [1.0], [3.0], [10.0]])


def test_ratios_on_a_line():
    found = neighbours(torch.tensor([[0.1], [2.9], [12.0], [6.0], [25.0]]), LINE)
    assert found.rows.tolist() == [0, 2, 3, 2, 3]
    assert found.ratios.tolist() == pytest.approx([0.1, 0.05, 2 / 7, 1.5, 15 / 7])
    assert found.authenticity == pytest.approx(2 / 5)
    assert found.closest(3).tolist() == [1, 0, 2]


def test_what_equals_a_training_image_that_is_there_twice_is_a_copy():
    training = torch.tensor([[0.0], [0.0], [5.0]])
    found = neighbours(torch.tensor([[0.0], [0.5]]), training)
    assert found.ratios.tolist() == [0, torch.inf]


def test_neighbours_are_scikit_learns_and_most_new_samples_are_authentic():
    generator = torch.Generator().manual_seed(0)
    training, samples = torch.randn(700, 20, generator=generator), torch.randn(600, 20, generator=generator)
    found = neighbours(samples, training)
    search = NearestNeighbors(n_neighbors=2).fit(training.double())
    gaps, rows = search.kneighbors(samples.double(), 1)
    radii = search.kneighbors(training.double())[0][:, 1]
    assert found.rows.tolist() == rows[:, 0].tolist()
    torch.testing.assert_close(found.ratios, torch.from_numpy(gaps[:, 0] / radii[rows[:, 0]]))
    assert neighbours(training[:50], training).authenticity == 0
    assert 0.5 < found.authenticity < 0.9


def test_digests_are_equal_for_equal_images_alone():
    images = torch.randint(0, 256, (40, 3, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert digests(images.split(7)) == digests([images])
    assert len(set(digests([images]))) == 40
    changed = images.clone()
    changed[:, 0, 0, 0] ^= 1
    assert not set(digests([images])) & set(digests([changed]))


def test_one_copy_among_many_training_images_is_found():
    """No training image is left out, as where they are thinned to 10,000."""
    training = torch.randn(10_400, 4, generator=torch.Generator().manual_seed(0))
    found = neighbours(torch.cat([training[10_300:10_301], torch.full((1, 4), 9.0)]), training)
    assert found.rows[0] == 10_300
    assert found.ratios[0] == 0
    assert found.authenticity == 0.5
