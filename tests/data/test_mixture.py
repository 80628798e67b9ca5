import inspect

import pytest
import torch

from lightning_gen.data import GaussianMixture, Grid, Ring
from lightning_gen.errors import InputError

MIXTURES = (
    GaussianMixture(),
    GaussianMixture([[0.0, 0.0, 0.0], [3.0, 1.0, -2.0]], scale=0.2, count=50_000),
    GaussianMixture([[1.0]], scale=2.0),
    Ring(modes=5, radius=2.0, scale=0.1),
    Grid(),
)


def name(mixture):
    return f"{type(mixture).__name__}{len(mixture.centres)}"


@pytest.mark.parametrize("mixture", MIXTURES, ids=name)
def test_each_component_has_its_mean_its_variance_and_its_share(mixture):
    mixture.setup()
    x, labels = mixture.train_set.__getitems__(list(range(mixture.count)))
    modes = len(mixture.centres)
    assert mixture.shape == (len(mixture.centres[0]),) == tuple(x.shape[1:])
    assert mixture.num_classes == modes
    assert x.dtype == torch.float32
    for label, centre in enumerate(mixture.centres):
        points = x[labels == label]
        expected = mixture.count / modes
        assert abs(len(points) - expected) <= 5 * expected**0.5
        error = mixture.scale / len(points) ** 0.5
        assert (points.mean(0) - torch.tensor(centre)).abs().max() < 5 * error
        assert (points.std(0) - mixture.scale).abs().max() < 5 * error


@pytest.mark.parametrize("mixture", MIXTURES, ids=name)
def test_label_is_the_nearest_centre_of_separate_components(mixture):
    mixture.setup()
    x, labels = mixture.test_set.__getitems__(list(range(len(mixture.test_set))))
    assert torch.equal(torch.cdist(x, torch.tensor(mixture.centres)).argmin(1), labels)


@pytest.mark.parametrize("mixture", MIXTURES, ids=name)
def test_live_arguments_rebuild_the_same_points(mixture):
    names = [name for name in inspect.signature(type(mixture).__init__).parameters if name != "self"]
    again = type(mixture)(**{name: getattr(mixture, name) for name in names})
    mixture.setup()
    again.setup()
    assert torch.equal(mixture.val_set.__getitems__([3, 1]).x, again.val_set.__getitems__([3, 1]).x)


def test_splits_are_different_draws():
    mixture = Ring(count=1000)
    mixture.setup()
    points = [part.__getitems__(list(range(100))).x for part in (mixture.train_set, mixture.val_set, mixture.test_set)]
    assert len(torch.cat(points).unique(dim=0)) == 300


def test_grid_is_that_of_the_papers():
    axis = torch.tensor([-4.0, -2.0, 0.0, 2.0, 4.0])
    assert torch.equal(torch.tensor(Grid().centres), torch.cartesian_prod(axis, axis))


def test_ring_has_equal_distances():
    centres = torch.tensor(Ring(modes=8, radius=1.0).centres)
    torch.testing.assert_close(centres.norm(dim=1), torch.ones(8))
    side = 2 * torch.sin(torch.tensor(torch.pi / 8))
    torch.testing.assert_close((centres - centres.roll(1, 0)).norm(dim=1), side.expand(8))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GaussianMixture([]), "set --data.centres to a list such as"),
        (lambda: GaussianMixture([[0.0, 1.0], [1.0]]), "equally many coordinates"),
        (lambda: GaussianMixture([[float("nan"), 1.0]]), "remove inf and nan"),
        (lambda: Ring(scale=0.0), "--data.scale must be a positive number, not 0.0"),
        (lambda: Ring(modes=0), "--data.modes must be at least 1"),
        (lambda: Grid(spacing=-1.0), "--data.spacing must be a positive number"),
        (lambda: Grid(count=5), "--data.count must be at least 10"),
    ],
)
def test_arguments_out_of_range_are_named(build, message):
    with pytest.raises(InputError, match=message):
        build()
