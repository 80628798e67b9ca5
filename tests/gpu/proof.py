"""A proof: items in the order of their value, each guarded, within a time; what each found, as a table and as JSON."""

import contextlib
import gc
import platform
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning
import torch

import lightning_gen

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
HANGS = 3
"""An item is stopped after so many times the seconds that it may take."""


@dataclass(frozen=True)
class Ground:
    """Where items are proved.

    Attributes:
        device: Type of the device, ``cuda`` or ``cpu``; on a CPU everything is small.
        folder: An empty folder for runs and data.
    """

    device: str
    folder: Path

    @property
    def small(self) -> bool:
        """Whether networks, images and runs are small."""
        return self.device == "cpu"


@dataclass
class Findings:
    """What an item has found so far; it stays when the item breaks off.

    Attributes:
        figures: Numbers and words by name.
        complaints: Sentences about what is not as it should be.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def expect(self, holds: bool, complaint: str) -> None:
        """Note a complaint unless something holds."""
        if not holds:
            self.complaints.append(complaint)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note an error in a part of an item, and go on with the next part."""
        try:
            yield
        except (Exception, SystemExit) as error:
            self.complaints.append(f"{name}: {told(error)}")


@dataclass(frozen=True)
class Item:
    """One thing to prove.

    Attributes:
        name: What it is called.
        seconds: The seconds that it may take on a GPU, at most; with less time left it is skipped.
        proves: What holds if it passes.
        run: Fills the findings.
        needs_cuda: Whether a CPU cannot prove it in small.
    """

    name: str
    seconds: float
    proves: str
    run: Callable[[Ground, Findings], None]
    needs_cuda: bool = False


@dataclass(frozen=True)
class Outcome:
    """How the proof of an item ended.

    Attributes:
        item: Name of the item.
        verdict: ``passed``, ``failed`` or ``skipped``.
        reason: Why it failed or was skipped; empty where it passed.
        figures: What it measured.
        seconds: What it took.
        proves: What holds if it passes.
    """

    item: str
    verdict: str
    reason: str
    figures: dict[str, Any]
    seconds: float
    proves: str


class OutOfTime(BaseException):
    """An item took far longer than it may; no part of an item holds it back."""


def proved(item: Item, ground: Ground, left: float) -> Outcome:
    """Prove an item, if there is a device and time for it; nothing that it does wrong reaches the caller.

    Args:
        item: The item.
        ground: Where.
        left: Seconds that are left for the proof.
    """
    reason = why_not(item, ground, left)
    if reason:
        return Outcome(item.name, SKIPPED, reason, {}, 0.0, item.proves)
    findings, start = Findings(), time.perf_counter()
    try:
        with settings_kept(), at_most(min(HANGS * item.seconds, left)):
            item.run(ground, findings)
    except (Exception, SystemExit, OutOfTime) as error:
        findings.complaints.append(told(error))
    seconds = round(time.perf_counter() - start, 1)
    verdict = FAILED if findings.complaints else PASSED
    return Outcome(item.name, verdict, "; ".join(findings.complaints), findings.figures, seconds, item.proves)


def why_not(item: Item, ground: Ground, left: float) -> str:
    """Why an item cannot be tried; empty if it can."""
    if item.needs_cuda and ground.device != "cuda":
        return "it needs a CUDA device"
    if left < item.seconds:
        return f"it may take {item.seconds:.0f} s and {max(left, 0):.0f} s are left"
    return ""


def proofs(items: Sequence[Item], ground: Ground, seconds: float) -> Iterator[Outcome]:
    """Prove items in their order until the time is over; those for which there is none are skipped with the reason."""
    end = time.monotonic() + seconds
    for item in items:
        yield proved(item, ground, end - time.monotonic())


def told(error: BaseException) -> str:
    """An error in a line: its kind, what it says first, and where in the code it was raised."""
    said = " ".join((str(error).strip().splitlines() or [""])[0].split())
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {said}{where}"


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the code inside once it has taken longer, on systems with alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise OutOfTime(f"it was stopped after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.1))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def settings_kept() -> Iterator[None]:
    """Put back what an item changes of torch's settings, and free what it leaves on the device."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    cudnn = {name: getattr(torch.backends.cudnn, name) for name in ("benchmark", "deterministic", "allow_tf32")}
    products = torch.backends.cuda.matmul.allow_tf32
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        for name, value in cudnn.items():
            setattr(torch.backends.cudnn, name, value)
        torch.backends.cuda.matmul.allow_tf32 = products
        torch.compiler.set_stance("default")
        torch.compiler.reset()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")
            torch.cuda.empty_cache()


def environment(ground: Ground) -> dict[str, Any]:
    """The machine, the versions and the settings of precision that the outcomes depend on."""
    on_gpu = ground.device == "cuda"
    properties = torch.cuda.get_device_properties(0) if on_gpu else None
    return {
        "device": properties.name if properties else platform.processor() or platform.machine(),
        "kind": ground.device,
        "memory_gb": round(properties.total_memory / 1e9, 1) if properties else None,
        "capability": f"{properties.major}.{properties.minor}" if properties else None,
        "driver": driver() if on_gpu else None,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "lightning_gen": lightning_gen.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "matmul_allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
    }


def driver() -> str | None:
    """The version of NVIDIA's driver, where Linux tells it."""
    file = Path("/proc/driver/nvidia/version")
    return file.read_text().splitlines()[0] if file.is_file() else None


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain data."""
    return asdict(outcome)


def line(outcome: Outcome) -> str:
    """A row of the table, in markdown."""
    figures = ", ".join(f"{name} {shown(value)}" for name, value in outcome.figures.items())
    result = outcome.verdict + (f": {outcome.reason}" if outcome.reason else "")
    return "| " + " | ".join((outcome.item, result.replace("|", "/"), figures, f"{outcome.seconds:.1f}")) + " |"


def shown(value: Any) -> str:
    """A figure with as many digits as one reads."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
