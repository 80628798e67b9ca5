"""The base of data sets: three splits, read in whole batches.

Images are uint8 until they are on the device, which takes a quarter of the memory and of the transfer of float32.
"""

import os
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.utilities.data import sized_len
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightning_gen import checkpoint as checkpoints
from lightning_gen import private
from lightning_gen.checkpoint import Described
from lightning_gen.data.known import KnownFactors, Mixture
from lightning_gen.data.loader import Loader, Samples, check_divisible, seeded, stream
from lightning_gen.data.mapped import Mapped
from lightning_gen.data.stored import found, harmless
from lightning_gen.errors import InputError
from lightning_gen.media import Medium, medium_of
from lightning_gen.records import Batch, Shape


class Splits(NamedTuple):
    """The three parts of a data set."""

    train: Samples
    val: Samples
    test: Samples


class BatchedDataset(Dataset[Batch], ABC):
    """Samples that are read a batch at a time; an index or a slice gives a batch too."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitems__(self, indices: list[int]) -> Batch: ...

    def __getitem__(self, index: int | slice) -> Batch:
        if isinstance(index, slice):
            return self.__getitems__(list(range(*index.indices(len(self)))))
        return self.__getitems__([range(len(self))[index]]).map(
            lambda each: each[0]
        )  # range: negative indices count from the end


class ArrayDataset(BatchedDataset):
    """Samples in one array, read by one indexing operation a batch.

    Attributes:
        x: All samples, ``(n, *shape)``: integers, or floats, whose batches are float32. A memory-mapped array is read
            batch by batch.
        labels: Class indices ``(n,)``, or None.
        rows: The rows of `x` that belong to this dataset, in their order, ``(m,)``; None: all of them.
    """

    def __init__(
        self, x: Tensor | np.ndarray, labels: Tensor | np.ndarray | None = None, rows: Tensor | None = None
    ) -> None:
        self.x = x
        self.labels = None if labels is None else torch.as_tensor(labels, dtype=torch.int64)
        self.rows = rows
        self._mapped = Mapped.of(x)

    def __getstate__(self) -> dict[str, Any]:
        """Send a mapped array to a worker process as a position in the file, because pickling would copy all of it."""
        place = Mapped.of(self.x)
        same = place is not None and place == self._mapped  # the file may have been replaced
        return {**vars(self), "x": place if same else self.x}

    def __setstate__(self, state: dict[str, Any]) -> None:
        x = state["x"]
        vars(self).update(state, x=x.open() if isinstance(x, Mapped) else x)

    def __len__(self) -> int:
        return len(self.x) if self.rows is None else len(self.rows)

    def __getitems__(self, indices: list[int]) -> Batch:
        # numpy converts a list five times as fast as torch; index_select copies whole images, x[rows] single bytes
        rows = torch.from_numpy(np.asarray(indices, dtype=np.int64))
        rows = rows if self.rows is None else self.rows.index_select(0, rows)
        x = self.x.index_select(0, rows) if isinstance(self.x, Tensor) else torch.from_numpy(self.x[rows.numpy()])
        x = x.float() if x.is_floating_point() else x
        return Batch(x, None if self.labels is None else self.labels.index_select(0, rows))


class DataModule(Described, pl.LightningDataModule, ABC):
    """Small to medium data with a training, a validation and a test split.

    The constructor of a subclass sets `shape` and `num_classes`, so that networks can be built before any file is read.
    ``prepare_data`` downloads files, if there are any, and :meth:`splits` makes the splits.

    Attributes:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        num_classes: Number of classes, or None where the data has no labels.
        classes: Names of the classes in the order of their indices, or None.
        medium: What a sample is; a subclass may set another one than that of its shape, see `medium_of`.
        singles: The data whose samples are stacked, or None.
        target_shape: Shape of the target of one sample, see `Batch`; None where the data has no targets.
        paired: Whether a target belongs to its sample. Else it is any sample of another domain.
        batch_size: Samples per optimizer step **over all devices**: every device gets `batch_size` / devices rows
            of the same global batch, so the number of devices does not change which samples a step sees. A module
            that trains each of its networks on samples of its own gets several such batches as one.
        seed: Seed of the splits and of the order of the training samples, and of nothing else; at least 0.
        num_workers: Processes that load batches; 0 loads them in the main process, which is fastest for arrays.
        mirror: Whether each image of the training split is flipped horizontally with probability 1/2, by a new coin in
            every epoch. Only the batches of training are: validation, test and the references of metrics are not.
        train_set: The training split, after ``setup``.
        val_set: The validation split, after ``setup``.
        test_set: The test split, after ``setup``.

    Raises:
        InputError: `batch_size`, `seed` or `num_workers` is out of range. In ``setup``: what is to be mirrored are no
            images, or has no length.
    """

    train_set: Samples
    val_set: Samples
    test_set: Samples
    classes: tuple[str, ...] | None = None
    singles: "DataModule | None" = None
    target_shape: Shape | None = None
    paired: bool = True

    def __init__(
        self,
        *,
        shape: Shape,
        num_classes: int | None,
        batch_size: int = 64,
        seed: int = 0,
        num_workers: int = 0,
        mirror: bool = False,
    ) -> None:
        super().__init__()
        at_least(1, "batch_size", batch_size)
        at_least(0, "seed", seed)
        at_least(0, "num_workers", num_workers)
        self.shape = shape
        self.num_classes = num_classes
        self.batch_size = batch_size
        self.seed = seed
        self.num_workers = num_workers
        self.mirror = mirror
        self._medium: Medium | None = None
        self._train_loader: Loader | None = None
        self._position: dict[str, int] | None = None

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | os.PathLike[str], **given: Any
    ) -> "DataModule":
        """Build the data that a checkpoint names. It downloads nothing and ignores the checkpoint's ``cache_dir``.

        Args:
            checkpoint_path: The file, or the run's folder; it is read as plain data, and code in it is refused.
            given: Constructor arguments that replace those in the checkpoint.

        Raises:
            InputError: The file is not a complete checkpoint, or names data of another class.
        """
        path = checkpoints.located(checkpoint_path)
        described = checkpoints.read(path).get("datamodule_hyper_parameters")
        if not described or "_class_path" not in described:
            raise InputError(f"{path} does not say what data it was trained on: build the data in Python")
        return checkpoints.rebuild(cls, found(harmless(described), path), str(path), **given)

    @property
    def known_factors(self) -> KnownFactors | None:
        """The factors of variation of the samples; None where they are unknown."""
        return None

    @property
    def mixture(self) -> Mixture | None:
        """The mixture of Gaussians that the samples follow; None for other data."""
        return None

    @property
    def medium(self) -> Medium:
        """What a sample is: by its shape images or points, unless a subclass sets or overrides it.

        Raises:
            InputError: It is not set, and the shape is neither that of an image nor that of a point.
        """
        return self._medium or medium_of(self.shape)

    @medium.setter
    def medium(self, medium: Medium | None) -> None:
        """Set it; None for the one that the shape implies."""
        self._medium = medium

    @abstractmethod
    def splits(self) -> Splits:
        """Read or make the data and split it. It must use generators of its own, not the global random state.

        A split may be an ``IterableDataset`` of single samples ``x`` or ``(x, label)``, without a length and even
        without an end; on several devices, and with workers, each process then reads a stream of its own.
        """

    def setup(self, stage: str | None = None) -> None:
        """Make the three splits; a second call does nothing.

        Args:
            stage: "fit" also checks that batches can be made, before the Trainer writes anything. All three splits are
                made for every stage.

        Raises:
            InputError: The training split is smaller than a batch, or the batch cannot be divided over the devices.
        """
        if not hasattr(self, "train_set"):
            self.train_set, self.val_set, self.test_set = self.splits()
        if stage == "fit":
            self._check_batches()

    def _check_batches(self) -> None:
        known = sized_len(self.train_set)
        if known == 0:
            raise InputError(
                "no sample is left for the training split: lower --data.val_fraction and --data.test_fraction, or give "
                "more data"
            )
        if self.mirror and (known is None or self.medium.dimensions != 2):
            what = "data without a length" if known is None else self.medium.noun
            raise InputError(f"--data.mirror flips images of data with a length, not {what}: leave it out")
        batches = self._batches_at_once
        if known is not None and known < self.batch_size * batches:
            several = "" if batches == 1 else f"{batches} times "
            raise InputError(
                f"the training split holds {known} samples, fewer than {several}--data.batch_size {self.batch_size}: "
                f"lower --data.batch_size to {known // batches} or less"
            )
        self._loader(self.train_set)  # raises InputError if the batch cannot be divided over the devices

    def contents(self) -> list[str]:
        """Lines about the data that are printed at the start of a run, in addition to its size; after ``setup``."""
        return []

    def sample_names(self, split: str) -> list[str]:
        """A name for each sample of a split, ``train``, ``val`` or ``test``, in its order: ``test/000012``; after
        ``setup``.

        Raises:
            InputError: The split has no length.
        """
        known = sized_len(getattr(self, f"{split}_set"))
        if known is None:
            raise InputError(f"the {split} split of {type(self).__name__} has no length: name files instead")
        return [f"{split}/{index:06d}" for index in range(known)]

    def train_dataloader(self) -> Loader | DataLoader[Any]:
        """Batches of the training split, in a new order every epoch, without the incomplete last one.

        A split without a length is read in its own order, and from its start when a run is resumed.

        Raises:
            InputError: The split is smaller than a batch, or the batch cannot be divided over the devices.
        """
        self.setup()
        self._check_batches()
        batches = self._batches_at_once
        if self.trainer is None:
            return self._loader(
                self.in_training(self.train_set), batches, shuffle=True, drop_last=True, mirror=self.flips
            )
        # overfit_batches needs the same batches in every epoch.
        overfit = self.trainer.overfit_batches > 0  # type: ignore[attr-defined]
        epoch, limit = self.trainer.current_epoch, self.trainer.limit_train_batches
        loader = self._loader(
            self.train_set if overfit else self.in_training(self.train_set),
            batches,
            shuffle=not overfit,
            drop_last=True,
            epoch=epoch,
            limit=limit,
            mirror=self.flips and not overfit,
        )
        if not isinstance(loader, Loader):
            return loader
        if self._position is not None:
            loader.load_state_dict(self._position)
            self._position = None
        self._train_loader = loader
        loader.prefetched = self._prefetched
        return loader

    @property
    def _batches_at_once(self) -> int:
        """Batches that a training step reads as one."""
        module = None if self.trainer is None else self.trainer.lightning_module
        return getattr(module, "batches_at_once", 1)

    def _prefetched(self) -> int:
        """Batches that the Trainer has fetched and not used: one, where a checkpoint is written before a batch."""
        return 0 if self.trainer is None else private.prefetched_batches(self.trainer)

    def state_dict(self) -> dict[str, Any]:
        """The position of the training in the data; part of every checkpoint.

        The Trainer saves the state of the loader too, but does not restore it in a run that was stopped in the middle
        of an epoch, because it counts that epoch as finished.
        """
        return {} if self._train_loader is None else {"position": self._train_loader.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume at the position of the checkpoint."""
        self._position = state_dict.get("position")

    def val_dataloader(self) -> Loader | DataLoader[Any]:
        """Batches of the validation split, in order and complete."""
        self.setup()
        return self._loader(self.val_set)

    def test_dataloader(self) -> Loader | DataLoader[Any]:
        """Batches of the test split, in order and complete."""
        self.setup()
        return self._loader(self.test_set)

    def predict_dataloader(self) -> Loader | DataLoader[Any]:
        """Batches of the test split, in order and complete."""
        return self.test_dataloader()

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int = 0) -> Any:
        """Move a batch to the device asynchronously."""
        if not isinstance(batch, Batch):
            return super().transfer_batch_to_device(batch, device, dataloader_idx)
        return batch.to(device, non_blocking=True)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int = 0) -> Batch:
        """Convert stored values to model values on the device: uint8 images to float32 in [-1, 1]; floats stay."""
        return self.scaled(batch)

    def scaled(self, batch: Any) -> Batch:
        """A batch in model values, images as float32 in [-1, 1]; ``scaled(data.test_set[:])`` gives a whole split."""
        return Batch.of(batch, to_model=self.medium.to_model)

    @property
    def flips(self) -> bool:
        """Whether samples are flipped after they were read; False where `in_training` has mirror images itself."""
        return self.mirror

    def in_training(self, samples: Samples) -> Samples:
        """The training split as training reads it: with an attribute `views` if views of it are drawn, see `Views`."""
        return samples

    def _loader(
        self,
        dataset: Samples,
        batches: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        epoch: int = 0,
        limit: int | float = 1.0,
        mirror: bool = False,
    ) -> Loader | DataLoader[Any]:
        world_size = 1 if self.trainer is None else self.trainer.world_size
        check_divisible(self.batch_size, world_size)
        if sized_len(dataset) is None:
            return stream(
                dataset,
                self.batch_size * batches,
                drop_last=drop_last,
                seed=self.seed,
                num_workers=self.num_workers,
                world_size=world_size,
            )
        return Loader(
            dataset,
            self.batch_size * batches,
            shuffle=shuffle,
            drop_last=drop_last,
            seed=self.seed,
            num_workers=self.num_workers,
            rank=self.trainer.global_rank if self.trainer is not None else 0,
            world_size=world_size,
            epoch=epoch,
            limit=limit,
            mirror=mirror,
        )


def at_least(minimum: int, name: str, value: int) -> None:
    """Check the value of the option ``--data.<name>``.

    Raises:
        InputError: It is below `minimum`.
    """
    if value < minimum:
        raise InputError(f"--data.{name} must be at least {minimum}, not {value}")


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Check the fractions of a data set for validation and test.

    Raises:
        InputError: One is negative, or nothing remains to train on.
    """
    if not (min(val_fraction, test_fraction) >= 0 and val_fraction + test_fraction < 1):  # also for nan
        raise InputError(
            f"--data.val_fraction {val_fraction} and --data.test_fraction {test_fraction} leave nothing to train on: "
            "set them to at least 0 and to less than 1 together"
        )


def split_rows(count: int, val: int, test: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split the rows of an array at random.

    Args:
        count: Number of rows.
        val: Rows for validation; `val` + `test` is less than `count`.
        test: Rows for test.
        seed: Seed of the permutation, at least 0.

    Returns:
        The rows of the training, validation and test split, int64, each in random order, so that the first few rows
        are of all classes even if the data set is sorted by class.
    """
    train_rows, val_rows, test_rows = torch.randperm(count, generator=seeded(seed)).split(
        [count - val - test, val, test]
    )
    return train_rows, val_rows, test_rows
