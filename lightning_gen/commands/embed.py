"""The command ``embed``: the codes of samples in a file, with their names."""

import shlex
from pathlib import Path

from lightning_gen.applications import Inputs, Trained, read_inputs
from lightning_gen.applications import embed as embedded
from lightning_gen.applications.embedding import require_encoder
from lightning_gen.applications.embedding_files import check_files, write, written_files
from lightning_gen.applications.maps import check_mapped, chosen_method, drawn_map
from lightning_gen.applications.neighbours import check_neighbours, neighbour_sheet
from lightning_gen.applications.projector import check_projector, side_of, write_projector
from lightning_gen.applications.thumbnails import has_thumbnails
from lightning_gen.commands.output import beside, check_apart, output_file, show, tell
from lightning_gen.commands.sample import check_data
from lightning_gen.commands.seeds import check_seed
from lightning_gen.data.cache import OnError
from lightning_gen.errors import InputError
from lightning_gen.media.files import save
from lightning_gen.outputs import PNG, check_product
from lightning_gen.paths import written
from lightning_gen.terminal import say


def embed(
    checkpoint: str,
    inputs: list[str],
    out: str = "codes.npz",
    map: str | None = None,
    by: str = "pca",
    neighbours: int | None = None,
    neighbours_out: str | None = None,
    projector: str | None = None,
    active: bool = False,
    output: str | None = None,
    seed: int = 0,
    device: str = "auto",
    on_error: OnError = "raise",
    overwrite: bool = False,
) -> None:
    """Write the codes of samples by an autoencoder, with their names, for search, clustering and other programs.

    Codes are without noise: the same sample always has the same code. Codes that are maps are flattened, the channel
    first.

    Args:
        checkpoint: A checkpoint, such as runs/vae/checkpoints/last.ckpt, or the folder of its run, runs/vae.
        inputs: Folders and files, such as pictures or sounds; an array .npy, .npz or .pt; or train, val or test.
        out: A file ending in .npz for numpy, with codes, names, labels, classes and card; in .csv for a table with the
            columns filenames, embedding_0 and so on, and labels, -1 without a class; or in .npy for the codes alone,
            with the names in a text file beside it.
        map: A PNG file for a map: points in the colours of their classes, or the pictures themselves if they have none.
        by: How the map places codes in a plane: pca, tsne or umap.
        neighbours: Number of the nearest neighbours of a picture, on a sheet of some pictures and their neighbours.
        neighbours_out: A PNG file for the sheet; NAME_neighbours.png beside --out if left out.
        projector: A folder for TensorBoard's projector: tensorboard --logdir FOLDER shows the codes with their
            pictures in three dimensions.
        active: Whether dimensions are left out whose variance over the pictures is below 0.01, which are noise to a
            distance.
        output: A JSON file for the size of the codes, and how they were made.
        seed: Seed of the map, and of a random input transform of the model.
        device: Where the network runs, such as cpu or cuda; auto is a GPU if there is one.
        on_error: What happens if files cannot be read: raise names them all, skip leaves them out.
        overwrite: Whether older files are replaced.

    Raises:
        InputError: The checkpoint or the inputs cannot be read, do not fit each other, or the model has no encoder.
    """
    target, report = written(out), output_file(output, "codes.json")
    check_files(target, overwrite)
    check_seed(seed)
    plot = png_file("map", map, overwrite)
    method = chosen_method(by)
    sheet = sheet_file(target, neighbours, neighbours_out, overwrite)
    folder = None if projector is None else written(projector)
    if folder is not None:
        check_projector(folder, overwrite)
    check_apart([*written_files(target), *filter(None, (plot, sheet, folder, report))], inputs)
    trained = Trained.open(checkpoint, device)
    require_encoder(trained)
    for file in written_files(target):
        check_data(file, trained.described_data)
    found = read_inputs(trained, inputs, on_error)
    found.require_labels()
    tell(found.notes)
    check_pictures(found, plot, neighbours, folder)
    result = embedded(found, seed, "embedding")
    result = result.active() if active else result
    if plot is not None:
        check_mapped(*result.codes.shape)
    write(result, target)
    made = [*written_files(target)]
    if plot is not None:
        made.append(save(drawn_map(result, found, method, seed), plot))
    if sheet is not None and neighbours is not None:
        made.append(save(neighbour_sheet(result, found, neighbours), sheet))
    if folder is not None:
        write_projector(result, found, folder)
    show(result.report(), report)
    count, width = result.codes.shape
    files = ", ".join(str(path) for path in made)
    say(f"\ncodes of {count:,} {trained.medium.noun}, {width:,} numbers each, in {files}")
    if folder is not None:
        say(f"tensorboard --logdir {shlex.quote(str(folder))} shows them at http://localhost:6006/#projector")


def png_file(option: str, given: str | None, overwrite: bool) -> Path | None:
    """The PNG file of an option, checked; None if it is not given.

    Raises:
        InputError: It does not end in ``.png``, exists and may not be replaced, or cannot be written.
    """
    if given is None:
        return None
    target = written(given)
    if target.suffix != PNG.ending:
        raise InputError(f"--{option} {target} is a picture: give a name that ends in {PNG.ending}")
    check_product(target, PNG, overwrite)
    return target


def sheet_file(target: Path, count: int | None, given: str | None, overwrite: bool) -> Path | None:
    """The file of the sheet of neighbours, checked; None if it is not asked for.

    Raises:
        InputError: The number of neighbours is below 1 or not given, or see `png_file`.
    """
    if count is None:
        if given is not None:
            raise InputError("--neighbours_out is for a sheet of neighbours: add their number, such as --neighbours 5")
        return None
    if count < 1:
        raise InputError(f"--neighbours must be at least 1, not {count}")
    return png_file("neighbours_out", given or str(beside(target, "neighbours")), overwrite)


def check_pictures(found: Inputs, plot: Path | None, neighbours: int | None, folder: Path | None) -> None:
    """Check that what is asked for beside the codes can be drawn of these samples.

    Raises:
        InputError: They are too few or too many, or no pictures.
    """
    if plot is not None:
        check_mapped(len(found), 2)
    if neighbours is not None:
        check_neighbours(found, neighbours)
    if folder is not None and has_thumbnails(found):
        side_of(len(found), found.trained.module.data_shape)
