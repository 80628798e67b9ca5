"""The command ``reconstruct``: what is left of samples in a trained model."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from lightning_gen.applications import Trained, read_inputs
from lightning_gen.applications.code_files import CODES, code_file, holds_codes, read_codes
from lightning_gen.applications.error_table import ERRORS, ErrorTable
from lightning_gen.applications.inputs import Whole, product_names
from lightning_gen.applications.inversion import Inversion, Search
from lightning_gen.applications.products import Write, array, collection, folder, joined, sheet
from lightning_gen.applications.reconstruction import (
    Reconstructed,
    by_search,
    from_codes,
    own_errors,
    squared_errors,
    through_code,
)
from lightning_gen.applications.trained import require_no_translator
from lightning_gen.commands.output import check_apart, output_file, show, tell
from lightning_gen.commands.sample import check_data
from lightning_gen.commands.seeds import check_seed
from lightning_gen.data.cache import LISTED, OnError
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.metrics.report import Report
from lightning_gen.modules import GANModule
from lightning_gen.outputs import ARRAY, PNG, Kind, check_place, check_product
from lightning_gen.paths import expanded, written
from lightning_gen.terminal import say

TABLE = "errors.csv"
"""The name of the table of errors in a folder of reconstructions."""
OWN = 8
"""Maximum number of a GAN's own samples whose latents are searched, to measure what the search loses."""
OVERLAP = 0.25
"""Share of a window that the next one covers too, in files that are reconstructed in windows and joined."""
HARDLY = 0.9
"""Share of the error of the mean sample from which on a sample counts as not invertible."""


@dataclass(frozen=True, eq=False)
class Source:
    """Where reconstructions come from.

    Attributes:
        names: The name of each.
        made: The reconstructions, batch by batch; they are made while they are read.
        protocol: How they are made, as plain data.
        measured: Whether they have samples to be compared with.
        wholes: The files whose windows they are, which are joined; empty where each is a file of its own.
        inversion: The search, where they are searched.
        told_classes: Whether the search is told the classes of the samples.
    """

    names: Sequence[str]
    made: Iterator[Reconstructed]
    protocol: dict[str, Any]
    measured: bool = True
    wholes: tuple[Whole, ...] = ()
    inversion: Inversion | None = None
    told_classes: bool = False


