"""The metrics of a recipe's runs, and their protocol."""

import os
import platform
import statistics
from collections.abc import Iterable, Iterator, Sequence

import torch

import lightning_gen
from lightning_gen.bench.records import Run
from lightning_gen.metrics import Measurement, Report

MEGABYTE = 1e6
NO_FORMAT = "no convolutions in 2 or 3 dimensions, which alone have channels_last"


def compared(runs: Sequence[Run]) -> Report:
    """The metrics of a recipe's runs, of the library and of the reference loop."""
    return Report(tuple(measurements(runs)), protocol(runs[0]), dict(omissions(runs[0])))


def measurements(runs: Sequence[Run]) -> Iterator[Measurement]:
    """The metrics in the order of the report; the median of several runs."""
    yield middle("step_ms", (1e3 * run.library.wall for run in runs), "milliseconds of a training step of the library")
    pairs = [(run.library, run.reference) for run in runs if run.reference is not None]
    if pairs:
        meaning = "the same of a reference loop in plain PyTorch, on copies of the same networks"
        yield middle("bare_step_ms", (1e3 * reference.wall for _, reference in pairs), meaning)
        meaning = "step_ms / bare_step_ms of each run, 1 is best"
        yield middle("step_ratio", (library.wall / reference.wall for library, reference in pairs), meaning)
        if runs[0].setting.kind == "cpu":
            meaning = "the same of processor time, which other programs change little; logging is in it"
            ratios = (library.processor / reference.processor for library, reference in pairs)
            yield middle("processor_ratio", ratios, meaning)
    speeds = (run.images / run.library.wall for run in runs)
    yield middle("images_per_second", speeds, "training samples of a step / step_ms")
    meaning = "milliseconds of a step for getting batches and scaling them on the device"
    yield middle("data_ms", (1e3 * run.data for run in runs), meaning)
    yield from memory(runs[0])
    meaning = "seconds from the command to the end of the first step of the first run, imports left out"
    yield Measurement("first_step_s", runs[0].first_step, meaning)


def memory(run: Run) -> Iterator[Measurement]:
    """The peak memory of the tensors of the library and of the reference loop."""
    most = run.library.memory
    if most is None:
        return
    meaning = "peak megabytes of the library's tensors: weights, gradients, optimizers, a step"
    yield Measurement("peak_memory_mb", most / MEGABYTE, meaning)
    if run.reference is not None and run.reference.memory:
        yield Measurement(
            "peak_memory_ratio", most / run.reference.memory, "the same / that of the reference loop, 1 is best"
        )


def omissions(run: Run) -> Iterator[tuple[str, str]]:
    """The metrics that were not measured, with the reason."""
    if run.reference is None:
        yield "figures of a loop by hand", run.missing
    if run.library.memory is None:
        yield "peak_memory_mb", f"it is not counted on {run.setting.kind}"


def protocol(run: Run) -> dict[str, object]:
    """The protocol of a run: all that its metrics depend on."""
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors{load}",
        "device": f"{run.setting.kind}, {run.setting.device}",
        "threads": torch.get_num_threads(),
        "precision": run.setting.precision,
        "memory_format": run.setting.memory_format or NO_FORMAT,
        "compiled": "the library's networks, not those of the reference loop" if run.setting.compiled else "nothing",
        "batch_size": run.setting.batch_size,
        "batches_of_a_step": run.setting.batches,
        "left_out": "validation, and work every 25,000 images or less often: sample grids and checkpoints",
        "versions": {"torch": torch.__version__, "lightning_gen": lightning_gen.__version__},
    }


def middle(name: str, values: Iterable[float], meaning: str) -> Measurement:
    """The median of several runs with their range."""
    found = list(values)
    return Measurement(name, statistics.median(found), meaning, (min(found), max(found)) if len(found) > 1 else None)
