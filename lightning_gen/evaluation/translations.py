"""Metrics of a model that translates, beside those of the copied source and of the mean target."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lightning_gen.data import DataModule
from lightning_gen.data.loader import seeded
from lightning_gen.data.reading import labelled, picked
from lightning_gen.metrics import Comparison, Measurement, Report, SlicedWasserstein, reconstruction_error
from lightning_gen.metrics.reconstruction import SSIM_PROTOCOL, ssim_skip_reason
from lightning_gen.modules.translation_base import Pair, TranslationBase
from lightning_gen.records import Shape

BATCH = 64
"""Number of pairs that are translated at a time."""

MOST_AVERAGED = 5_000
"""Number of training targets, at most, of whose mean the errors are shown."""

COLUMNS = ("mae", "mse", "psnr_db", "ssim", "sliced_wasserstein")
"""Metrics in which translations are compared with the baselines, where they apply."""


@dataclass(frozen=True)
class Row:
    """One way to get a target from a source: one row of the table.

    Attributes:
        prefix: Prefix of the names of its metrics.
        title: Label of the row.
        by: Appended to the descriptions of its metrics.
        make: Maps sources to what is compared with targets, both in the range of the model.
    """

    prefix: str
    title: str
    by: str
    make: Callable[[Tensor], Tensor]


@torch.no_grad()
def translation(module: TranslationBase, data: DataModule, seed: int) -> Report:
    """Errors of translations of the test split and their distance from its targets, beside those of simple baselines.

    These are copies of the sources, and the mean training target for all of them.

    Errors need targets that belong to their sources. They tell how near a translation is to one true answer, not how
    good it looks: a model that is trained with a discriminator has greater errors than one of its first term alone.

    Args:
        module: The model, in evaluation mode.
        data: The data, after ``setup``.
        seed: Seed of the random numbers by which a degradation makes sources; each row has the same sources.
    """
    shape = module.target_shape
    resized = module.source_shape[1:] != shape[1:]
    how = " enlarged bicubically" if resized else ""
    mean = mean_target(module, data, seed)
    rows = (
        Row("", "this model", "", module.translate),
        Row("copy_", f"copied source{how}", f" of sources{how}, as they are", lambda x: copied(x, shape)),
        Row("mean_", "mean target", " of the mean training target", lambda x: mean.expand(len(x), *shape)),
    )
    card = {"compared": f"translations of the test split, {' x '.join(map(str, shape))}, all pixels, without a border"}
    report = Report(card=card, comparison=Comparison(COLUMNS, {row.prefix: row.title for row in rows}))
    if not module.pairs_in(data):
        report += Report(omitted={"mae, psnr_db, ssim": f"targets of {type(data).__name__} belong to no source"})
    elif (reason := ssim_skip_reason(shape, module.target_medium)) is not None:
        report += Report(omitted={"ssim": reason})
    else:
        report += Report(card={"psnr_db": "peak 1, over all channels", "ssim": SSIM_PROTOCOL})
    for row in rows:
        report += Report(measured(row, module, data, seed))
    return report


def measured(row: Row, module: TranslationBase, data: DataModule, seed: int) -> tuple[Measurement, ...]:
    """The distance from targets, and mean errors where these belong to their sources, of one pass over the split."""
    medium, metric, absolute, count = module.target_medium, SlicedWasserstein(), 0.0, 0

    def compared() -> Iterator[tuple[Tensor, Tensor]]:
        nonlocal absolute, count
        for pair in pairs(module, data, seed):
            made = row.make(pair.source)
            metric.update(pair.target.cpu(), made.clamp(-1, 1).cpu())  # as files hold them
            x, y = medium.comparable(pair.target.double(), made.double())
            absolute, count = absolute + float((x - y).abs().sum()), count + x.numel()
            yield pair.target, made

    errors: tuple[Measurement, ...] = ()
    if module.pairs_in(data):
        others = reconstruction_error(compared(), medium).measurements(row.prefix, row.by)
        meaning = f"mean absolute error of pixels in [0, 1]{row.by}, lower is better"
        errors = (Measurement(f"{row.prefix}mae", absolute / count, meaning), *others)
    else:
        for _ in compared():
            pass
    meaning = f"sliced Wasserstein distance of pixels from targets{row.by}, lower is better"
    return (*errors, Measurement(f"{row.prefix}sliced_wasserstein", float(metric.compute()), meaning))


def pairs(module: TranslationBase, data: DataModule, seed: int) -> Iterator[Pair]:
    """The pairs of the test split, on the model's device; the same for the same seed."""
    rng = seeded(seed)
    for batch in labelled(data, data.test_set, BATCH):
        source, target = module.pair_of(batch, rng)
        yield Pair(source.to(module.device), target.to(module.device))


def mean_target(module: TranslationBase, data: DataModule, seed: int) -> Tensor:
    """The mean of random training targets, ``(1, *target_shape)``, on the model's device."""
    total, count = torch.zeros(module.target_shape, dtype=torch.float64), 0
    for batch in picked(data, data.train_set, MOST_AVERAGED, seeded(seed), BATCH):
        target = module.targets_of(batch)
        total, count = total + target.double().sum(0).cpu(), count + len(target)
    return (total / count)[None].to(module.device, torch.float32)


def copied(x: Tensor, shape: Shape) -> Tensor:
    """Sources ``(n, *source_shape)`` as targets ``(n, *shape)``: resized bicubically, grey as colour and back.

    Colours become their mean. Channels beyond those of a target, such as a mask, are left out.
    """
    if tuple(x.shape[2:]) != tuple(shape[1:]):
        x = interpolate(x, tuple(shape[1:]), mode="bicubic", align_corners=False)
    if x.shape[1] == 1 or shape[0] == 1:
        x = x[:, :3].mean(1, keepdim=True) if x.shape[1] >= 3 else x[:, :1]
        return x.expand(-1, shape[0], -1, -1).clamp(-1, 1)
    if x.shape[1] < shape[0]:
        x = torch.cat([x, x.new_ones(len(x), shape[0] - x.shape[1], *x.shape[2:])], 1)
    return x[:, : shape[0]].clamp(-1, 1)