def reconstruct(
    checkpoint: str,
    inputs: list[str],
    out: str = "reconstructions.png",
    codes: str | None = None,
    errors: str | None = None,
    output: str | None = None,
    steps: int | None = None,
    restarts: int | None = None,
    seed: int = 0,
    max_sheet: int = 64,
    device: str = "auto",
    on_error: OnError = "raise",
    overwrite: bool = False,
) -> None:
    """Reconstruct pictures or other samples by a trained model, and measure the error of each.

    Autoencoders decode the code of each sample, without noise. A GAN has no encoder: for each sample latents are
    searched from which its generator makes one as close as possible, which takes seconds to minutes a picture. Its own
    samples are found again well, pictures of others less so; the error of both is printed, beside that of the mean of
    its samples, which every search should be better than. The codes that --codes writes can be given as inputs, and
    are decoded to the same reconstructions.

    Args:
        checkpoint: A checkpoint, such as runs/vae/checkpoints/last.ckpt, or the folder of its run, runs/vae.
        inputs: Folders and files, such as pictures or sounds; an array .npy, .npz or .pt; train, val or test
            for a split of the training data; or a file that --codes wrote.
        out: A folder for a file of each reconstruction, under the name of its input, and the table errors.csv; a file
            ending in .npy for an array; or in .png for a sheet of inputs, each with its reconstruction on the right.
            Long files, such as sounds, are reconstructed in windows that overlap, and joined.
        codes: A .npz file for the codes, or the latents that were found, with the names of the inputs.
        errors: A .csv file for the error of each input, if it is not to be errors.csv in the folder.
        output: A JSON file for the mean error and its protocol.
        steps: Steps of the search, for GANs: 500 if left out.
        restarts: Searches for each sample, of which the best is kept, for GANs: 4 if left out.
        seed: Seed of the latents that a search starts from.
        max_sheet: Maximum number of inputs on a sheet.
        device: Where the model runs, such as cpu or cuda; auto is a GPU if there is one.
        on_error: What happens if files cannot be read: raise names them all, skip leaves them out.
        overwrite: Whether what is at --out, --codes and --errors may be replaced.

    Raises:
        InputError: The checkpoint or the inputs cannot be read or do not fit each other, or a file cannot be written.
    """
    target, report = written(out), output_file(output, "reconstruction.json")
    check_seed(seed)
    if max_sheet < 1:
        raise InputError(f"--max_sheet must be at least 1, not {max_sheet}")
    given = {name: value for name, value in {"steps": steps, "restarts": restarts}.items() if value is not None}
    search = Search(seed=seed, **given)
    code_target = product("codes", codes, CODES, overwrite)
    table = product("errors", errors, ERRORS, overwrite)
    trained = Trained.open(checkpoint, device)
    medium = trained.medium
    check_model(trained, given)
    kind = kind_of(target, medium)
    check_product(target, kind, overwrite)
    source = source_of(trained, inputs, search, on_error, OVERLAP if kind is None else 0.0)
    names = list(source.names) if kind is not None else file_names(source, medium)
    if not source.measured and table is not None:
        raise InputError("codes alone have no samples to measure errors of: leave --errors out")
    if kind is None and source.measured:
        table = table or target / TABLE
    single = medium.single
    written_files = {target: kind} if kind else {target / name: single for name in names if single}
    others = {place: each for place, each in ((table, ERRORS), (code_target, CODES)) if place is not None}
    check_files({**written_files, **others}, inputs, trained)
    found: list[Tensor] = []
    of_mean: list[Tensor] = []
    with ExitStack() as files:
        write = files.enter_context(products(target, kind, names, source.wholes, medium, max_sheet))
        keep = files.enter_context(code_file(code_target, source.names, trained)) if code_target else None
        for batch in source.made:
            write(batch.x, batch.stored)
            if keep is not None:
                keep(batch.codes, batch.labels)
            if batch.x is not None:
                found.append(squared_errors(batch.x, batch.stored, medium))
                of_mean += mean_errors(batch.x, source.inversion, medium)
    made = Report(card={"checkpoint": trained.path, "inputs": " ".join(inputs), **source.protocol})
    if found:
        every = ErrorTable(source.names, torch.cat(found), medium)
        if table is not None:
            every.write(table)
        say("\n".join(every.to_text()) + "\n")
        made = every.report("", "reconstructions as they are written", "reconstructions") + made
        made += beside(trained, source, every, of_mean)
    show(made, report)
    places = [str(each) for each in (target, code_target, table) if each is not None]
    more = ""
    if kind is PNG and len(source.names) > max_sheet:
        more = f" (the first {max_sheet} on the sheet: give a folder for all, or --max_sheet)"
    say(f"\n{len(source.names):,} reconstructions in {', '.join(places)}{more}")
    for sentence in not_inverted(source.names, found, of_mean, medium):
        say(sentence)


# before anything is computed ------------------------------------------------------------------------------------------


def product(option: str, given: str | None, kind: Kind, overwrite: bool) -> Path | None:
    """The file of an option, checked; None without one.

    Raises:
        InputError: It ends in another way, exists and may not be replaced, or cannot be written.
    """
    if given is None:
        return None
    target = written(given)
    if target.suffix != kind.ending:
        raise InputError(f"--{option} {target} is a {kind.name}: give a name that ends in {kind.ending}")
    check_product(target, kind, overwrite, option)
    return target


def kind_of(target: Path, medium: Medium) -> Kind | None:
    """The kind of the file of ``--out``; None for a folder.

    Raises:
        InputError: Samples of this kind cannot be written there.
    """
    kind = medium.kind_of(target)
    if kind is None or (kind is PNG and target.suffix and not medium.tiled):
        places = [each.ending for each in medium.collections] + ([PNG.ending] if medium.tiled else [])
        folders = ", or a folder" if medium.single is not None else ""
        raise InputError(
            f"--out {target} cannot hold reconstructions of {medium.noun}: give a name that ends in "
            f"{' or '.join(places)}{folders}"
        )
    return kind if target.suffix else None


def check_model(trained: Trained, given: Iterable[str]) -> None:
    """Check that a model can reconstruct, and that the options of a search are given for one alone.

    Raises:
        InputError: They are not, or it cannot.
    """
    require_no_translator(trained, "reconstructions")
    module = trained.module
    if not module.reconstructs and not module.inverts:
        raise InputError(
            f"{type(module).__name__} has neither an encoder nor latents to search: give the checkpoint of an "
            "autoencoder or of a GAN"
        )
    if module.reconstructs and (options := [f"--{each}" for each in given]):
        raise InputError(f"an autoencoder has an encoder and searches nothing: leave out {' and '.join(options)}")


