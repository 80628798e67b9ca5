"""Pictures of any size through a model that translates."""

import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from lightning_gen.applications.inputs import ARRAYS, REMEDY, batch_size
from lightning_gen.applications.tiling import Tiles
from lightning_gen.applications.trained import Trained
from lightning_gen.contexts import dropouts, dropping, evaluating
from lightning_gen.data.arrays import read_arrays
from lightning_gen.data.base import Splits
from lightning_gen.data.cache import OnError, broken, progress
from lightning_gen.data.decoder import MODES, extensions, read_whole, reason
from lightning_gen.data.folder import list_images
from lightning_gen.data.headers import Header, read_header
from lightning_gen.data.listing import below_one_folder
from lightning_gen.data.loader import Loader, seeded
from lightning_gen.errors import InputError
from lightning_gen.media import medium_of
from lightning_gen.modules.padding import translated
from lightning_gen.modules.translation_base import TranslationBase
from lightning_gen.networks import Translator
from lightning_gen.paths import expanded
from lightning_gen.records import Batch, Shape

LARGER = 2
"""From how many times the size of training on things in a picture are larger than a network has learned."""


@dataclass(frozen=True)
class Sources:
    """What is translated.

    Attributes:
        names: The name of each picture.
        steps: Number of batches.
        batches: The pictures in order, model values ``(n, channels, h, w)`` on the model's device; they are read while
            they are translated, and each batch may have another size.
        notes: What was done to them, for the user: sentences.
    """

    names: Sequence[str]
    steps: int
    batches: Iterator[Tensor]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """How pictures are translated.

    Attributes:
        back: Whether they are translated back, from the domain of targets to that of sources.
        draws: Translations of each picture by chance, with dropout; None for one without.
        tile: Pixels along a side of the tiles in which pictures are translated, see `Tiles`; None for no tiles.
        seed: Seed of the draws.
    """

    back: bool = False
    draws: int | None = None
    tile: int | None = None
    seed: int = 0


DEFAULTS = Options()
"""Whole pictures in the trained direction, without chance."""


def translator_of(trained: Trained) -> TranslationBase:
    """The model, which translates.

    Raises:
        InputError: It does not.
    """
    module = trained.module
    if not module.translates:
        raise InputError(
            f"{type(module).__name__} translates no pictures: give the checkpoint of a recipe such as "
            "translation/pix2pix; reconstruct gives the pictures of an autoencoder"
        )
    assert isinstance(module, TranslationBase)
    return module


def direction(trained: Trained, back: bool) -> Translator:
    """The network that translates, or that translates back.

    Raises:
        InputError: The model does not translate, or not back.
    """
    return translator_of(trained).translator(back)


def target_of(trained: Trained, back: bool) -> Shape:
    """The shape of translations of the size of training."""
    module = translator_of(trained)
    return tuple(module.source_shape if back else module.target_shape)


def read_sources(
    trained: Trained, given: str | Sequence[str], back: bool = False, seed: int = 0, on_error: OnError = "raise"
) -> Sources:
    """Read what a model translates; pictures keep their sizes.

    Args:
        trained: The model.
        given: Folders and files of pictures; or an array ``(n, channels, height, width)`` in a file .npy, .npz or .pt;
            or ``train``, ``val`` or ``test``, a split of the data that the checkpoint names, whose pictures are made
            sources as in training.
        back: Whether they are translated back, from the domain of targets to that of sources.
        seed: Seed of the random numbers by which pictures of a split become sources.
        on_error: What happens if pictures cannot be decoded: "raise" raises an error that names the first, "skip"
            leaves them out and says so.

    Raises:
        InputError: The model translates nothing, nothing is given or found, or it is broken or of another kind.
    """
    module = translator_of(trained)
    shape = module.target_shape if back else module.source_shape
    words = [given] if isinstance(given, str) else list(given)
    if not words:
        raise InputError("nothing is given to be translated: name a folder, files, or one of train, val and test")
    if len(words) == 1 and words[0] in Splits._fields:
        return of_split(trained, module, words[0], back, seed)
    paths = [expanded(word) for word in words]
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no {path}: name a folder, files, or one of {', '.join(Splits._fields)}")
        if path.is_file() and not path.name.lower().endswith((*extensions(), *ARRAYS)):
            raise InputError(
                f"{path} is no picture and no array by its name: give files that end in {', '.join(extensions())}, or "
                f"in {', '.join(ARRAYS)}"
            )
    if arrays := [path for path in paths if path.suffix in ARRAYS and path.is_file()]:
        if len(paths) > 1:
            raise InputError(f"{arrays[0]} is an array and stands beside other inputs: give one array alone")
        return of_array(trained, arrays[0], shape)
    return of_pictures(trained, paths, shape, direction(trained, back), on_error)


