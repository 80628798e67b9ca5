"""A history of generated samples, from which a discriminator is shown older ones beside the latest."""

from typing import Any

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT_FROM_0
from lightning_gen.records import Shape


class HistoryPool:
    """Keeps samples and gives older ones back, so that a discriminator does not forget what it has learned of them.

    Until it is full, samples are stored and given back as they are. From then on each sample is, with probability 1/2,
    exchanged for a stored one, of another slot than the rest of its batch. Samples of a batch beyond the size of the
    pool are given back as they are.

    It holds copies without a graph in one tensor on the device, and decides without waiting for it. It is no buffer
    of a module: each process has samples of its own, which nothing may average.

    Paper: Learning from Simulated and Unsupervised Images through Adversarial Training,
    https://arxiv.org/abs/1612.07828, section 2.3, in the form of CycleGAN, https://arxiv.org/abs/1703.10593, section 4,
    with 50 images

    Args:
        size: Number of samples; 0 gives each batch back as it is.

    Raises:
        InputError: The size is negative.
    """

    def __init__(self, size: int) -> None:
        if size not in COUNT_FROM_0:
            raise InputError(f"the size of a history of samples must be at least 0, not {size}")
        self.size = size
        self.count = 0
        self.samples: Tensor | None = None
        self._latest: list[Tensor] = []
        self._given: list[Tensor] = []

    @classmethod
    def of_device(cls, size: int, world_size: int) -> "HistoryPool":
        """The share of one of several devices in a history of a size.

        Raises:
            InputError: The size cannot be divided over the devices.
        """
        if size % world_size:
            raise InputError(
                f"a history of {size} samples cannot be divided over {world_size} devices: set --model.history to a "
                f"multiple of {world_size}"
            )
        return cls(size // world_size)

    def collect(self, samples: Tensor) -> None:
        """Add the latest samples of a part of a batch."""
        self._latest.append(samples.detach())

    def take(self, rng: torch.Generator) -> Tensor:
        """What is shown for a part of the batch, in the order in which they were collected.

        The history is asked once for the whole batch, so that it does not matter how many parts there are.

        Args:
            rng: Source of the decisions.
        """
        if self._latest:
            parts, self._latest = self._latest, []
            self._given = list(self.exchange(torch.cat(parts), rng).split([len(part) for part in parts]))
        return self._given.pop(0)

    def discard(self) -> None:
        """Forget the parts of a step that was interrupted."""
        self._latest, self._given = [], []

    def exchange(self, samples: Tensor, rng: torch.Generator) -> Tensor:
        """Samples ``(n, *shape)`` without a graph, some of them exchanged for older ones.

        Args:
            samples: The latest samples.
            rng: Source of the decisions.
        """
        samples = samples.detach()
        if self.size == 0:
            return samples
        stored = self._storage(tuple(samples.shape[1:]), samples)
        first = samples[: self.size - self.count]
        stored[self.count : self.count + len(first)] = first
        self.count += len(first)
        rest = samples[len(first) :]
        if not len(rest):
            return samples
        # the slots that the batch itself has filled are left out, as a sample must not be given back twice
        older = self.size - len(first)
        slots = torch.randperm(older, generator=rng, device=rng.device)[: len(rest)].to(samples.device)
        coins = torch.rand(len(slots), generator=rng, device=rng.device).to(samples.device) < 0.5
        coins = coins.view(-1, *[1] * (samples.dim() - 1))
        kept, latest = stored.index_select(0, slots), rest[: len(slots)].to(stored.dtype)
        stored.index_copy_(0, slots, torch.where(coins, latest, kept))
        given = torch.where(coins, kept, latest).to(samples.dtype)
        return torch.cat([first, given, rest[len(slots) :]])

    def _storage(self, shape: Shape, like: Tensor) -> Tensor:
        """The stored samples; samples of another shape start anew."""
        if self.samples is None or tuple(self.samples.shape[1:]) != shape:
            dtype = torch.promote_types(like.dtype, torch.float32)
            self.samples, self.count = like.new_zeros((self.size, *shape), dtype=dtype), 0
        self.samples = self.samples.to(like.device)
        return self.samples

    def state(self) -> dict[str, Any]:
        """The stored samples, as plain data."""
        return {"samples": None if self.samples is None else self.samples[: self.count].cpu().clone()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the result of `state`; of more samples than it can hold, the first ones."""
        samples, self.samples, self.count = state.get("samples"), None, 0
        if samples is not None:
            first = samples[: self.size]
            self._storage(tuple(samples.shape[1:]), samples)[: len(first)] = first
            self.count = len(first)
