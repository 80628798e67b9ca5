"""A loader of whole batches in a reproducible order, which can resume in the middle of an epoch.

The order of the samples is defined for the global batch: the permutation of an epoch depends on the seed and the
epoch alone, step k trains on its k-th slice, and each process reads its part of that slice. So neither the number of
devices nor an interruption changes which samples a step sees.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from lightning_gen import private
from lightning_gen.data.mirrored import Mirrored
from lightning_gen.data.readable import Samples
from lightning_gen.data.views import Views
from lightning_gen.data.workers import check_number, check_room
from lightning_gen.errors import InputError
from lightning_gen.records import Batch
from lightning_gen.signals import leave_to_parent

VIEW, PARTNER = 1, 2
"""What the keys of the views and of the partners have beside that of the order."""


def seeded(*key: int) -> torch.Generator:
    """A generator that depends on `key` alone and is independent of that of any other key.

    Args:
        key: Integers >= 0.
    """
    # The length comes first because SeedSequence treats (1,) and (1, 0) as equal.
    state = np.random.SeedSequence((len(key), *key)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


class GlobalBatches(Sampler[list[int]]):
    """Slices the order of an epoch into global batches and yields the part of one process.

    Process r of w reads samples r, r + w, r + 2w ... of a batch. All processes read the same number of batches, and no
    sample is padded or repeated: a last incomplete batch with fewer samples than processes is appended to the batch
    before it. (Only if the whole split is smaller than the number of processes, some part is empty.)

    Attributes:
        count: Number of samples.
        batch_size: Samples per global batch.
        shuffle: Whether every epoch has its own permutation; otherwise samples are in order.
        drop_last: Whether to leave out a last incomplete batch.
        seed: Seed of the permutations, at least 0.
        rank: This process, from 0.
        world_size: Number of processes.
        views: The views of each sample, of which one is drawn for each sample and epoch; see `Views`.
        epoch: The epoch that the next iteration belongs to, from 0.
        start: First global batch of the next iteration.
        stop: Largest number of global batches in an epoch.

    Raises:
        InputError: `batch_size` is no multiple of `world_size`.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        shuffle: bool,
        drop_last: bool,
        seed: int,
        rank: int,
        world_size: int,
        views: Views = Views(),  # noqa: B008 -- it cannot change
    ) -> None:
        check_divisible(batch_size, world_size)
        self.count = count
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.views = views
        self.epoch = 0
        self.start = 0
        self.stop = len(self)

    def order(self) -> Tensor:
        """The order of the samples in the epoch, int64 ``(count,)``."""
        order = torch.arange(self.count)
        if self.shuffle:
            order = torch.randperm(self.count, generator=seeded(self.seed, self.epoch))
        return order

    def drawn(self, order: Tensor) -> Tensor:
        """The view of each sample of an order, int64; it depends on the seed, the epoch and its number alone."""
        if self.views.count == 1:
            return torch.zeros_like(order)
        return torch.randint(self.views.count, (self.count,), generator=seeded(self.seed, self.epoch, VIEW))[order]

    def partners(self) -> Tensor:
        """The partner of each place in the order of the epoch, int64 ``(count,)``.

        The places of all epochs are one endless sequence, whose place p has the (p mod n)-th partner in the order of
        round p // n.
        """
        n = self.views.partners
        if n == 1:
            return torch.zeros(self.count, dtype=torch.int64)
        batches = min(self.stop, len(self))
        first = self.epoch * (batches * self.batch_size if self.drop_last or batches < len(self) else self.count)
        rounds = range(first // n, (first + self.count - 1) // n + 1)
        orders = [torch.randperm(n, generator=seeded(self.seed, each, PARTNER)) for each in rounds]
        return torch.cat(orders)[first % n :][: self.count]

    def __iter__(self) -> Iterator[list[int]]:
        order = self.order()
        views = self.drawn(order), self.partners()
        # 64 bits are too short for large crops of many images; Python's integers are not
        largest = self.count * self.views.count * self.views.partners
        kind = np.int64 if largest < 2**63 else object
        rows, drawn, partners = (each.numpy().astype(kind) for each in (order, *views))
        numbers = rows + self.count * (drawn + self.views.count * partners)
        for index in range(self.start, min(self.stop, len(self))):
            end = (index + 1) * self.batch_size if self.drop_last or index + 1 < len(self) else self.count
            yield numbers[index * self.batch_size : end][self.rank :: self.world_size].tolist()

    def __len__(self) -> int:
        full, rest = divmod(self.count, self.batch_size)
        keeps_rest = not self.drop_last and (rest >= self.world_size or (rest > 0 and full == 0))
        return full + keeps_rest


class Loader:
    """An iterable over the batches of a dataset that can resume after any batch.

    The Trainer saves and restores it by ``state_dict``: a run that was stopped after batch k of an epoch resumes with
    batch k + 1 of the same permutation, however many batches were prefetched.

    With `shuffle`, the batches are one endless sequence that is cut into epochs: an iteration starts where the last one
    stopped and ends with the epoch. (It does not use the Trainer's count of epochs, which counts an interrupted epoch
    as finished and may start a resumed run with an epoch of a single batch; no sample is repeated or dropped in either
    case.) Without `shuffle`, every iteration starts with the first sample.

    It is not a subclass of ``torch.utils.data.DataLoader``, because the Trainer replaces the sampler of a DataLoader
    with several devices, ``overfit_batches`` and ``predict``.

    Args:
        dataset: The samples; ``__getitems__`` reads one batch. If it has an attribute `views`, a view of each sample is
            drawn, see `Views`; its length is the number of samples.
        batch_size: Samples per batch over all processes, a multiple of `world_size`.
        shuffle: Whether every epoch has its own permutation.
        drop_last: Whether to leave out a last incomplete batch.
        seed: Seed of the permutations, at least 0.
        num_workers: Processes that load batches; 0 loads them in this one.
        rank: Which process this is, from 0.
        world_size: Number of processes that share each batch.
        epoch: The first epoch.
        limit: Batches in an epoch, or the fraction of them if it is a float, as ``limit_train_batches`` of the Trainer.
        mirror: Whether each sample, an image, is flipped horizontally in half of the epochs, by a coin.

    Attributes:
        prefetched: Returns the number of batches that were yielded and not used; 0 by default.

    Raises:
        InputError: `batch_size` is no multiple of `world_size`.
    """

    def __init__(
        self,
        dataset: Samples,
        batch_size: int,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        num_workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        epoch: int = 0,
        limit: int | float = 1.0,
        mirror: bool = False,
    ) -> None:
        self.dataset = dataset
        self._samples = Mirrored(dataset) if mirror else dataset
        self.num_workers = num_workers
        views = getattr(self._samples, "views", Views())
        self.batch_sampler = GlobalBatches(len(dataset), batch_size, shuffle, drop_last, seed, rank, world_size, views)
        self.batch_sampler.stop = limit if isinstance(limit, int) else int(limit * len(self.batch_sampler))
        self._loader: DataLoader[Batch] = DataLoader(
            cast("Dataset[Batch]", self._samples),
            batch_sampler=self.batch_sampler,
            collate_fn=_as_it_is,
            **loading(num_workers, seed),
        )
        self.prefetched: Callable[[], int] = int
        self._epoch = epoch
        self._batches = 0
        self._resumes = shuffle

    def __len__(self) -> int:
        """Number of batches in an epoch without `limit`, the same in every process."""
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Batch]:
        self._find_start()
        for batch in self._read():
            self._batches += 1
            yield batch

    def _read(self) -> Iterable[Batch]:
        """The batches of an epoch; without workers and pinned memory torch's DataLoader is not used."""
        if self.num_workers and self._iterator is None:
            samples = self.batch_sampler.batch_size // self.batch_sampler.world_size
            check_room(samples * sample_bytes(self.dataset), self.num_workers)
        if self.num_workers or self._loader.pin_memory:
            return self._loader
        return map(self._samples.__getitems__, self.batch_sampler)

    def state_dict(self) -> dict[str, int]:
        """The position: the epoch, and the number of batches of it that were used."""
        used = self._batches - self.prefetched()
        return {"epoch": self._epoch, "batches": used, "batch_size": self.batch_sampler.batch_size}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume from `state` in the next iteration; with another batch size up to one batch is repeated."""
        size = self.batch_sampler.batch_size
        self._epoch = state["epoch"]
        self._batches = state["batches"] * state.get("batch_size", size) // size
        self._resumes = True

    def _find_start(self) -> None:
        if self._batches >= min(self.batch_sampler.stop, len(self)):
            self._epoch, self._batches = self._epoch + 1, 0
        elif not self._resumes:
            self._batches = 0
        self._resumes = self.batch_sampler.shuffle
        self.batch_sampler.epoch, self.batch_sampler.start = self._epoch, self._batches

    # At the end of a run the Trainer stops the worker processes of loaders that have this attribute.
    @property
    def _iterator(self) -> Any:
        return private.batch_iterator(self._loader)

    @_iterator.setter
    def _iterator(self, iterator: Any) -> None:
        private.set_batch_iterator(self._loader, iterator)


def stream(
    samples: Any, batch_size: int, *, drop_last: bool, seed: int, num_workers: int, world_size: int
) -> DataLoader[Any]:
    """A loader of samples without a length, in the order in which they come.

    Args:
        samples: An ``IterableDataset``.
        batch_size: Samples per batch over all processes, a multiple of `world_size`.
        drop_last: Whether to leave out a last incomplete batch.
        seed: Seed of torch's generators in the worker processes.
        num_workers: Processes that load batches; 0 loads them in this one.
        world_size: Number of processes that share each batch.

    Raises:
        InputError: `batch_size` is no multiple of `world_size`.
    """
    check_divisible(batch_size, world_size)
    return DataLoader(samples, batch_size // world_size, drop_last=drop_last, **loading(num_workers, seed))


def loading(num_workers: int, seed: int) -> dict[str, Any]:
    """How torch's loaders load: in worker processes, with pinned memory for a GPU and a generator of their own.

    Without the generator torch would draw a number from the global one in every epoch.

    Raises:
        InputError: The worker processes are too many for this machine.
    """
    check_number(num_workers)
    return {
        "num_workers": num_workers,
        "persistent_workers": num_workers > 0,
        "worker_init_fn": leave_to_parent,
        "pin_memory": torch.cuda.is_available(),
        "generator": seeded(seed),
    }


def check_divisible(batch_size: int, world_size: int) -> None:
    """Check that a batch can be divided over all processes.

    Raises:
        InputError: It cannot.
    """
    if batch_size % world_size:
        below = batch_size - batch_size % world_size
        raise InputError(
            f"a batch of {batch_size} samples cannot be divided over {world_size} devices: set --data.batch_size "
            f"to a multiple of {world_size}, such as {below or below + world_size}"
        )


def sample_bytes(dataset: Any) -> int:
    """The size of a sample of an array, or what the data say; 0 for other data, because reading a sample could draw
    random numbers.
    """
    if hasattr(dataset, "sample_bytes"):
        return int(dataset.sample_bytes)
    rows = getattr(dataset, "x", None)
    return int(rows[0].nbytes) if isinstance(rows, (Tensor, np.ndarray)) and len(rows) else 0


def _as_it_is(batch: Any) -> Any:
    return batch