def of_split(trained: Trained, module: TranslationBase, split: str, back: bool, seed: int) -> Sources:
    """The sources, or targets, of a split of the training data."""
    data = trained.data()
    data.setup()
    rng, loader = seeded(seed), Loader(getattr(data, f"{split}_set"), batch_size(tuple(module.target_shape)))

    def batches() -> Iterator[Tensor]:
        for batch in loader:
            pair = module.pair_of(Batch.of(batch, to_model=data.medium.to_model), rng)
            yield (pair.target if back else pair.source).to(trained.device)

    return Sources(data.sample_names(split), len(loader), batches())


def of_array(trained: Trained, path: Path, shape: Shape) -> Sources:
    """The pictures in a file of numpy or torch.

    Raises:
        InputError: It holds something else, or pictures with other channels.
    """
    x = torch.as_tensor(read_arrays(path)["x"])
    x = x if x.ndim == 4 else x[:, None]
    if x.ndim != 4 or x.shape[1] != shape[0]:
        raise InputError(
            f"{path} holds an array of shape {tuple(x.shape)} and the model reads (n, {shape[0]}, height, width): give "
            "pictures with as many channels"
        )
    parts = x.split(batch_size(tuple(x.shape[1:])))
    batches = (Batch.of(part).x.to(trained.device) for part in parts)
    return Sources([f"{index:06d}" for index in range(len(x))], len(parts), batches)


def of_pictures(
    trained: Trained, paths: Sequence[Path], shape: Shape, network: Translator, on_error: OnError
) -> Sources:
    """Pictures in folders and files, one at a time, as each has a size of its own.

    Raises:
        InputError: A folder has none, or some are broken.
    """
    if shape[0] not in MODES:
        raise InputError(
            f"the model reads pictures with {shape[0]} channels, which no file of pictures holds: give an array"
        )
    root, names = below_one_folder(paths, lambda folder: list_images(folder, "give").names)
    headers = {name: read_header(root / name) for name in names}
    skipped = {name: "it is no picture that can be read" for name, header in headers.items() if header is None}
    if skipped and (on_error == "raise" or len(skipped) == len(names)):
        raise broken(root, skipped, len(names), REMEDY)
    kept = [name for name in names if name not in skipped]
    notes = []
    if skipped:
        first = next(iter(skipped))
        notes.append(f"left out {len(skipped)} of {len(names)} pictures that cannot be read, such as {first}")
    coloured = sum(header is not None and not header.grey for header in headers.values())
    if shape[0] == 1 and coloured:
        notes.append(
            f"{coloured:,} of {len(kept):,} pictures are in colour and the model reads grey ones: they are converted "
            "to grey"
        )

    def batches() -> Iterator[Tensor]:
        for name in kept:
            try:
                pixels = read_whole(root / name, shape[0])
            except Exception as error:  # any of Pillow's decoders' on a broken file
                raise broken(root, {name: reason(error)}, len(names), "repair or remove {them}") from error
            yield medium_of(shape).to_model(torch.from_numpy(pixels)[None], torch.float32).to(trained.device)

    notes += note_on_sizes([header for header in headers.values() if header is not None], shape, network)
    return Sources(kept, len(kept), batches(), tuple(notes))


