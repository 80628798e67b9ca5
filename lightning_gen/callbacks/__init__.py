"""Callbacks: lengths and intervals in images, checkpoints, sample images and their quality, progress, the report."""

from lightning_gen.callbacks.checkpoints import ImageCheckpoint, best_checkpoint
from lightning_gen.callbacks.execution import ChannelsLast, Compile
from lightning_gen.callbacks.fidelity import Fidelity
from lightning_gen.callbacks.lengths import LogEveryImages, MaxImages, Throughput
from lightning_gen.callbacks.loggers import RunLogger, RunTable
from lightning_gen.callbacks.nonfinite import NonFiniteGuard
from lightning_gen.callbacks.preemption import PreemptionCheckpoint
from lightning_gen.callbacks.progress import ImageProgress
from lightning_gen.callbacks.run import Report, RunFolder
from lightning_gen.callbacks.sampler_fit import SamplerFit
from lightning_gen.callbacks.samples import SampleGrid
from lightning_gen.callbacks.starting_weights import StartingWeights

__all__ = [
    "ChannelsLast",
    "Compile",
    "Fidelity",
    "ImageCheckpoint",
    "ImageProgress",
    "LogEveryImages",
    "MaxImages",
    "NonFiniteGuard",
    "PreemptionCheckpoint",
    "Report",
    "RunFolder",
    "RunLogger",
    "RunTable",
    "SampleGrid",
    "SamplerFit",
    "StartingWeights",
    "Throughput",
    "best_checkpoint",
]
