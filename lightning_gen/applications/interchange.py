"""Trained models without what training needs: weights in safetensors, and a description of plain data."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import lightning_gen
from lightning_gen import checkpoint as checkpoints
from lightning_gen import private
from lightning_gen.checkpoint.samplers import weights_key
from lightning_gen.errors import InputError
from lightning_gen.media.descriptions import classes_of, described, rebuilt
from lightning_gen.networks.layers import MEMORY_FORMATS, set_memory_format
from lightning_gen.outputs import SAFETENSORS, writing
from lightning_gen.paths import expanded
from lightning_gen.training import GenerativeModule

FORMAT = 1
"""The version of the description beside the weights."""
WEIGHTS, DESCRIPTION = "model.safetensors", "config.json"
"""The files in a folder."""
ENTRY = "lightning_gen"
"""The entry of the metadata of a single file that holds the description."""
SHOWN = 3
"""Number of names of weights in a message."""


def require_safetensors() -> Any:
    """The package safetensors.

    Raises:
        InputError: It is not installed.
    """
    try:
        import safetensors.torch
    except ImportError:
        raise InputError("weights in safetensors need that package: pip install 'lightning_gen[export]'") from None
    return safetensors


def save_folder(
    module: GenerativeModule, folder: str | os.PathLike[str], data: Mapping[str, Any] | None = None
) -> None:
    """Write what is needed to apply a module as ``model.safetensors`` and ``config.json``; `load` reads it.

    Args:
        module: A module; the averages of its networks are written where there are any.
        folder: It is created if missing.
        data: The description of its training data, for readers; or None.

    Raises:
        InputError: The module cannot be described, or a file cannot be written.
    """
    folder = Path(folder)
    description = description_of(module, data)
    with writing(folder / WEIGHTS) as file:
        file.write(require_safetensors().torch.save(weights_of(module), {"format": "pt"}))
    with writing(folder / DESCRIPTION) as file:
        file.write((json.dumps(description, indent=2) + "\n").encode())


def save_file(module: GenerativeModule, target: str | os.PathLike[str], data: Mapping[str, Any] | None = None) -> None:
    """Write the same as `save_folder` as one file, whose metadata hold the description.

    Raises:
        InputError: The module cannot be described, or the file cannot be written.
    """
    metadata = {"format": "pt", ENTRY: json.dumps(description_of(module, data))}
    with writing(Path(target)) as file:
        file.write(require_safetensors().torch.save(weights_of(module), metadata))


def weights_of(module: GenerativeModule) -> dict[str, Tensor]:
    """The weights and buffers of a module's `applied_networks`, by names such as ``generator.layers.0.weight``."""
    weights = nn.ModuleDict(networks_of(module)).state_dict()
    # copies, as safetensors writes no tensors that share memory
    return {name: each.detach().cpu().clone(memory_format=torch.contiguous_format) for name, each in weights.items()}


def networks_of(module: GenerativeModule) -> dict[str, nn.Module]:
    """The `applied_networks` of a module, none of them compiled.

    Raises:
        InputError: It has none.
    """
    found = {name: private.uncompiled(each) for name, each in module.applied_networks.items()}
    if not found:
        raise InputError(f"{type(module).__name__} has no networks to export: give an autoencoder or a GAN")
    return found


def description_of(module: GenerativeModule, data: Mapping[str, Any] | None) -> dict[str, Any]:
    """All but the weights, as plain data.

    Raises:
        InputError: An argument of the module cannot be described.
    """
    networks = networks_of(module)
    every = [each for part in networks.values() for each in part.state_dict().values()]
    ordered = all(each.is_contiguous() for each in every if each.dim() in MEMORY_FORMATS)
    return {
        "format": FORMAT,
        "library": "lightning_gen",
        "version": lightning_gen.__version__,
        "module": dict(module.hparams),
        "images_seen": module.images_seen,
        "shape": list(module.data_shape),
        "medium": described(module.medium),
        "classes": None if module.class_names is None else list(module.class_names),
        "data": dict(data or {}),
        "channels_last": not ordered,
        "weights_sha256": weights_key(*networks.values()),
    }


def load(path: str | os.PathLike[str], **given: Any) -> GenerativeModule:
    """The module that `save_folder` or `save_file` wrote, in evaluation mode: it samples, encodes and decodes to the
    same bits on the same machine. Code in the files never runs.

    What is needed for training alone, such as the discriminator, has new weights, and averaged networks are the only
    ones.

    Args:
        path: The folder, or the file.
        given: Constructor arguments that the description could not keep.

    Raises:
        InputError: Files are missing or damaged, do not belong together, lack weights or have others.
    """
    path = expanded(path)
    file = path / WEIGHTS if path.is_dir() else path
    weights, metadata = read_weights(file)
    owner, description = (path / DESCRIPTION, None) if path.is_dir() else (path, metadata.get(ENTRY))
    stored = read_description(owner, description)
    arguments = {"ema": None} if "ema" in stored["module"] else {}
    module = checkpoints.rebuild(
        GenerativeModule,  # type: ignore[type-abstract]
        stored["module"],
        str(owner),
        **{**arguments, **given},
    )
    networks = nn.ModuleDict(networks_of(module))
    check_weights(networks, weights, file)
    networks.load_state_dict(weights)
    set_memory_format(networks, channels_last=stored.get("channels_last") is True)
    if weights_key(*networks.values()) != stored.get("weights_sha256"):
        raise InputError(f"{file} holds other weights than {owner} describes: export the model again")
    module.images_seen = stored.get("images_seen", 0)
    module.medium = rebuilt(stored.get("medium"))
    module.class_names = classes_of(stored.get("classes"))
    return module.eval()


def read_weights(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The weights in a file of safetensors, and its metadata.

    Raises:
        InputError: It is missing or is none.
    """
    if not file.is_file():
        raise InputError(f"there is no {file}: give a folder or a {SAFETENSORS.ending} file that `export` wrote")
    safetensors = require_safetensors()
    try:
        with safetensors.safe_open(file, "pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{file} is damaged or no file of safetensors ({error}): export the model again") from None


def read_description(owner: Path, text: str | None) -> dict[str, Any]:
    """The description of a model.

    Args:
        owner: The file that holds it.
        text: Its text; None to read it from the file.

    Raises:
        InputError: It is missing, damaged or of a later version.
    """
    try:
        stored = json.loads(owner.read_text(encoding="utf-8") if text is None else text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{owner} describes no model ({error}): give what `export` wrote") from None
    if not isinstance(stored, dict) or not isinstance(stored.get("module"), dict):
        raise InputError(f"{owner} describes no model of lightning_gen: give what `export` wrote")
    if stored.get("format") != FORMAT:
        raise InputError(
            f"{owner} has format {stored.get('format')} and this version reads {FORMAT}: update lightning_gen"
        )
    return stored


def check_weights(networks: nn.Module, weights: Mapping[str, Tensor], file: Path) -> None:
    """Check that weights are all of those of networks and no others.

    Raises:
        InputError: They are not; the message names them.
    """
    found = checkpoints.fit(networks, weights)
    problems = {
        "lacks": found.missing,
        "has for another model": found.left,
        "has in another shape": found.other_shapes,
    }
    for problem, names in problems.items():
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise InputError(f"{file} {problem} {', '.join(names[:SHOWN])}{more}: export the model again")
    checkpoints.check_finite(networks, weights)