def file_names(source: Source, medium: Medium) -> list[str]:
    """The names of the files in a folder of reconstructions: one for each sample, or for each file that was read."""
    given = [whole.name for whole in source.wholes] or source.names
    return product_names(given, medium.ending)


def source_of(trained: Trained, inputs: list[str], search: Search, on_error: OnError, overlap: float) -> Source:
    """Where reconstructions come from: a file of codes, or samples that are encoded, or whose latents are searched.

    Raises:
        InputError: The inputs cannot be read, or do not fit the model.
    """
    module, medium = trained.module, trained.medium
    if len(inputs) == 1 and holds_codes(path := expanded(inputs[0])):
        codes = read_codes(path, trained)
        return Source(codes.names, from_codes(codes, trained), {"reconstruction": "decoded from codes"}, measured=False)
    found = read_inputs(trained, inputs, on_error, overlap)
    tell(found.notes)
    compared = {"samples": len(found), "compared_as": f"{medium.compared_as}, as they are written"}
    if module.reconstructs:
        found.require_labels()
        width = prod(module.latent_shape)
        how = {"reconstruction": f"decoded from codes of {width} numbers without noise"}
        return Source(found.names, through_code(found), {**how, **compared}, wholes=found.wholes)
    told = module.num_classes is not None
    if told:
        try:
            found.require_labels()
        except InputError:
            told = False
            say(
                f"the samples have no classes that the model knows: its {module.num_classes} are searched too",
                sys.stderr,
            )
    inversion = Inversion(cast(GANModule, module), search)
    return Source(
        found.names,
        by_search(found, inversion, told),
        {"search": inversion.protocol, **compared},
        wholes=found.wholes,
        inversion=inversion,
        told_classes=told,
    )


def check_files(files: Mapping[Path, Kind], inputs: Iterable[str], trained: Trained) -> None:
    """Check all files that are written: none may be an input or in the training data, or replace one of another kind.

    Raises:
        InputError: One is, or does.
    """
    check_apart(files, inputs)
    for file, kind in files.items():
        if file.exists():
            check_place(file, kind)
            check_data(file, trained.described_data)


# while and after ------------------------------------------------------------------------------------------------------


def products(
    target: Path, kind: Kind | None, names: Sequence[str], wholes: Sequence[Whole], medium: Medium, most: int
) -> AbstractContextManager[Write]:
    """What writes the reconstructions: files in a folder, a sheet of at most so many, an array, or a collection."""
    if kind is None:
        return joined(target, names, wholes, medium) if wholes else folder(target, names, medium)
    if kind is PNG:
        return sheet(target, medium, most)
    return array(target, len(names)) if kind is ARRAY else collection(target, medium)


def mean_errors(x: Tensor, inversion: Inversion | None, medium: Medium) -> list[Tensor]:
    """The errors of the mean of the generator's samples for samples that are searched, in a list; else an empty one."""
    if inversion is None:
        return []
    return [squared_errors(x, medium.to_stored(inversion.mean.expand_as(x)), medium)]


def beside(trained: Trained, source: Source, every: ErrorTable, of_mean: Sequence[Tensor]) -> Report:
    """The errors of the mean sample and of the model's own samples; an empty report where nothing is searched."""
    if source.inversion is None:
        return Report()
    mean = ErrorTable(every.names, torch.cat(list(of_mean)), every.medium)
    n = min(OWN, len(every.names))
    own = ErrorTable(every.names[:n], own_errors(trained, source.inversion, n, source.told_classes), every.medium)
    return own.report(
        "own_", f"{n} samples of the model itself, which are searched in the same way", "its own samples"
    ) + mean.report("mean_", "the mean of the model's samples in place of each reconstruction", "mean of its samples")


def not_inverted(
    names: Sequence[str], found: Sequence[Tensor], of_mean: Sequence[Tensor], medium: Medium
) -> Iterator[str]:
    """A sentence about samples whose latents were not found."""
    if not of_mean:
        return
    hardly = (torch.cat(list(found)) >= HARDLY * torch.cat(list(of_mean))).nonzero().flatten().tolist()
    if hardly:
        listed = ", ".join(names[index] for index in hardly[:LISTED])
        yield (
            f"{len(hardly):,} of {len(names):,} {medium.noun} are not invertible, as the model makes nothing that is "
            f"closer to them than about the mean of its samples: {listed}{', ...' if len(hardly) > LISTED else ''}"
        )
