"""Compression by a quantizer: samples to a file of the indices of their codes, and back."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

from lightning_gen import __version__
from lightning_gen.applications.container import KEY, SHOWN, Header, WholeFile, damaged, packed, shortened, unpacked
from lightning_gen.applications.index_coding import decoded, encoded, range_coder
from lightning_gen.applications.index_tables import IndexTables, as_maps, from_maps
from lightning_gen.applications.inputs import Inputs
from lightning_gen.applications.reading import of_split
from lightning_gen.applications.trained import Trained, require_no_translator
from lightning_gen.checkpoint.added import NotAdded, add
from lightning_gen.checkpoint.samplers import weights_key
from lightning_gen.contexts import evaluating
from lightning_gen.data import DataModule
from lightning_gen.data.cache import progress
from lightning_gen.data.loader import Samples
from lightning_gen.errors import InputError
from lightning_gen.metrics.reconstruction import ReconstructionError, reconstruction_error
from lightning_gen.metrics.report import Measurement, Report
from lightning_gen.modules.autoencoder_base import Autoencoder

COUNTED = 2**22
"""Maximum number of indices of the training split that tables are fitted to."""

QUANTIZING = (
    "with VectorQuantizer, ResidualQuantizer or FiniteScalarQuantizer, such as --config autoencoder/vq_vae for images "
    "or autoencoder/sound_rq for sounds"
)
"""How an autoencoder is trained whose codes are whole numbers."""


@dataclass(frozen=True)
class Compressed:
    """Samples as a file, and what that costs and loses.

    Attributes:
        data: The content of the file.
        header: Its header.
        payload: Bytes of the indices in it.
        error: The error of the samples that the file gives back, as 8-bit pixels.
        place: What a place of a sample is called, such as "pixel".
    """

    data: bytes
    header: Header
    payload: int
    error: ReconstructionError
    place: str

    @property
    def rate(self) -> float:
        """Bits of the whole file per place: for images 8 · bytes / (n · height · width), whatever the channels."""
        return 8 * len(self.data) / (self.header.count * prod(self.header.shape[1:]))

    def report(self, checkpoint: str) -> Report:
        """The rate and the error with their protocol."""
        overhead, place = 1 - self.payload / len(self.data), self.place
        rate = (
            Measurement(
                f"bits_per_{place}", self.rate, f"bits of the whole file per {place}, with names and checksums"
            ),
            Measurement("header_share", overhead, "share of the file that is no index: names, keys, checksums"),
        )
        card = {
            "checkpoint": checkpoint,
            "samples": self.header.count,
            "shape": list(self.header.shape),
            "file_bytes": len(self.data),
            "indices_bytes": self.payload,
            "codes": list(self.header.sizes),
            "map_size": list(self.header.map_size),
            "compared": "stored values that decompress writes, such as 8-bit pixels",
        }
        return Report(rate + self.error.measurements(), card)


# models ---------------------------------------------------------------------------------------------------------------


def quantizing(trained: Trained) -> Autoencoder:
    """The model, as one whose codes can be written exactly.

    Raises:
        InputError: It has no such codes.
    """
    module = trained.module
    require_no_translator(trained, "codes to write")
    if not module.reconstructs:
        raise InputError(
            f"{trained.path} is a GAN, which has no encoder and no codes to write: train an autoencoder {QUANTIZING}"
        )
    coder = cast(Autoencoder, module)
    if not module.quantizes:
        raise InputError(
            f"{type(coder.bottleneck).__name__} gives codes that are no whole numbers, so they cannot be written "
            f"exactly: train {QUANTIZING}"
        )
    return coder


def decoding_key(module: Autoencoder) -> str:
    """A key of the weights that turn indices to samples."""
    return weights_key(module.networks.bottleneck, module.networks.decoder)


def kept_tables(trained: Trained) -> IndexTables | None:
    """The tables in the checkpoint that were fitted to the indices as they are now; None if there are none."""
    module = quantizing(trained)
    stored = module.index_tables
    return IndexTables.rebuilt(stored) if stored and stored["encoded_by"] == module.code_key() else None


@torch.no_grad()
def indices_of(trained: Trained, inputs: Inputs, title: str) -> tuple[Tensor, tuple[int, ...]]:
    """The indices of samples, int32 ``(n, codebooks, height, width)``, and the codes of each codebook."""
    module, found = quantizing(trained), []
    sizes: tuple[int, ...] = ()
    with evaluating(module):
        for batch in inputs.batches(title):
            quantizations = module.quantizations_of(batch)
            sizes = tuple(each.size for each in quantizations)
            found.append(as_maps([each.indices for each in quantizations]).to("cpu", torch.int32))
    return torch.cat(found), sizes


def fit_tables(trained: Trained, data: DataModule | None = None, seed: int = 0) -> IndexTables:
    """Fit tables to the indices of the training split, and store them in the checkpoint: it alone reads the files.

    Args:
        trained: The model.
        data: The data; None for those that the checkpoint names.
        seed: Seed of the choice of samples, where the split is large, and of the fit.

    Raises:
        InputError: The data are not there or have another shape, or the checkpoint cannot be written.
    """
    module = quantizing(trained)
    split = of_split(trained, "train", data)
    split.require_labels()
    most = max(1, COUNTED // int(np.prod(module.encoder.map_size)))
    if len(split) > most:
        split = part_of(split, torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:most])
    indices, sizes = indices_of(trained, split, "encoding the training split")
    tables = IndexTables.fit(indices, sizes, module.code_key(), seed)
    try:
        add({"index_tables": tables.described()}, trained.stored, trained.path, only_new=True)
    except NotAdded as error:
        raise InputError(
            f"{error}: the tables are not stored there, and a file could not be read without them; give a checkpoint "
            "that can be written and that no run rewrites, such as a copy"
        ) from error
    module.index_tables = tables.described()
    return tables


def part_of(inputs: Inputs, rows: Tensor) -> Inputs:
    """Some of the samples, in their order."""
    chosen = rows.sort().values.tolist()
    names = [inputs.names[row] for row in chosen]
    labels = None if inputs.labels is None else inputs.labels[chosen]
    return replace(inputs, names=names, samples=cast(Samples, Subset(cast(Any, inputs.samples), chosen)), labels=labels)


# writing and reading --------------------------------------------------------------------------------------------------


@torch.no_grad()
def compress(inputs: Inputs, tables: IndexTables) -> Compressed:
    """Compress samples to the content of a file.

    Args:
        inputs: The samples, with their model.
        tables: Of `fit_tables` or `kept_tables`.

    Raises:
        InputError: The model's codes cannot be written, classes are missing, or constriction is missing.
    """
    trained = inputs.trained
    module, medium = quantizing(trained), trained.medium
    inputs.require_labels()
    range_coder()
    maps: list[Tensor] = []
    checksums: list[int] = []

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for batch in inputs.batches("compressing"):
            found = [each.indices for each in module.quantizations_of(batch)]
            stored = medium.to_stored(module.decode_indices(found, batch.labels))
            maps.append(as_maps(found).to("cpu", torch.int32))
            checksums.append(checksum_of(stored))
            yield batch.x, medium.to_model(stored)

    with evaluating(module):
        error = reconstruction_error(pairs(), medium)
    indices = torch.cat(maps).numpy()
    payload = encoded(indices, tables)
    conditional = module.num_classes is not None and inputs.labels is not None
    header = Header(
        version=__version__,
        weights=decoding_key(module)[:KEY],
        tables=tables.key[:KEY],
        shape=tuple(module.data_shape),
        map_size=tables.map_size,
        sizes=tables.sizes,
        count=len(inputs),
        batch_size=inputs.batch_size,
        indices=zlib.crc32(indices.astype("<i4").tobytes()),
        pixels=tuple(checksums),
        names=shortened(list(inputs.names)) if not inputs.wholes else "window/",
        labels=tuple(inputs.labels.tolist()) if conditional and inputs.labels is not None else None,
        wholes=tuple(WholeFile(whole.name, whole.windows.sides) for whole in inputs.wholes),
    )
    return Compressed(packed(header, payload), header, len(payload), error, medium.place)


def checksum_of(stored: Tensor) -> int:
    """CRC-32 of stored values."""
    return zlib.crc32(stored.contiguous().numpy().tobytes())


@dataclass(frozen=True)
class Content:
    """What is in a file, its indices decoded and checked.

    Attributes:
        header: What the file says of them.
        maps: The indices, int32 ``(n, codebooks, height, width)``.
        trained: The model that wrote it.
    """

    header: Header
    maps: np.ndarray
    trained: Trained

    @torch.no_grad()
    def batches(self, title: str = "") -> Iterator[tuple[Tensor, bool]]:
        """Samples as model values ``(n, *shape)``, in the batches in which they were compressed.

        Each comes with whether its stored values are those of the machine that compressed it.
        """
        module, medium = quantizing(self.trained), self.trained.medium
        header, device = self.header, self.trained.device
        starts = range(0, header.count, header.batch_size)
        labels = None if header.labels is None else torch.tensor(header.labels)
        with evaluating(module):
            for start, wanted in progress(zip(starts, header.pixels, strict=True), len(starts), title, calm=True):
                rows = slice(start, start + header.batch_size)
                maps = torch.from_numpy(self.maps[rows]).long().to(device)
                classes = None if labels is None else labels[rows].to(device)
                x = module.decode_indices(from_maps(maps, module.encoder.map_size), classes)
                yield x, checksum_of(medium.to_stored(x)) == wanted


def read_compressed(path: Path, trained: Trained) -> Content:
    """Read a file that `compress` wrote.

    Args:
        path: The file.
        trained: The model that wrote it.

    Raises:
        InputError: The file is missing, of another kind or format, cut or damaged; or it was written by other weights
            or tables than these; or constriction is missing.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give a file that compress wrote") from error
    header, payload = unpacked(data, path)
    if not trained.module.quantizes:
        raise InputError(
            f"{path} was written by an autoencoder with a quantizer, which {trained.path} is not: give the checkpoint "
            "that wrote it"
        )
    module = quantizing(trained)
    if not same_key(header.weights, key := decoding_key(module)):
        raise InputError(
            f"{path} was written with other weights ({header.weights[:SHOWN]}) than {trained.path} has "
            f"({key[:SHOWN]}): give the checkpoint that wrote it"
        )
    tables = kept_tables(trained)
    if tables is None or not same_key(header.tables, tables.key):
        has = "no tables" if tables is None else f"those of {tables.key[:SHOWN]}"
        raise InputError(
            f"{path} was written with the tables {header.tables[:SHOWN]} and {trained.path} has {has}: give the file "
            "of the checkpoint that wrote it, in which compress stored them, or a copy made after that"
        )
    if (header.map_size, header.sizes, header.shape) != (tables.map_size, tables.sizes, tuple(module.data_shape)):
        raise damaged(path, "its sizes are not those of the model")
    if (header.labels is None) != (module.num_classes is None) or max(header.labels or (0,)) >= (
        module.num_classes or 1
    ):
        raise damaged(path, "its classes are not those of the model")
    try:
        maps = decoded(payload, header.count, tables)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    if zlib.crc32(maps.astype("<i4").tobytes()) != header.indices:
        raise InputError(
            f"the indices in {path} are not those that were written, although the file is complete: install the "
            "version of constriction that wrote it"
        )
    return Content(header, maps, trained)


def same_key(written: str, key: str) -> bool:
    """Whether the start of a key in a file is that of a key."""
    return len(written) == KEY and key.startswith(written)
