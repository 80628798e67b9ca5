"""Samplers of an autoencoder's codes: fitted when they are first used, and stored in the checkpoint."""

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias, cast

from lightning_gen.applications.trained import Trained
from lightning_gen.checkpoint.added import NotAdded
from lightning_gen.data import DataModule
from lightning_gen.data.stored import harmless
from lightning_gen.errors import InputError
from lightning_gen.evaluation.compatibility import check_shape
from lightning_gen.modules.code_sampling import PLACES_APART, CodeSampling
from lightning_gen.modules.kept_samplers import KeptSamplers
from lightning_gen.reflection import argument_names
from lightning_gen.samplers import FITTED, SAMPLERS, LatentSampler
from lightning_gen.spelling import suggest
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule
from lightning_gen.training.classes import Classes

Options: TypeAlias = Mapping[str, Any] | None
"""Arguments of a sampler's class, of ``--sampler_options``."""


def check_sampler(module: GenerativeModule, name: str | None, options: Options = None) -> None:
    """Check that there is such a sampler with such options, and that the model can use it.

    Raises:
        InputError: There is no such sampler, or it has no such options, or the model cannot use it.
    """
    if name is not None and name not in SAMPLERS:
        choices = ", ".join(SAMPLERS)
        raise InputError(f"there is no sampler '{name}'{suggest(name, SAMPLERS)}: the samplers are {choices}")
    if name is not None and "sampler" not in module.sample_options:
        raise InputError("--sampler is for autoencoders, a GAN draws its latents from its own prior: leave it out")
    if name == "prior":
        module.check_prior()
    kind = SAMPLERS[name or "prior"]
    if kind is None and options:
        raise InputError(
            f"--sampler_options are those of a sampler that is fitted: add --sampler with {' or '.join(FITTED)}"
        )
    if kind is not None and options:
        check_options(kind, cast(str, name), options)


def check_options(kind: type[LatentSampler], name: str, options: Mapping[str, Any]) -> None:
    """Check that a sampler can be built with options.

    Raises:
        InputError: It has no argument of a name, or cannot have a value.
    """
    known = sorted(argument_names(kind))
    for option in options:
        if option not in known:
            raise InputError(
                f"the sampler {name} has no option {option}{suggest(option, known)}: --sampler_options. is followed by "
                f"{', '.join(known)}"
            )
    try:
        kind(**options)
    except TypeError as error:
        raise InputError(f"--sampler_options do not fit the sampler {name}: {error}") from None


def chosen_sampler(
    trained: Trained, name: str | None, data: DataModule | None = None, options: Options = None
) -> LatentSampler | None:
    """The sampler of a name, from the checkpoint or fitted now; None for the model's prior.

    Args:
        trained: The model.
        name: One of `SAMPLERS`, or None.
        data: The data to fit it to; None for those that the checkpoint names.
        options: Arguments of its class. A sampler of the checkpoint that was fitted with others is fitted again.

    Raises:
        InputError: There is no such sampler, or it cannot be fitted.
    """
    module, options = trained.module, options or {}
    check_sampler(module, name, options)
    kind = SAMPLERS[name or "prior"]
    if kind is None or "sampler" not in module.sample_options:
        return None
    coder = cast(CodeSampling, module)
    return coder.fitted_sampler(kind, **options) or fit(trained, coder, kind(**options), data)


def classes_drawn(
    trained: Trained, name: str | None, data: DataModule | None = None, options: Options = None
) -> Classes:
    """The classes that samples can be asked for by a sampler, which need not be fitted yet.

    Args:
        trained: The model.
        name: The sampler.
        data: The data to fit it to; None for those that the checkpoint names.
        options: Arguments of its class.

    Raises:
        InputError: There is no such sampler, or it has to be fitted and the data are not there.
    """
    check_sampler(trained.module, name, options)
    module, kind = trained.module, SAMPLERS[name or "prior"]
    if kind is None or not kind.learns_classes:
        return module.known_classes
    coder = cast(CodeSampling, module)
    fitted = coder.fitted_sampler(kind, **options or {})
    if fitted is not None or module.num_classes is not None:
        return coder.classes_with(fitted)
    data = data or trained.data()
    check_shape(module, data)
    return Classes(None if data.num_classes == 1 else data.num_classes, data.classes)


