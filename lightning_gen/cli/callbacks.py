"""The callbacks of every run."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jsonargparse import Namespace
from lightning.pytorch.callbacks import Callback, ProgressBar

from lightning_gen import paths
from lightning_gen.callbacks import (
    ChannelsLast,
    Compile,
    Fidelity,
    ImageCheckpoint,
    ImageProgress,
    LogEveryImages,
    MaxImages,
    NonFiniteGuard,
    PreemptionCheckpoint,
    Report,
    RunFolder,
    SampleGrid,
    SamplerFit,
    StartingWeights,
    Throughput,
    best_checkpoint,
)
from lightning_gen.training import GenerativeModule


def run_callbacks(
    settings: Namespace,
    given: Sequence[Callback],
    folder: Path,
    module: GenerativeModule,
    recipe: Callable[[], str],
    fits: bool,
) -> Iterator[Callback]:
    """The callbacks of every run; ``fast_dev_run`` and ``barebones`` leave out those that write files.

    Args:
        settings: The parsed settings of the command.
        given: The user's own callbacks; a progress bar among them takes the place of the run's.
        folder: The run's folder.
        module: The module that is trained.
        recipe: Returns the whole configuration as YAML, which starts a run like this one.
        fits: Whether the command is ``fit``.
    """
    barebones = settings.trainer.barebones
    has_bar = any(isinstance(callback, ProgressBar) for callback in given)
    if settings.trainer.enable_progress_bar is not False and not barebones and not has_bar:
        yield ImageProgress()
    if not fits:
        return
    writes = not (settings.trainer.fast_dev_run or barebones)
    keeps = writes and settings.trainer.enable_checkpointing is not False
    if settings.init_from is not None:
        yield StartingWeights(paths.expanded(settings.init_from))
    guard = NonFiniteGuard(settings.nonfinite_rollbacks)
    yield guard
    yield ChannelsLast(settings.channels_last)
    if settings.compile:
        yield Compile(settings.compile)
    if settings.max_images is not None:
        yield MaxImages(settings.max_images)
    if settings.log_every_images is not None:
        yield LogEveryImages(settings.log_every_images)
    if not writes:
        return
    yield Throughput()
    yield RunFolder(folder, recipe())
    yield SampleGrid(settings.sample_every_images, folder / "samples")
    checkpoints, last = folder / "checkpoints", None
    measuring = [callback for callback in given if isinstance(callback, Fidelity)]
    if settings.fidelity_every_images is not None and not measuring:
        measuring = [Fidelity(settings.fidelity_every_images)]
        yield from measuring
    if keeps:
        for callback in measuring:
            callback.folder = callback.folder or checkpoints
        if not measuring:
            yield best_checkpoint(module, checkpoints)
        last = ImageCheckpoint(
            settings.checkpoint_every_images,
            checkpoints,
            settings.keep_checkpoints,
            guard,
            settings.checkpoint_every_minutes,
        )
        yield last
        yield PreemptionCheckpoint(last)
    if settings.sampler is not None:
        yield SamplerFit(settings.sampler, last)
    yield Report(folder)
