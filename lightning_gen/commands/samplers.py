"""Samplers of an autoencoder's codes: fitted when they are first used, and stored in the checkpoint."""

import sys
from functools import partial
from typing import Any, cast

from lightning_gen.applications.trained import Trained
from lightning_gen.checkpoint.added import NotAdded, add
from lightning_gen.data import DataModule
from lightning_gen.data.stored import harmless
from lightning_gen.errors import InputError
from lightning_gen.evaluation.compatibility import check_shape
from lightning_gen.modules.code_sampling import PLACES_APART, CodeSampling
from lightning_gen.samplers import FITTED, SAMPLERS, LatentSampler
from lightning_gen.spelling import suggest
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule


def check_sampler(module: GenerativeModule, name: str | None) -> None:
    """Check that there is such a sampler and that the model can use it.

    Raises:
        InputError: There is no such sampler, or the model cannot use it.
    """
    if name is not None and name not in SAMPLERS:
        choices = ", ".join(SAMPLERS)
        raise InputError(f"there is no sampler '{name}'{suggest(name, SAMPLERS)}: the samplers are {choices}")
    if name is not None and "sampler" not in module.sample_options:
        raise InputError("--sampler is for autoencoders, a GAN draws its latents from its own prior: leave it out")
    if name == "prior":
        module.check_prior()


def chosen_sampler(trained: Trained, name: str | None, data: DataModule | None = None) -> LatentSampler | None:
    """The sampler of a name, from the checkpoint or fitted now; None for the model's prior.

    Args:
        trained: The model.
        name: One of `SAMPLERS`, or None.
        data: The data to fit it to; None for those that the checkpoint names.

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


def explain_prior(module: GenerativeModule) -> None:
    """Say which sampler to take in place of a prior whose samples have no shapes."""
    name = module.suggested_sampler
    if not module.has_prior or name is None:
        return
    kind = FITTED[name]
    known = "the checkpoint holds it" if cast(CodeSampling, module).keeps(kind) else "it is fitted to the codes first"
    say(f"{PLACES_APART}, so these samples have no shapes: add --sampler {name} ({known})", sys.stderr)


def fit(
    trained: Trained, module: CodeSampling, kind: type[LatentSampler], data: DataModule | None = None
) -> LatentSampler:
    """Fit a sampler to the codes of data, and store it in the checkpoint if the checkpoint names these data.

    Args:
        trained: The content of the checkpoint.
        module: Its model.
        kind: The class of the sampler.
        data: The data; None for those that the checkpoint names.

    Raises:
        InputError: The data are not named, do not exist or have another shape, or the sampler cannot fit the codes.
    """
    data = data or trained.data()
    check_shape(module, data)
    say(f"fitting {kind.__name__} to the codes of the training split of {type(data).__name__}")
    sampler = kind()
    sampler.report = partial(say, to=sys.stderr)
    module.fit_sampler(sampler, data)
    if harmless(data.hparams) != harmless(trained.described_data):
        say(f"{trained.path} names other data: the sampler is not stored there")
        return sampler
    say(store(module.progress()["samplers"], trained.stored, trained.path))
    return sampler


def store(samplers: dict[str, Any], stored: dict[str, Any], path: str) -> str:
    """Add samplers to a checkpoint file, unless its run has written the file meanwhile.

    Args:
        samplers: Their entry in `GenerativeModule.progress`.
        stored: The content of the checkpoint whose codes they were fitted to.
        path: The file.

    Returns:
        A sentence for the user: whether they were stored.
    """
    try:
        add({"samplers": samplers}, stored, path)
    except NotAdded as error:
        return (
            f"{error}: the sampler is not stored there"
            if error.overtaken
            else (f"it will be fitted again at the next call: {error}")
        )
    return f"it is stored in {path}, so the next call needs no data, until a run rewrites that file"