def note_on_sizes(headers: Sequence[Header], shape: Shape, network: Translator) -> list[str]:
    """A sentence about pictures in which things are much larger than in training.

    A network whose pixels depend on a known part of the source alone, as those of super-resolution, sees no difference.
    """
    height, width = shape[1:]
    larger = sum(header.short_side > LARGER * max(height, width) for header in headers)
    if network.radius is not None or not larger:
        return []
    return [
        f"{larger:,} of {len(headers):,} pictures are more than {LARGER} times as large as those of training, "
        f"{width} x {height}, and what is in them looks other than what the model has learned: make them smaller, or "
        "train with a larger --data.size"
    ]


def translations(trained: Trained, sources: Sources, options: Options = DEFAULTS) -> Iterator[Tensor]:
    """The translations of pictures, batch by batch, uint8 ``(n, channels, scale · h, scale · w)``.

    They depend on nothing but the picture, not on the others, their order or chance; with draws also on its name and
    the seed. The draws of a picture follow one another, and each picture is then a batch of its own.

    Raises:
        InputError: Translations are not finite, the model does not translate back, or it has no dropout to draw by.
    """
    network = direction(trained, options.back)
    medium = medium_of(target_of(trained, options.back))
    if options.draws is not None and not dropouts(network):
        raise InputError(
            f"{type(network).__name__} has no dropout, so that all its draws would be the same: leave out --draws"
        )
    names = iter(sources.names)
    for x in progress(sources.batches, sources.steps, "translating, batches", calm=True):
        made = drawn(network, x, names, options) if options.draws is not None else [applied(network, x, options.tile)]
        for each in made:
            if not each.isfinite().all():
                raise InputError("some translations are not finite: the training diverged, take an earlier checkpoint")
            yield medium.to_stored(each)


def drawn(network: Translator, x: Tensor, names: Iterator[str], options: Options) -> Iterator[Tensor]:
    """Translations with dropout, one at a time; the chance of each follows from the seed, the name and its number."""
    devices = [x.device] if x.device.type == "cuda" else []
    for picture in x.split(1):
        name = next(names)
        for number in range(options.draws or 0):
            with torch.random.fork_rng(devices):
                torch.manual_seed(seed_of(options.seed, name, number))
                made = applied(network, picture, options.tile, chance=True)
            yield made


def seed_of(seed: int, name: str, number: int) -> int:
    """The seed of a draw, which is no other's."""
    return int.from_bytes(sha256(f"{seed} {number} {name}".encode()).digest()[:8], "big", signed=True)


@torch.no_grad()
def applied(network: Translator, x: Tensor, tile: int | None, chance: bool = False) -> Tensor:
    """Translations in evaluation mode, but for dropout if it is by chance, whole or in tiles; modes are restored.

    Raises:
        InputError: The pictures have other channels, or the memory is too small for them.
    """
    whole = partial(translated, network)
    with evaluating(network), dropping(network) if chance else nullcontext():
        try:
            return whole(x) if tile is None else Tiles(network, tile).translate(whole, x)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_memory(error):
                raise
            size = " x ".join(map(str, x.shape[2:]))
            remedy = "in tiles, such as --tile 256" if tile is None else "in smaller tiles, with a smaller --tile"
            raise InputError(
                f"the memory is too small for a picture of {size} pixels: translate it {remedy}"
            ) from error


def is_memory(error: Exception) -> bool:
    """Whether an error says that memory was too small; on the CPU torch says so in words alone."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)


def draw_names(names: Sequence[str], draws: int) -> list[str]:
    """Names of files of draws, which are numbered from 1.

    >>> draw_names(["cats/a.png"], 2)
    ['cats/a_1.png', 'cats/a_2.png']
    """
    split = (os.path.splitext(name) for name in names)
    return [f"{stem}_{number}{ending}" for stem, ending in split for number in range(1, draws + 1)]
