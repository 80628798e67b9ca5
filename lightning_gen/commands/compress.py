"""The command ``compress``: samples to a file of the indices of their codes."""

import os
import sys

from lightning_gen.applications import Trained, fit_tables, kept_tables, read_inputs
from lightning_gen.applications import compress as compressed
from lightning_gen.applications.compression import quantizing
from lightning_gen.applications.container import LGZ
from lightning_gen.applications.index_coding import range_coder
from lightning_gen.commands.output import output_file, show, tell
from lightning_gen.data import DataModule
from lightning_gen.data.cache import OnError
from lightning_gen.errors import InputError
from lightning_gen.outputs import check_product, writing
from lightning_gen.paths import written
from lightning_gen.terminal import say


def compress(
    checkpoint: str,
    inputs: list[str],
    out: str = "compressed.lgz",
    output: str | None = None,
    device: str = "auto",
    on_error: OnError = "raise",
    data: DataModule | None = None,
    overwrite: bool = False,
) -> None:
    """Compress samples by an autoencoder with a quantizer, such as a VQ-VAE, to one file; ``decompress`` reads it.

    The file holds the indices of the codes, by a range coder whose probabilities are tables of whole numbers, so that
    every machine reads the same indices. The tables are fitted to the training split when they are first used, which
    takes up to two minutes, and are stored in the checkpoint: it alone, or a copy made later, reads the file. Printed
    are the bits of the file per pixel, or other place of a sample, and the error of what it gives back.

    Args:
        checkpoint: A checkpoint, such as runs/vq_vae/checkpoints/last.ckpt, or the folder of its run, runs/vq_vae.
        inputs: Folders and files, such as pictures or sounds; an array .npy, .npz or .pt; or train, val or test.
        out: The file, which ends in .lgz.
        output: A JSON file for the rate and the error, with their protocol.
        device: Where the networks run, such as cpu or cuda; auto is a GPU if there is one.
        on_error: What happens if files cannot be read: raise names them all, skip leaves them out.
        data: The data that tables are fitted to if the checkpoint has none; the training data if left out. Its options
            alone, such as --data.folder, change those of the training data.
        overwrite: Whether an older file is replaced.

    Raises:
        InputError: The checkpoint or the inputs cannot be read, do not fit each other, or the codes are no whole
            numbers.
    """
    target = written(out)
    if target.suffix != LGZ.ending:
        raise InputError(f"--out {target} is a file of its own kind: give a name that ends in {LGZ.ending}")
    check_product(target, LGZ, overwrite)
    report = output_file(output, "compressed.json")
    range_coder()
    trained = Trained.open(checkpoint, device)
    quantizing(trained)
    tables = kept_tables(trained)
    if tables is not None and data is not None:
        raise InputError(
            f"--data are what tables are fitted to, and {trained.path} has tables already, with which files were "
            "written: leave --data out"
        )
    found = read_inputs(trained, inputs, on_error)
    found.require_labels()
    tell(found.notes)
    if tables is None:
        check_stored(trained.path)
        say("fitting tables to the indices of the training split, for this checkpoint once", sys.stderr)
        tables = fit_tables(trained, data)
        say(f"they are stored in {trained.path}, which alone reads the file", sys.stderr)
    result = compressed(found, tables)
    with writing(target) as file:
        file.write(result.data)
    show(result.report(trained.path), report)
    say(f"\n{len(found):,} {trained.medium.noun} in {target}, {len(result.data):,} bytes")


def check_stored(path: str) -> None:
    """Check that tables can be stored in a checkpoint, before they are fitted.

    Raises:
        InputError: The folder of the file cannot be written.
    """
    folder = os.path.dirname(os.path.realpath(path))
    if not os.access(folder, os.W_OK):
        raise InputError(
            f"tables are fitted once and stored in {path}, and you may not write into {folder}: give a copy of the "
            "checkpoint, and keep it to read the file"
        )
