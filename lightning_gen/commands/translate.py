"""The command ``translate``: pictures of one domain as pictures of another."""

from lightning_gen.applications import Trained
from lightning_gen.applications.inputs import product_names
from lightning_gen.applications.products import folder
from lightning_gen.applications.tiling import Tiles
from lightning_gen.applications.translation import (
    Options,
    direction,
    draw_names,
    read_sources,
    target_of,
    translations,
)
from lightning_gen.commands.output import tell
from lightning_gen.commands.reconstruct import check_files
from lightning_gen.commands.seeds import check_seed
from lightning_gen.data.cache import OnError
from lightning_gen.errors import InputError
from lightning_gen.media import medium_of
from lightning_gen.networks import Translator
from lightning_gen.outputs import PNG, check_product
from lightning_gen.paths import written
from lightning_gen.ranges import COUNT
from lightning_gen.terminal import say


def translate(
    checkpoint: str,
    inputs: list[str],
    out: str = "translations",
    back: bool = False,
    draws: int | None = None,
    tile: int | None = None,
    seed: int = 0,
    device: str = "auto",
    on_error: OnError = "raise",
    overwrite: bool = False,
) -> None:
    """Translate pictures by a trained model: colour them, sharpen them, turn sketches into photographs.

    Each picture is translated at its own size, which super-resolution multiplies. Where the network needs other sides,
    it is continued by reflection and the result is cropped. A translation depends on its picture alone.

    Args:
        checkpoint: A checkpoint, such as runs/pix2pix/checkpoints/last.ckpt, or the folder of its run, runs/pix2pix.
        inputs: Folders and files of pictures, an array (n, channels, height, width) in a .npy, .npz or .pt file, or
            train, val or test for a split of the training data.
        out: A folder for a PNG file of each translation, under the name of its picture.
        back: Whether pictures of the target domain are translated back, by CycleTranslationModule.
        draws: Translations of each picture that differ by chance, by the dropout of the network; none by default.
        tile: Translate in tiles of so many pixels a side, which saves memory. Where a translation depends on the whole
            picture, as with instance normalization, tiles change it.
        seed: Seed of the random numbers by which pictures of a split become sources, such as noise, and of draws.
        device: Where the model runs, such as cpu or cuda; auto is a GPU if there is one.
        on_error: What happens if pictures cannot be read: raise names them all, skip leaves them out.
        overwrite: Whether files in the folder at --out may be replaced.

    Raises:
        InputError: The checkpoint or the inputs cannot be read or do not fit each other, or a file cannot be written.
    """
    target = written(out)
    check_seed(seed)
    for flag, number in (("draws", draws), ("tile", tile)):
        if number is not None and number not in COUNT:
            raise InputError(f"--{flag} must be a number {COUNT.words}, not {number}")
    if target.suffix in (".png", ".jpg", ".npy"):
        raise InputError(f"--out {target} is a file and translations are written into a folder: leave out the ending")
    trained = Trained.open(checkpoint, device)
    options = Options(back, draws, tile, seed)
    network = direction(trained, back)
    check_product(target, None, overwrite)
    sources = read_sources(trained, inputs, back, seed, on_error)
    tell((*sources.notes, *notes_on_tiles(network, tile)))
    names = product_names(sources.names, PNG.ending)
    names = names if draws is None else draw_names(names, draws)
    check_files({target / name: PNG for name in names}, inputs, trained)
    with folder(target, names, medium_of(target_of(trained, back))) as write:
        for stored in translations(trained, sources, options):
            write(None, stored)
    say(f"{len(names):,} translations in {target}")


def notes_on_tiles(network: Translator, tile: int | None) -> tuple[str, ...]:
    """A sentence where tiles give another translation than the whole picture."""
    if tile is None or Tiles(network, tile).exact:
        return ()
    return (
        f"{type(network).__name__} depends on the whole picture, so tiles change the translation: each is translated "
        f"with {Tiles(network, tile).halo} pixels around it, over which neighbours are blended",
    )
