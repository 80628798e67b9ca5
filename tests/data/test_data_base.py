import inspect
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
import yaml

from lightning_gen import data
from lightning_gen.data.base import split_rows
from lightning_gen.errors import InputError
from lightning_gen.records import Batch

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "data").glob("*.yaml"))
SELF_CONTAINED = (
    data.Digits(),
    data.Sprites(),
    data.GaussianMixture(count=1000),
    data.Ring(modes=5, count=1000),
    data.Grid(count=1000),
    data.MNIST(),
    data.FashionMNIST(size=32),
    data.KMNIST(),
    data.EMNIST(split="letters"),
    data.CIFAR10(size=16),
    data.CIFAR100(),
    data.SVHN(),
    data.STL10(size=64),
    data.CelebA(size=48),
)


class Mean(pl.LightningModule):
    """Learns one image; knows nothing of this package."""

    def __init__(self, shape):
        super().__init__()
        self.image = torch.nn.Parameter(torch.zeros(shape))
        self.dtypes, self.extremes = set(), []

    def training_step(self, batch, batch_idx):
        self.dtypes.add(batch.x.dtype)
        self.extremes.append((batch.x.min().item(), batch.x.max().item()))
        return (batch.x - self.image).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def quiet_trainer(**options):
    return pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, **options)


@pytest.mark.parametrize("module", SELF_CONTAINED, ids=lambda module: type(module).__name__)
def test_arguments_and_shape_are_there_before_any_file(module):
    for name in inspect.signature(type(module).__init__).parameters:
        assert name == "self" or hasattr(module, name)
    assert all(isinstance(length, int) for length in module.shape)
    assert not hasattr(module, "train_set")


def test_config_names_a_public_class_and_its_arguments():
    assert len(CONFIGS) > 10
    for path in CONFIGS:
        config = yaml.safe_load(path.read_text())["data"]
        names = inspect.signature(getattr(data, config["class_path"]).__init__).parameters
        assert set(config.get("init_args", {})) <= set(names), path
        assert path.read_text().startswith("# "), path


@pytest.mark.parametrize("options", [{"max_steps": 3}, {"fast_dev_run": True}, {"overfit_batches": 1, "max_epochs": 2}])
def test_images_reach_the_module_as_floats_between_minus_one_and_one(options):
    digits = data.Digits(size=8)
    module = Mean(digits.shape)
    quiet_trainer(**options).fit(module, datamodule=digits)
    assert module.dtypes == {torch.float32}
    assert set(module.extremes) == {(-1.0, 1.0)}


def test_scaling_is_exact_at_both_ends_and_leaves_floats_alone():
    digits = data.Digits()
    pixels = torch.arange(256, dtype=torch.uint8)
    x, labels = digits.on_after_batch_transfer(Batch(pixels, pixels.long()))
    torch.testing.assert_close(x, torch.linspace(-1, 1, 256))
    assert (x[0], x[255]) == (-1, 1)
    assert labels.dtype == torch.int64
    points = torch.randn(4, 2)
    assert digits.on_after_batch_transfer(points).x is points
    assert pixels[255] == 255


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "--data.batch_size must be at least 1, not 0"),
        ({"num_workers": -1}, "--data.num_workers must be at least 0, not -1"),
        ({"seed": -1}, "--data.seed must be at least 0, not -1"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
        ({"test_fraction": -0.1}, "set them to at least 0"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        data.Digits(**arguments)


def test_batch_larger_than_the_training_split_is_refused():
    digits = data.Digits(batch_size=2000)
    with pytest.raises(InputError, match=r"holds 1437 samples, .* lower --data.batch_size to 1437 or less"):
        digits.train_dataloader()


def test_setup_is_idempotent():
    digits = data.Digits(size=8)
    digits.setup("fit")
    before = digits.train_set
    digits.setup("test")
    assert digits.train_set is before


def test_split_rows_deals_every_row_to_one_split():
    parts = split_rows(20, 3, 4, seed=0)
    assert [len(part) for part in parts] == [13, 3, 4]
    assert sorted(torch.cat(parts).tolist()) == list(range(20))


@pytest.mark.parametrize("as_numpy", [False, True])
def test_array_dataset_reads_rows_by_index(as_numpy):
    x = torch.arange(24, dtype=torch.uint8).reshape(6, 4)
    dataset = data.ArrayDataset(x.numpy() if as_numpy else x, [0, 1, 2, 3, 4, 5], rows=torch.tensor([5, 0, 3]))
    assert len(dataset) == 3
    batch = dataset.__getitems__([2, 0])
    assert batch.x.tolist() == [[12, 13, 14, 15], [20, 21, 22, 23]]
    assert batch.labels.tolist() == [3, 5]
    assert (batch.x.dtype, batch.labels.dtype) == (torch.uint8, torch.int64)
    assert (dataset[1].x.tolist(), dataset[1].labels.item()) == ([0, 1, 2, 3], 0)
    collated = next(iter(torch.utils.data.DataLoader(dataset, batch_size=3, collate_fn=Batch.of)))
    assert collated.labels.tolist() == [5, 0, 3]
    assert (dataset[-1].x.tolist(), dataset[-1].labels.item()) == ([12, 13, 14, 15], 3)
    with pytest.raises(IndexError):
        dataset[3]


@pytest.mark.parametrize("rows", [None, torch.tensor([2, 1])])
def test_no_indices_are_an_empty_batch(rows):  # the share of a process where there are more of them than samples
    empty = data.ArrayDataset(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), [0, 1, 2], rows).__getitems__([])
    assert (empty.x.shape, empty.labels.shape) == ((0, 1, 2, 2), (0,))


def test_doubles_are_handed_out_as_float32():
    assert data.ArrayDataset(torch.zeros(3, 2, dtype=torch.float64))[0].x.dtype == torch.float32


def test_a_slice_is_a_batch_and_scaled_is_what_models_see():
    digits = data.Digits(8)
    digits.setup()
    whole = digits.test_set[:]
    assert whole.x.shape == (len(digits.test_set), 1, 8, 8)
    assert torch.equal(digits.test_set[3:7].x, torch.stack([digits.test_set[i].x for i in range(3, 7)]))
    assert torch.equal(digits.scaled(whole).x, whole.x.float() / 127.5 - 1)
