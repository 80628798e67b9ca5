"""Pictures of any size through a model that translates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightning_gen.applications.inputs import ARRAYS, REMEDY, batch_size, listed
from lightning_gen.applications.trained import Trained
from lightning_gen.data.arrays import read_arrays
from lightning_gen.data.base import Splits
from lightning_gen.data.cache import OnError, broken, progress
from lightning_gen.data.decoder import MODES, extensions, read_whole, reason
from lightning_gen.data.headers import read_header
from lightning_gen.data.loader import Loader, seeded
from lightning_gen.errors import InputError
from lightning_gen.media import medium_of
from lightning_gen.modules.translation_base import TranslationBase
from lightning_gen.paths import expanded
from lightning_gen.records import Batch, Shape


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
    return of_pictures(trained, paths, shape, on_error)


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


def of_pictures(trained: Trained, paths: Sequence[Path], shape: Shape, on_error: OnError) -> Sources:
    """Pictures in folders and files, one at a time, as each has a size of its own.

    Raises:
        InputError: A folder has none, or some are broken.
    """
    if shape[0] not in MODES:
        raise InputError(
            f"the model reads pictures with {shape[0]} channels, which no file of pictures holds: give an array"
        )
    root, names = listed(paths)
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

    return Sources(kept, len(kept), batches(), tuple(notes))


def translations(trained: Trained, sources: Sources, back: bool = False) -> Iterator[Tensor]:
    """The translations of pictures, batch by batch, uint8 ``(n, channels, scale · h, scale · w)``.

    They depend on nothing but the picture: not on the others, their order or chance.

    Raises:
        InputError: Translations are not finite, or the model does not translate back.
    """
    module = translator_of(trained)
    medium = medium_of(tuple(module.source_shape if back else module.target_shape))
    for x in progress(sources.batches, sources.steps, "translating, batches", calm=True):
        made = module.translate(x, back)
        if not made.isfinite().all():
            raise InputError("some translations are not finite: the training diverged, take an earlier checkpoint")
        yield medium.to_stored(made)
