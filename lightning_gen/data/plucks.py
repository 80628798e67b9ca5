"""Synthetic sounds of plucked strings with known factors of variation."""

import math

import numpy as np
import torch
from torch import Tensor

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least, check_fractions, split_rows
from lightning_gen.data.known import KnownFactors
from lightning_gen.errors import InputError
from lightning_gen.media.sound import Sound
from lightning_gen.media.sound_files import FULL_SCALE
from lightning_gen.memory import require_room

LOWEST_HZ = 110.0
"""The lowest pitch, the note A2."""
NOTES = ("A", "A#", "B", "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#")
FASTEST_DECAY, SLOWEST_DECAY = 0.2, 1.6
"""Seconds in which the fundamental falls by 60 dB."""
DULLEST, BRIGHTEST = 0.5, 0.1
"""Weight of the later of the two samples that the loop averages; the original algorithm has 1/2."""
SOFTNESS = (0.6, 0.9)
"""The pole of the filter of the burst for the brightest and for the dullest string."""
LOUDEST = 0.9
"""The greatest amplitude."""
LEAST_PERIOD = 4
"""Samples in the shortest period that the loop can hold."""
EXCITATION_SEED = 0


class Plucks(DataModule):
    r"""Plucked strings of every combination of pitch, decay and brightness, each plucked several times.

    A burst of noise, one period long, runs round a loop of a delay and a filter, which averages two samples. So high
    frequencies decay faster than low ones, as on a string. Every sound has a burst of its own, so no sound of the
    validation and test splits is in the training split. The defaults make 12 · 5 · 5 · 10 = 3,000 sounds of half a
    second, 2,400 of them for training.

    The factors, from the slowest to the fastest:

    - ``pitch`` (12): semitones from A2, 110 Hz, up; this is the label. The pitch is exact, as the loop has a fraction
      of a sample of delay.
    - ``decay`` (5): seconds in which the fundamental falls by 60 dB, from 0.2 to 1.6 in equal ratios.
    - ``brightness`` (5): how little the loop, and a filter of the burst, take from high frequencies.

    Papers: Digital Synthesis of Plucked-String and Drum Timbres, Karplus and Strong 1983,
    https://doi.org/10.2307/3680062; Extensions of the Karplus-Strong Plucked-String Algorithm, Jaffe and Smith 1983,
    https://doi.org/10.2307/3680063, for the tuning, the decay and the filter of the burst. Unlike both, the burst is
    uniform noise and not two-valued, and has no mean.

    Attributes:
        rate: Samples a second, at least 4 for a period of the highest pitch.
        length: Samples in a sound.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the sounds for the validation split, in [0, 1).
        test_fraction: Fraction of the sounds for the test split, in [0, 1).
        pitches: Number of pitches, at least 2.
        decays: Number of decays, at least 2.
        brightnesses: Number of brightnesses, at least 2.
        plucks: Sounds of each combination, at least 1.
        seed: Seed of the splits and of the order of the training samples; the sounds do not depend on it.
        num_workers: Processes that load batches.
        factor_values: The values of each factor by its name: Hz, seconds, and the share of the earlier sample.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self,
        rate: int = 8000,
        length: int = 4096,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        pitches: int = 12,
        decays: int = 5,
        brightnesses: int = 5,
        plucks: int = 10,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        check_fractions(val_fraction, test_fraction)
        for name, count in (("pitches", pitches), ("decays", decays), ("brightnesses", brightnesses)):
            at_least(2, name, count)
        at_least(1, "plucks", plucks)
        at_least(1, "length", length)
        highest = LOWEST_HZ * 2 ** ((pitches - 1) / 12)
        if rate < LEAST_PERIOD * highest:
            raise InputError(
                f"{rate} samples a second cannot hold a string of {highest:,.0f} Hz, the highest of {pitches} pitches: "
                f"set --data.rate to {math.ceil(LEAST_PERIOD * highest)} or more, or fewer --data.pitches"
            )
        sounds = pitches * decays * brightnesses * plucks
        require_room(
            sounds * length * 6,  # int16, and float32 while they are made
            f"{sounds:,} sounds of {length:,} samples",
            "set smaller --data.length and --data.plucks",
        )
        super().__init__(
            shape=(1, length), num_classes=pitches, batch_size=batch_size, seed=seed, num_workers=num_workers
        )
        self.rate = rate
        self.length = length
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.pitches = pitches
        self.decays = decays
        self.brightnesses = brightnesses
        self.plucks = plucks
        self.medium = Sound(rate)
        self.classes = tuple(f"{NOTES[step % 12]}{2 + (step + 9) // 12}" for step in range(pitches))
        self.factor_values: dict[str, tuple[float, ...]] = {
            "pitch": tuple(LOWEST_HZ * 2 ** (step / 12) for step in range(pitches)),
            "decay": tuple(np.geomspace(FASTEST_DECAY, SLOWEST_DECAY, decays).tolist()),
            "brightness": tuple(1 - np.linspace(DULLEST, BRIGHTEST, brightnesses)),
        }

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """Number of values of each factor."""
        return tuple(len(values) for values in self.factor_values.values())

    @property
    def factors(self) -> Tensor:
        """Every combination of factors, ``(n, 3)`` int64, as indices into `factor_values`."""
        return torch.cartesian_prod(*(torch.arange(size) for size in self.factor_sizes))

    @property
    def known_factors(self) -> KnownFactors:
        """The factors, and the function that plucks the first sound of each combination."""
        return KnownFactors(tuple(self.factor_values), self.factor_sizes, self.factors, self.draw)

    def draw(self, factors: Tensor, pluck: int = 0) -> Tensor:
        """Pluck strings of given factors.

        Args:
            factors: Indices into `factor_values`, int64 ``(n, 3)``.
            pluck: Which of the sounds of each combination, from 0.

        Returns:
            int16 ``(n, 1, length)``.

        Raises:
            InputError: An index is out of range.
        """
        sizes = torch.tensor(self.factor_sizes)
        if factors.ndim != 2 or factors.shape[1] != 3 or ((factors < 0) | (factors >= sizes)).any():
            raise InputError(
                f"factors of shape {tuple(factors.shape)} cannot be plucked: give whole numbers (n, 3), in each row "
                f"indices of {', '.join(self.factor_values)} from 0 to below {', '.join(map(str, self.factor_sizes))}"
            )
        hz, decay, bright = (
            np.array(values)[factors[:, column].numpy()] for column, values in enumerate(self.factor_values.values())
        )
        period = math.ceil(self.rate / LOWEST_HZ)
        generator = np.random.default_rng([EXCITATION_SEED, pluck])
        bursts = generator.uniform(-1, 1, (math.prod(self.factor_sizes), period))
        rows = np.ravel_multi_index(tuple(factors.T.numpy()), self.factor_sizes)
        sounds = strings(bursts[rows], self.rate / hz, 10 ** (-3 / (hz * decay)), 1 - bright, self.length)
        return torch.from_numpy(np.rint(sounds * FULL_SCALE).astype(np.int16))[:, None]

    def splits(self) -> Splits:
        """Pluck all strings and split them."""
        factors = self.factors
        sounds = torch.cat([self.draw(factors, pluck) for pluck in range(self.plucks)])
        labels, count = factors[:, 0].repeat(self.plucks), len(sounds)
        rows = split_rows(count, round(count * self.val_fraction), round(count * self.test_fraction), self.seed)
        return Splits(*(ArrayDataset(sounds, labels, part) for part in rows))


def strings(bursts: np.ndarray, periods: np.ndarray, gains: np.ndarray, blends: np.ndarray, length: int) -> np.ndarray:
    """The sounds of strings, each with a greatest amplitude of `LOUDEST`.

    The loop has a delay of whole samples, an average of two samples, which delays by `blends` of a sample, and an
    all-pass filter, which delays by the rest, so that a period is as long as it is asked to be.

    Args:
        bursts: Noise in [-1, 1], ``(n, at least the longest period)``.
        periods: Samples in a period, ``(n,)``; not whole, at least `LEAST_PERIOD`.
        gains: Factor of the amplitude in each period, ``(n,)``.
        blends: Weight of the later of the two samples that are averaged, ``(n,)``, in (0, 1/2].
        length: Samples in a sound.

    Returns:
        Amplitudes ``(n, length)``.
    """
    count = len(periods)
    delays = np.floor(periods - blends - 0.1).astype(np.int64)  # leaves 0.1 to 1.1 samples to the all-pass filter
    rest = periods - blends - delays
    allpass = (1 - rest) / (1 + rest)
    every, first = np.arange(count), delays.max() + 1
    y = np.zeros((first + length, count))
    plucks = plucked(bursts, delays, blends)
    averaged, tuned = np.zeros(count), np.zeros(count)
    for t in range(length):
        now = first + t
        earlier = averaged
        averaged = (1 - blends) * y[now - delays, every] + blends * y[now - delays - 1, every]
        tuned = allpass * averaged + earlier - allpass * tuned
        y[now] = gains * tuned
        if t < len(plucks):
            y[now] += plucks[t]
    sounds = y[first:].T
    return sounds * (LOUDEST / np.abs(sounds).max(1, keepdims=True))


def plucked(bursts: np.ndarray, delays: np.ndarray, blends: np.ndarray) -> np.ndarray:
    """What is put into the loops of strings: bursts without high frequencies and without a mean.

    Args:
        bursts: Noise, ``(n, at least the greatest delay)``.
        delays: Samples in the delay of each loop, ``(n,)``.
        blends: How dull each string is, from 0 to 1/2: the pole of the filter, by `SOFTNESS`.

    Returns:
        Amplitudes ``(greatest delay, n)``, 0 from the end of each delay on.
    """
    poles = np.interp(blends, (BRIGHTEST, DULLEST), SOFTNESS)
    found, smooth = np.zeros((delays.max(), len(delays))), np.zeros(len(delays))
    for t in range(len(found)):
        smooth = (1 - poles) * bursts[:, t] + poles * smooth
        found[t] = smooth
    inside = np.arange(len(found))[:, None] < delays
    return np.where(inside, found - (found * inside).sum(0) / delays, 0)
