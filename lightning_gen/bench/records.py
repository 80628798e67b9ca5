"""What a run was found to take."""

import statistics
import time
from dataclasses import dataclass
from typing import NamedTuple


class Spent(NamedTuple):
    """Seconds, by the clock on the wall and by the processor's, which leaves out what other programs took."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> "Spent":
        """The time on both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: "Spent", steps: int = 1) -> "Spent":
        """What each of so many steps took since then."""
        return Spent((self.wall - start.wall) / steps, (self.processor - start.processor) / steps)


@dataclass(frozen=True)
class Side:
    """One side of a run, measured.

    Attributes:
        spent: What its steps took.
        memory: Bytes that it had at most; None where they cannot be counted.
    """

    spent: tuple[Spent, ...]
    memory: int | None

    @property
    def wall(self) -> float:
        """Seconds of a step: the median, which an interruption does not move."""
        return statistics.median(each.wall for each in self.spent)

    @property
    def processor(self) -> float:
        """Processor seconds of a step: the mean, in which what comes seldom is too."""
        return statistics.fmean(each.processor for each in self.spent)


@dataclass(frozen=True)
class Setting:
    """What a run was made with.

    Attributes:
        device: Name of the device.
        kind: Its type, such as ``cuda``.
        precision: What the Trainer calls it.
        memory_format: Of the weights of convolutions, on both sides; None where there are none.
        compiled: Whether the library's networks are compiled; those of the reference loop never are.
        batch_size: Samples in a batch.
        batches: Batches of a step: one for each update of a GAN's discriminator before the generator's.
        redraws: Whether a generator draws samples for its own step that it could share with the discriminator's.
    """

    device: str
    kind: str
    precision: str
    memory_format: str | None
    compiled: bool
    batch_size: int
    batches: int
    redraws: bool


@dataclass(frozen=True)
class Run:
    """A run, measured.

    Attributes:
        library: The library's side.
        reference: The reference loop, or None.
        missing: Why there is none.
        first_step: Seconds from the command to the end of the first step.
        data: Seconds of a step that went into getting batches and scaling them.
        setting: What it was made with.
    """

    library: Side
    reference: Side | None
    missing: str
    first_step: float
    data: float
    setting: Setting

    @property
    def images(self) -> int:
        """Training samples of a step."""
        return self.setting.batch_size * self.setting.batches