def check_classes_drawn(module: GenerativeModule, name: str | None, classes: Classes) -> None:
    """Check that samples can be asked for by class, where a sampler could learn the classes of the training data.

    Raises:
        InputError: They cannot: the sampler is not named, or was fitted without classes.
    """
    chosen = name or module.suggested_sampler
    if classes.count is not None or chosen not in FITTED or module.class_names is None:
        return
    if FITTED[chosen].learns_classes and name is None:
        raise InputError(
            f"the model itself knows no classes: add --sampler {chosen}, which learns those of its training data"
        )
    if FITTED[chosen].learns_classes:
        raise InputError(
            f"the {chosen} that the checkpoint holds was fitted without classes: another number of "
            "--sampler_options.updates fits one with those of the data"
        )


def held_sampler(module: GenerativeModule, options: Options = None) -> str | None:
    """The suggested sampler, if the checkpoint holds it with such options, which is said; None for the prior."""
    name = module.suggested_sampler
    if name is None or not cast(CodeSampling, module).keeps(FITTED[name], **options or {}):
        return None
    say(f"drawn by --sampler {name}, which the checkpoint holds", sys.stderr)
    return name


def default_sampler(module: GenerativeModule, options: Options = None) -> str | None:
    """The sampler where none is named; says which to take in place of a prior whose samples have no shapes.

    It is the one that is suggested for these codes if the checkpoint holds it, and else the prior, None.
    """
    name, held = module.suggested_sampler, held_sampler(module, options)
    if name is not None and held is None and module.has_prior:
        say(
            f"{PLACES_APART}, so these samples have no shapes: add --sampler {name} (it is fitted to the codes first)",
            sys.stderr,
        )
    return held


def fit(
    trained: Trained, module: CodeSampling, sampler: LatentSampler, data: DataModule | None = None
) -> LatentSampler:
    """Fit a sampler to the codes of data, and store it in the checkpoint if the checkpoint names these data.

    A long fit is stored as far as it has gone, now and then, so that the same command goes on after an interruption.

    Args:
        trained: The content of the checkpoint.
        module: Its model.
        sampler: The sampler.
        data: The data; None for those that the checkpoint names.

    Raises:
        InputError: The data are not named, do not exist or have another shape, or the sampler cannot fit the codes.
    """
    data = data or trained.data()
    check_shape(module, data)
    say(f"fitting {type(sampler).__name__} to the codes of the training split of {type(data).__name__}")
    if harmless(data.hparams) == harmless(trained.described_data):
        say(fitted_and_kept(KeptSamplers(module, trained.stored, trained.path), sampler, data))
    else:
        sampler.report = partial(say, to=sys.stderr)
        module.fit_sampler(sampler, data)
        say(f"{trained.path} names other data: the sampler is not stored there")
    return sampler


def fitted_and_kept(kept: KeptSamplers, sampler: LatentSampler, data: DataModule) -> str:
    """Fit a sampler and store it; returns a sentence that says where it is stored, or why it is not."""
    try:
        kept.fit(sampler, data)
        kept.store()
    except (KeyboardInterrupt, SystemExit):
        if kept.added:
            say(f"what was fitted so far is in {kept.path}: the same command goes on from there", sys.stderr)
        raise
    except NotAdded as error:
        return (
            f"{error}: the sampler is not stored there"
            if error.overtaken
            else f"it will be fitted again at the next call: {error}"
        )
    return f"it is stored in {kept.path}, which draws by it without the data, until a run rewrites that file"
