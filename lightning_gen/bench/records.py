"""Records of a measured run."""

import statistics
import time
from dataclasses import dataclass
from typing import NamedTuple


class Spent(NamedTuple):
    """Seconds, of wall-clock time and of processor time, which excludes other programs."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> "Spent":
        """The current time on both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: "Spent", steps: int = 1) -> "Spent":
        """The time since `start`, divided by a number of steps."""
        return Spent((self.wall - start.wall) / steps, (self.processor - start.processor) / steps)


@dataclass(frozen=True)
class Side:
    """The measurements of the library or of the reference loop in a run.

    Attributes:
        spent: The time of each step, or a step's share of several.
        memory: Peak memory in bytes; None on devices without a measurement.
    """

    spent: tuple[Spent, ...]
    memory: int | None

    @property
    def wall(self) -> float:
        """Median seconds of a step, which an interruption does not change."""
        return statistics.median(each.wall for each in self.spent)

    @property
    def processor(self) -> float:
        """Mean processor seconds of a step, which include periodic work such as logging."""
        return statistics.fmean(each.processor for each in self.spent)


@dataclass(frozen=True)
class Setting:
    """The setting of a run.

    Attributes:
        device: Name of the device.
        kind: Type of the device, such as ``cuda``.
        precision: The Trainer's name of the precision.
        memory_format: Memory format of convolutions in 2 or 3 dimensions, on both sides; None without any.
        compiled: Whether the library's networks are compiled; those of the reference loop never are.
        batch_size: Samples in a batch.
        batches: Batches of a step: one for each update of a GAN's discriminator before the generator's.
        redraws: Whether the generator's step draws new samples, where it could share the discriminator's.
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
    """The measurements of a run.

    Attributes:
        library: The library's side.
        reference: The reference loop's side, or None.
        missing: The reason why there is no reference loop.
        first_step: Seconds from the command to the end of the first step.
        data: Seconds of a step for getting batches and scaling them.
        setting: The setting of the run.
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
