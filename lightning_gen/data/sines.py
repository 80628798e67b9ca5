"""Series made by code, with known anomalies, for detectors."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least
from lightning_gen.data.loader import seeded
from lightning_gen.errors import InputError
from lightning_gen.media import Series
from lightning_gen.memory import require_room
from lightning_gen.ranges import FROM_0

CYCLES = (1.0, 4.0)
"""Least and most cycles in a window."""
AMPLITUDES = (0.5, 1.0)
"""Least and largest amplitude."""
SPIKE, SHIFT, SLIP = (0.2, 0.8), (0.1, 0.5), (math.pi / 12, math.pi / 2)
"""Least and largest height of a spike, of a level shift, and phase of a slip in radians; each has either sign."""
ANOMALIES = ("spike", "level shift", "phase slip")
"""The kinds of anomalies, in the order of their labels."""
SPLIT_SEEDS = {"train": 0, "val": 1, "test": 2, "anomalies": 3}
"""What is added to four times the seed for the samples of each split."""


@dataclass(frozen=True)
class Waves:
    """Sines of one frequency in a window and an amplitude and a phase for each channel.

    Attributes:
        phase: The phase of each point in radians, ``(n, channels, length)``.
        amplitude: The amplitude, ``(n, channels, 1)``.
    """

    phase: Tensor
    amplitude: Tensor

    @property
    def values(self) -> Tensor:
        """The sines, ``(n, channels, length)``."""
        return self.amplitude * self.phase.sin()


class Sines(DataModule):
    r"""Windows of sines, the same frequency in all channels, with a little noise.

    .. math:: x_c(t) = a_c \sin(2 \pi f t / L + \varphi_c) + \sigma \varepsilon_c(t)

    f is uniform between 1 and 4 cycles a window, the amplitudes between 0.5 and 1, the phases over the circle: 1 + 2 C
    numbers determine a window of C channels but for its noise. All splits are drawn independently. `anomalies` are
    windows of the test split with one spike, level shift or phase slip each, in one channel.

    Attributes:
        length: Points of a window, at least 16.
        channels: Number of channels.
        count: Number of training windows, at least 10; validation and test have a tenth each.
        noise: Standard deviation of the noise.
        batch_size: Samples per optimizer step over all devices.
        seed: Seed of the samples and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self,
        length: int = 64,
        channels: int = 2,
        count: int = 10_000,
        noise: float = 0.05,
        batch_size: int = 64,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        at_least(16, "length", length)
        at_least(1, "channels", channels)
        at_least(10, "count", count)
        if noise not in FROM_0:
            raise InputError(f"--data.noise is a standard deviation {FROM_0.words}, not {noise}")
        require_room(
            8 * count * channels * length,
            f"{count:,} windows of {channels} x {length} numbers",
            "set a smaller --data.count, --data.length or --data.channels",
        )
        super().__init__(
            shape=(channels, length), num_classes=None, batch_size=batch_size, seed=seed, num_workers=num_workers
        )
        self.length = length
        self.channels = channels
        self.count = count
        self.noise = noise
        power = (AMPLITUDES[1] ** 3 - AMPLITUDES[0] ** 3) / (AMPLITUDES[1] - AMPLITUDES[0]) / 3  # E[a²]
        scale = math.sqrt(power / 2 + noise**2)
        names = tuple(f"sine{channel}" for channel in range(channels))
        self.medium = Series(names, (0.0,) * channels, (scale,) * channels)

    def splits(self) -> Splits:
        """Draw the three splits."""
        return Splits(*(ArrayDataset(self._draw(name)[0]) for name in Splits._fields))

    def anomalies(self) -> ArrayDataset:
        """As many windows as the test split has, each with an anomaly; its label is an index into `ANOMALIES`."""
        x, labels = self._draw("anomalies")
        return ArrayDataset(x, labels)

    def _draw(self, name: str) -> tuple[Tensor, Tensor]:
        """Windows ``(n, channels, length)`` and, for anomalies, their kinds ``(n,)``."""
        generator = seeded(4 * self.seed + SPLIT_SEEDS[name])
        count = self.count if name == "train" else self.count // 10
        cycles = between(CYCLES, (count, 1, 1), generator)
        start = between((0, 2 * math.pi), (count, self.channels, 1), generator)
        amplitude = between(AMPLITUDES, (count, self.channels, 1), generator)
        time = torch.arange(self.length) / self.length
        waves = Waves(2 * math.pi * cycles * time + start, amplitude)
        noise = self.noise * torch.randn(count, *self.shape, generator=generator)
        kinds = torch.arange(count) % len(ANOMALIES)
        values = with_anomalies(waves, kinds, generator) if name == "anomalies" else waves.values
        return values + noise, kinds


def with_anomalies(waves: Waves, kinds: Tensor, generator: torch.Generator) -> Tensor:
    """Sines ``(n, channels, length)`` with one anomaly each, in a random channel from the middle half of the window.

    Args:
        waves: The sines.
        kinds: The kind of each, ``(n,)``, an index into `ANOMALIES`.
        generator: Source of where they are and how large.
    """
    count, channels, length = waves.phase.shape
    channel = torch.randint(channels, (count, 1, 1), generator=generator)
    place = torch.randint(length // 4, length - length // 4, (count, 1, 1), generator=generator)
    sign = 2 * torch.randint(2, (count, 1, 1), generator=generator) - 1
    spike, shift, slip = (sign * between(ends, (count, 1, 1), generator) for ends in (SPIKE, SHIFT, SLIP))
    time = torch.arange(length)
    there = torch.arange(channels)[:, None] == channel
    spiked, shifted, slipped = (kinds[:, None, None] == kind for kind in range(len(ANOMALIES)))
    phase = waves.phase + slip * (slipped & there & (time >= place))
    values = Waves(phase, waves.amplitude).values
    return values + spike * (spiked & there & (time == place)) + shift * (shifted & there & (time >= place))


def between(ends: tuple[float, float], shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Sample uniformly between two numbers."""
    return ends[0] + (ends[1] - ends[0]) * torch.rand(shape, generator=generator)
