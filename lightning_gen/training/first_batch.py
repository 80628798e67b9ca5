"""Checks of the first batch of each split; later batches are not checked, as a check waits for the device."""

from typing import NamedTuple

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.records import Batch, Shape

ROUNDING = 1e-3
"""How far beyond [-1, 1] an image may be."""


class PixelsOnly(NamedTuple):
    """The part of a model that supports images in [-1, 1] alone.

    Attributes:
        part: Its name.
        otherwise: What to do where the samples are no such images, as the end of a sentence.
    """

    part: str
    otherwise: str


def check_first_batch(
    batch: Batch, place: str, shape: Shape, medium: Medium, classes: int | None, limit: PixelsOnly | None
) -> None:
    """Check that a batch can be trained or evaluated on; warn of images in another range.

    Args:
        batch: Samples ``(n, *shape)`` as models take them, with their labels.
        place: Its name in messages.
        shape: Shape of the model's samples.
        medium: What a sample is.
        classes: Number of classes of the model; None if it uses no labels.
        limit: The part that supports images in [-1, 1] alone; None if all numbers are allowed.

    Raises:
        InputError: Samples are of another shape, not finite, or outside [-1, 1] where they must not be, or labels are
            no classes that the model knows.
    """
    x, labels = batch
    if tuple(x.shape[1:]) != tuple(shape):
        raise InputError(
            f"{place} holds samples of shape {tuple(x.shape[1:])} and the model is of shape {tuple(shape)}: build it "
            "for the shape of the data, or bring the data to its own"
        )
    if classes is not None and labels is not None:
        _check_labels(labels, place, len(x), classes)
    finite = x.flatten(1).isfinite().all(1)
    if not finite.all():
        first = int((~finite).nonzero()[0])
        raise InputError(
            f"{place} holds values that are not finite, first in its sample {first}: remove such samples from the data"
        )
    if len(x):
        _check_range(x, place, medium, limit)


def _check_range(x: Tensor, place: str, medium: Medium, limit: PixelsOnly | None) -> None:
    low, high = float(x.min()), float(x.max())
    if limit is not None and max(-low, high) > 1 + ROUNDING:
        raise InputError(
            f"{limit.part} is for images in [-1, 1] and {place} goes from {low:.3g} to {high:.3g}: give them as "
            f"uint8, scale them (x / 127.5 - 1 where they go from 0 to 255), or {limit.otherwise}"
        )
    if medium.bounded and 0 <= low < high:
        rank_zero_warn(
            f"{medium.noun} are in [-1, 1] here and no {medium.place} of the first batch is below 0: if yours are in "
            "[0, 1], scale them by x * 2 - 1 or give them as whole numbers, or else metrics such as mse are wrong"
        )


def _check_labels(labels: Tensor, place: str, count: int, classes: int) -> None:
    if labels.dtype != torch.int64 or labels.shape != (count,):
        raise InputError(
            f"the labels of {place} are {str(labels.dtype).removeprefix('torch.')} of shape {tuple(labels.shape)}: let "
            f"the DataLoader yield a class index from 0 to {classes - 1} for each sample, (n,), such as "
            "labels.argmax(1) of one-hot rows"
        )
    if count and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise InputError(
            f"{place} holds labels from {int(labels.min())} to {int(labels.max())} and the networks know the classes 0 "
            f"to {classes - 1}: number the classes from 0, or set num_classes"
        )
