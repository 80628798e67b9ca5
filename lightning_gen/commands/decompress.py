"""The command ``decompress``: a file of ``compress`` back to pictures."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from torch import Tensor

from lightning_gen.applications import Trained, read_compressed
from lightning_gen.applications.container import Header
from lightning_gen.applications.index_coding import range_coder
from lightning_gen.applications.inputs import Whole, product_names
from lightning_gen.applications.products import Write, array, collection, folder, joined
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.outputs import ARRAY, Kind, check_product
from lightning_gen.paths import expanded, written
from lightning_gen.terminal import say


def decompress(
    file: str, checkpoint: str | None = None, out: str = "decompressed", device: str = "auto", overwrite: bool = False
) -> None:
    """Write the pictures of a file of ``compress`` as PNG, under their names: the model's reconstructions.

    The indices in the file are read exactly on every machine. The pixels are the same on the same kind of machine and
    device; where they are not, a warning counts the pictures.

    Args:
        file: A file that compress wrote, ending in .lgz.
        checkpoint: The checkpoint that wrote it, or the folder of its run: the same file, with the tables in it.
        out: A folder, or a file that ends in .npy for an array of all samples, or in .txt for lines of text.
        device: Where the network runs, such as cpu or cuda; auto is a GPU if there is one.
        overwrite: Whether older files are replaced.

    Raises:
        InputError: The file is damaged or of other weights, tables or formats, or the output cannot be written.
    """
    if checkpoint is None:
        raise InputError(
            f"{file} holds indices, which only the checkpoint that wrote them turns into samples: add --checkpoint FILE"
        )
    target = written(out)
    range_coder()
    trained = Trained.open(checkpoint, device)
    kinds = {kind.ending: kind for kind in trained.medium.collections}
    kind = kinds.get(target.suffix)
    if kind is None and trained.medium.single is None:
        raise InputError(
            f"{trained.medium.noun} have no files of their own: give an --out that ends in {' or '.join(kinds)}"
        )
    check_product(target, kind, overwrite)
    content = read_compressed(expanded(file), trained)
    medium, header, differing = trained.medium, content.header, 0

    def samples() -> Iterator[Tensor]:
        nonlocal differing
        for x, same in content.batches("decompressing"):
            differing += 0 if same else len(x)
            yield x

    with files(target, header, medium) if kind is None else whole(target, kind, header, medium) as write:
        for x in samples():
            write(None, medium.to_stored(x))
    if differing:
        say(
            f"warning: {differing:,} of {header.count:,} are in batches whose values differ somewhere from those "
            "of the machine that compressed them, as other processors and devices round differently",
            sys.stderr,
        )
    say(f"{header.count:,} {medium.noun} in {target}")


def whole(target: Path, kind: Kind, header: Header, medium: Medium) -> AbstractContextManager[Write]:
    """What writes one file for all samples."""
    return array(target, header.count) if kind is ARRAY else collection(target, medium)


def files(target: Path, header: Header, medium: Medium) -> AbstractContextManager[Write]:
    """What writes a folder with a file for each sample, or for each file whose windows the samples are."""
    ending = medium.ending
    if not header.wholes:
        return folder(target, product_names(header.listed_names(), ending), medium)
    names = product_names([whole.name for whole in header.wholes], ending)
    wholes = [Whole(name, each) for name, each in zip(names, header.windows(), strict=True)]
    return joined(target, names, wholes, medium)
