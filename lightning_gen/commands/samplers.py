"""Samplers of an autoencoder's codes: fitted when they are asked for, and kept in the checkpoint."""

import os
from pathlib import Path
from typing import Any, cast

import torch

from lightning_gen import checkpoint as checkpoints
from lightning_gen.commands.trained import Trained
from lightning_gen.data import DataModule
from lightning_gen.data.stored import harmless
from lightning_gen.errors import InputError
from lightning_gen.evaluation.compatibility import check_shape
from lightning_gen.files import replacing
from lightning_gen.modules.code_sampling import CodeSampling
from lightning_gen.samplers import SAMPLERS, LatentSampler
from lightning_gen.spelling import suggest
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule


def check_sampler(module: GenerativeModule, name: str | None) -> None:
    """Check that there is such a sampler and that the model has codes to draw.

    Raises:
        InputError: There is not, or it has none.
    """
    if name is not None and name not in SAMPLERS:
        choices = ", ".join(SAMPLERS)
        raise InputError(f"there is no sampler '{name}'{suggest(name, SAMPLERS)}: the samplers are {choices}")
    if name is not None and "sampler" not in module.sample_options:
        raise InputError("--sampler is for autoencoders, a GAN draws its latents from its own prior: leave it out")
    if name == "prior":
        module.check_prior()


def chosen_sampler(trained: Trained, name: str | None, data: DataModule | None = None) -> LatentSampler | None:
    """The sampler of a name, which the checkpoint keeps or which is fitted now; None for the model's own prior.

    Args:
        trained: The model.
        name: One of `SAMPLERS`, or None.
        data: What to fit it to; None for the data that the checkpoint names.

    Raises:
        InputError: There is no such sampler, or it cannot be fitted.
    """
    module = trained.module
    check_sampler(module, name)
    kind = SAMPLERS[name or "prior"]
    if kind is None or "sampler" not in module.sample_options:
        return None
    coder = cast(CodeSampling, module)
    return coder.fitted_sampler(kind) or fit(trained, coder, kind, data)


def fit(
    trained: Trained, module: CodeSampling, kind: type[LatentSampler], data: DataModule | None = None
) -> LatentSampler:
    """Fit a sampler to the codes of data, and write the checkpoint anew with it where it names these data.

    Args:
        trained: What the checkpoint holds.
        module: Its model.
        kind: The sampler.
        data: The data; None for those that the checkpoint names.

    Raises:
        InputError: The data are not named, are gone or are of another shape, or the sampler does not fit the codes.
    """
    data = data or trained.data()
    check_shape(module, data)
    say(f"fitting {kind.__name__} to the codes of the training split of {type(data).__name__}")
    sampler = module.fit_sampler(kind(), data)
    if harmless(data.hparams) != harmless(trained.described_data):
        say(f"{trained.path} names other data: the sampler is not kept there")
        return sampler
    say(keep(module.progress()["samplers"], trained.stored, trained.path))
    return sampler


def keep(samplers: dict[str, Any], stored: dict[str, Any], path: str) -> str:
    """Write a checkpoint anew with samplers, unless its run has written it meanwhile.

    Args:
        samplers: What `GenerativeModule.progress` says of them.
        stored: The content of the checkpoint whose codes they were fitted to.
        path: The file.

    Returns:
        What became of them, in a sentence.
    """
    target = Path(path).resolve()  # a link goes on leading to it
    meanwhile = f"{path} was written anew by its run meanwhile: the sampler is not kept there"
    try:
        before = identity(target)
        latest = checkpoints.read(path)
        if not same_state(latest, stored):
            return meanwhile
        latest["lightning_gen"] = {**latest.get("lightning_gen", {}), "samplers": samplers}
        with replacing(target) as file:
            torch.save(latest, file)
            file.flush()
            os.fsync(file.fileno())
            if identity(target) != before:  # asked last: its run may have written all that time
                raise Overtaken
    except Overtaken:
        return meanwhile
    except (InputError, OSError, RuntimeError) as error:  # torch's zip writer reports a full disk as a RuntimeError
        return f"it will be fitted again at the next call: {error}"
    return f"it is kept in {path}, so the next call needs no data, until a run writes that file anew"


class Overtaken(Exception):
    """Another process has written a file that was to be replaced."""


def identity(path: Path) -> tuple[int, ...]:
    """What changes where a file is replaced or written to."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def same_state(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two contents of a checkpoint are of the same weights at the same count of images."""
    counts = [each.get("lightning_gen", {}).get("images_seen") for each in (one, other)]
    first, second = one["state_dict"], other["state_dict"]
    same = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    return same and counts[0] == counts[1]
