"""Axes through a latent: dimensions of a code, principal components, directions of great effect, and classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightning_gen.applications.directions import CODES, directions
from lightning_gen.applications.latents import DrawnCodes
from lightning_gen.errors import InputError
from lightning_gen.media.files import read_array
from lightning_gen.media.rows import class_name
from lightning_gen.records import Shape
from lightning_gen.training import GenerativeModule

QUANTILES = (0.05, 0.95)
"""The part of the codes of data that an axis spans."""
COMPONENTS = 64
"""Number of principal components among which directions of maps of codes are searched."""


@dataclass(frozen=True)
class Axis:
    """A straight line through a latent.

    Attributes:
        name: Its name.
        vector: Its direction, ``(*latent_shape)``.
        low: Where it begins, in multiples of the vector from the latent, at most 0.
        high: Where it ends, at least 0.
        meaning: What it is and what range it has, for the user.
    """

    name: str
    vector: Tensor
    low: float
    high: float
    meaning: str


def spanning(name: str, vector: Tensor, codes: Tensor, start: Tensor, scale: float, about: str) -> Axis:
    """The axis through a latent over the range of codes, from their 5 % to their 95 % quantile.

    Where the latent itself lies beyond a quantile, the axis ends with it.

    Args:
        name: The name of the axis.
        vector: Its direction of norm 1, ``(*latent_shape)``.
        codes: Codes ``(n, *latent_shape)``.
        start: The latent, ``(*latent_shape)``.
        scale: Factor of the distances from the latent.
        about: What the axis is, for the user.
    """
    flat = vector.flatten().to(codes)
    places = codes.flatten(1) @ flat
    own = float(start.flatten().to(codes) @ flat)
    lower, upper = (float(places.quantile(share)) for share in QUANTILES)
    low, high = scale * min(lower - own, 0.0), scale * max(upper - own, 0.0)
    return Axis(name, vector, low, high, f"{about}, from {own + low:.3g} to {own + high:.3g}, start at {own:.3g}")


Axes = Callable[[GenerativeModule, Tensor, DrawnCodes, int, float, int | None], list[Axis]]
"""The model, the latent ``(*latent_shape)``, codes, the number of axes, the scale and the class to axes."""


def dimension_axes(
    module: GenerativeModule, start: Tensor, codes: DrawnCodes, count: int, scale: float, label: int | None = None
) -> list[Axis]:
    """The dimensions of a code by falling mean divergence from the prior, or by falling variance where there is none.

    A number of a map of codes says little alone: there they are the principal components of the codes of data, which
    are maps themselves.

    Args:
        module: The model.
        start: The code, ``(*latent_shape)``.
        codes: Codes of data.
        count: Maximum number of axes.
        scale: Factor of the distances from the code.
        label: Unused: codes are the same for all classes.
    """
    if len(module.latent_shape) > 1:
        return component_axes(start, codes, count, scale)
    variance = codes.values.var(0, correction=0)
    order = (variance if codes.divergence is None else codes.divergence).argsort(descending=True, stable=True)
    unit = torch.eye(len(variance))
    return [
        spanning(f"dim {index}", unit[index], codes.values, start, scale, worth(codes, variance, index))
        for index in order[:count].tolist()
    ]


def worth(codes: DrawnCodes, variance: Tensor, index: int) -> str:
    """How much a dimension of a code tells, in words."""
    if codes.divergence is None:
        return f"variance {float(variance[index]):.3g}"
    return f"KL {float(codes.divergence[index]):.3g} nats"


def components(codes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The principal components of codes ``(n, *latent_shape)``, orthonormal, and their shares of the variance."""
    from sklearn.decomposition import PCA  # here: it takes long to import

    flat = codes.flatten(1)
    pca = PCA(min(count, *flat.shape), random_state=0).fit(flat.numpy())
    vectors = torch.from_numpy(pca.components_).to(codes.dtype)
    return vectors.view(-1, *codes.shape[1:]), torch.from_numpy(pca.explained_variance_ratio_)


def component_axes(start: Tensor, codes: DrawnCodes, count: int, scale: float) -> list[Axis]:
    """The principal components of codes, the one with the greatest variance first."""
    vectors, shares = components(codes.values, count)
    return [
        spanning(f"comp {index}", vector, codes.values, start, scale, f"{share:.1%} of the variance of maps of codes")
        for index, (vector, share) in enumerate(zip(vectors, shares.tolist(), strict=True))
    ]


def direction_axes(
    module: GenerativeModule, start: Tensor, codes: DrawnCodes, count: int, scale: float, label: int | None = None
) -> list[Axis]:
    """The directions in which samples change most; see `directions`. Those of maps are searched among components."""
    basis = components(codes.values, COMPONENTS)[0] if len(module.latent_shape) > 1 else None
    latents = codes.values[:CODES].to(module.device)
    labels = None if label is None else torch.full((len(latents),), label, device=module.device)
    found = directions(module, latents, labels, basis)
    return [
        spanning(f"dir {index}", vector, codes.values, start, scale, f"share {share:.1%} ({found.source})")
        for index, (vector, share) in enumerate(zip(found.vectors, found.shares.tolist(), strict=True))
    ][:count]


def class_axes(
    module: GenerativeModule, start: Tensor, codes: DrawnCodes, count: int, scale: float, label: int | None = None
) -> list[Axis]:
    """The mean code of each class minus the mean of all codes, from minus to plus the whole difference.

    Raises:
        InputError: The data have no classes.
    """
    if codes.labels is None:
        raise InputError(
            "these data have no classes whose mean codes could be compared: give data with classes, such as a folder "
            "with a sub-folder a class, or take --along dimensions"
        )
    present = codes.labels.unique().tolist()[:count]
    return [class_axis(codes, each, scale) for each in present]


def class_axis(codes: DrawnCodes, label: int, scale: float) -> Axis:
    """The axis of one class."""
    chosen = codes.values[codes.labels == label]
    vector = chosen.mean(0) - codes.values.mean(0)
    about = f"mean of {len(chosen):,} codes minus that of all {len(codes.values):,}, of norm {float(vector.norm()):.3g}"
    return Axis(class_name(label, codes.classes), vector, -scale, scale, f"{about}, times {-scale:g} to {scale:g}")


def own_axis(path: Path, shape: Shape, scale: float) -> Axis:
    """The direction in a file, from minus to plus itself.

    Args:
        path: A .npy file.
        shape: Shape of a latent.
        scale: Factor of the direction.

    Raises:
        InputError: The file is no array of numbers of this shape, or all are 0.
    """
    vector = read_array(path)
    if tuple(vector.shape) != shape:
        raise InputError(
            f"{path} has shape {tuple(vector.shape)} and a latent of the model {shape}: give a direction of that shape"
        )
    vector = vector.float()
    if not vector.isfinite().all() or not vector.any():
        raise InputError(f"{path} is 0 everywhere or not finite, which is no direction: give other numbers")
    about = f"the direction of {path}, of norm {float(vector.norm()):.3g}, times {-scale:g} to {scale:g}"
    return Axis(path.stem, vector, -scale, scale, about)


ALONG: dict[str, Axes] = {"dimensions": dimension_axes, "directions": direction_axes, "classes": class_axes}
"""What a path can go along, by name."""


def described(axes: Sequence[Axis]) -> list[str]:
    """A line for each axis, for the user."""
    width = max(len(axis.name) for axis in axes)
    return [f"{axis.name:<{width}}  {axis.meaning}" for axis in axes]
