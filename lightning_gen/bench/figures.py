"""The figures of a recipe's runs, and the card that says how they were made."""

import os
import platform
import statistics
from collections.abc import Iterable, Iterator, Sequence

import torch

import lightning_gen
from lightning_gen.bench.records import Run
from lightning_gen.metrics import Measurement, Report

MEGABYTE = 1e6


def compared(runs: Sequence[Run]) -> Report:
    """What the runs of a recipe took, the library's side beside the reference loop."""
    return Report(tuple(figures(runs)), card(runs[0]), dict(omissions(runs[0])))


def figures(runs: Sequence[Run]) -> Iterator[Measurement]:
    """The figures in the order in which they are read; of several runs the median."""
    yield middle("step_ms", (1e3 * run.library.wall for run in runs), "milliseconds of a training step of the library")
    pairs = [(run.library, run.reference) for run in runs if run.reference is not None]
    if pairs:
        meaning = "the same of a loop by hand in plain PyTorch, on copies of the same networks"
        yield middle("bare_step_ms", (1e3 * reference.wall for _, reference in pairs), meaning)
        meaning = "step_ms / bare_step_ms of each run, 1 is best"
        yield middle("step_ratio", (library.wall / reference.wall for library, reference in pairs), meaning)
        if runs[0].setting.kind == "cpu":
            meaning = "the same of processor time, which other programs change little; with what comes every few steps"
            ratios = (library.processor / reference.processor for library, reference in pairs)
            yield middle("processor_ratio", ratios, meaning)
    speeds = (run.images / run.library.wall for run in runs)
    yield middle("images_per_second", speeds, "training samples of a step / step_ms")
    meaning = "milliseconds of a step that went into getting batches and scaling them on the device"
    yield middle("data_ms", (1e3 * run.data for run in runs), meaning)
    yield from memory(runs[0])
    meaning = "seconds from the command to the end of the first step of the first run, imports left out"
    yield Measurement("first_step_s", runs[0].first_step, meaning)


def memory(run: Run) -> Iterator[Measurement]:
    """The most memory that the tensors of each side took."""
    most = run.library.memory
    if most is None:
        return
    meaning = "megabytes that the tensors of the library's side take at most: weights, gradients, optimizers, a step"
    yield Measurement("peak_memory_mb", most / MEGABYTE, meaning)
    if run.reference is not None and run.reference.memory:
        yield Measurement(
            "peak_memory_ratio", most / run.reference.memory, "the same / that of the loop by hand, 1 is best"
        )


def omissions(run: Run) -> Iterator[tuple[str, str]]:
    """What was not measured, and why."""
    if run.reference is None:
        yield "figures of a loop by hand", run.missing
    if run.library.memory is None:
        yield "peak_memory_mb", f"it is not counted on {run.setting.kind}"


def card(run: Run) -> dict[str, object]:
    """What the figures of a run depend on."""
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors{load}",
        "device": f"{run.setting.kind}, {run.setting.device}",
        "threads": torch.get_num_threads(),
        "precision": run.setting.precision,
        "memory_format": run.setting.memory_format or "no convolutions",
        "compiled": "the library's networks, and not those by hand" if run.setting.compiled else "nothing",
        "batch_size": run.setting.batch_size,
        "batches_of_a_step": run.setting.batches,
        "left_out": "validation, and what comes every 25,000 images or less often: grids and checkpoints",
        "versions": {"torch": torch.__version__, "lightning_gen": lightning_gen.__version__},
    }


def middle(name: str, values: Iterable[float], meaning: str) -> Measurement:
    """The median of several runs with their range."""
    found = list(values)
    return Measurement(name, statistics.median(found), meaning, (min(found), max(found)) if len(found) > 1 else None)
