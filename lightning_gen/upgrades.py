"""What earlier versions wrote, in today's names: checkpoints, configurations of runs, recipes and options share it.

Up to 0.1 checkpoints named the file in which a class lies, ``lightning_gen.networks.dcgan.DCGANGenerator``. They now
name the package from which users import it, ``lightning_gen.networks.DCGANGenerator``, so that files may be moved and
split. Both are read. The tables `RENAMED` and `ARGUMENTS` hold the classes and arguments that were renamed since;
`lightning_gen.deprecation` lets Python code use their former names. `ADDED` holds new arguments whose default changes
what a class does, and `RECIPES` arguments of recipes that change what a run does.
"""

import importlib
from collections.abc import Callable
from typing import Any

from lightning_gen.deprecation import warn
from lightning_gen.errors import InputError
from lightning_gen.reflection import argument_names, class_path, hint_of, imported, subclasses

OURS = "lightning_gen."

RENAMED: dict[str, str] = {
    "lightning_gen.adversaries.Contrast": "lightning_gen.adversaries.DistributionMatching",
    "lightning_gen.adversaries.GenerationContrast": "lightning_gen.adversaries.GenerationMatching",
    "lightning_gen.adversaries.IndependenceContrast": "lightning_gen.adversaries.IndependenceMatching",
    "lightning_gen.adversaries.PriorContrast": "lightning_gen.adversaries.PriorMatching",
    "lightning_gen.adversaries.ReconstructionContrast": "lightning_gen.adversaries.ReconstructionMatching",
    "lightning_gen.modules.AlternatingModule": "lightning_gen.AlternatingModule",
    "lightning_gen.modules.EMA": "lightning_gen.EMA",
    "lightning_gen.modules.GenerativeModule": "lightning_gen.GenerativeModule",
    "lightning_gen.modules.Loss": "lightning_gen.training.Loss",
    "lightning_gen.modules.Player": "lightning_gen.training.earlier.Player",
    "lightning_gen.modules.UnwrappedDDPStrategy": "lightning_gen.training.UnwrappedDDPStrategy",
    "lightning_gen.checkpoint.carry": "lightning_gen.checkpoint.serialize_states",
    "lightning_gen.checkpoint.uncarry": "lightning_gen.checkpoint.deserialize_states",
    "lightning_gen.checkpoint.WholeCheckpointIO": "lightning_gen.checkpoint.AtomicCheckpointIO",
    "lightning_gen.metrics.Figure": "lightning_gen.metrics.Measurement",
    "lightning_gen.metrics.PictureClassifier": "lightning_gen.metrics.ConvClassifier",
    "lightning_gen.regularizers.Contest": "lightning_gen.regularizers.DiscriminatorPass",
    "lightning_gen.pictures.picture": "lightning_gen.media.preview",
}
"""Public paths of version 0.1 and those of today; the former ones are read for one more version."""


ARGUMENTS: dict[str, dict[str, str]] = {
    "lightning_gen.AdversarialAutoencoderModule": {
        "contrast": "matching",
        "judgement_terms": "adversarial_terms",
        "observation": "input_transform",
        "draws": "codes_per_sample",
    },
    "lightning_gen.AutoencoderModule": {"observation": "input_transform", "draws": "codes_per_sample"},
    "lightning_gen.Reconstruction": {"draws": "codes_per_sample", "population": "dataset_size"},
    "lightning_gen.metrics.Report": {"figures": "measurements"},
    "lightning_gen.networks.ResidualDecoder": {"halvings": "downsamplings"},
    "lightning_gen.networks.ResidualEncoder": {"halvings": "downsamplings"},
    "lightning_gen.adversaries.GenerationMatching": {"spare_encoder": "stop_encoder_gradient"},
    "lightning_gen.adversaries.ReconstructionMatching": {"spare_encoder": "stop_encoder_gradient"},
}
"""Argument names of version 0.1 and those of today, by the public path of the class; read for one more version."""

ADDED: dict[str, dict[str, Any]] = {"lightning_gen.regularizers.DRAGAN": {"random_distance": False}}
"""Arguments that version 0.1 did not have, by the public path of the class, with the values that do what it did.

A description that names every other argument of the class, and not these, was written by version 0.1: its checkpoints
and ``config.yaml`` name them all. So a run that it began goes on as it was. A recipe that leaves others out too gets
today's defaults.
"""

RECIPES: dict[str, dict[str, Any]] = {"gan/dcgan": {"shared_samples": False}}
"""Arguments of the model that a recipe gives since version 0.1, by its short name, with what its runs had before.

A run that version 0.1 began is resumed as it was, also by the command that began it, which names the recipe.
"""

SHORT = {old.rpartition(".")[-1]: new.rpartition(".")[-1] for old, new in RENAMED.items()}
"""The names that recipes use, without packages."""


def aliases(package: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package, which finds its public names of version 0.1 under their names of today.

    Args:
        package: Its dotted path.
    """

    def find(name: str) -> Any:
        today = RENAMED.get(f"{package}.{name}")
        if today is None:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        warn(f"{package}.{name}", today)
        module, _, attribute = today.rpartition(".")
        return getattr(importlib.import_module(module), attribute)

    return find


# descriptions ----------------------------------------------------------------------------------------------------


def upgraded(described: Any, expected: type | None = None) -> Any:
    """A description with classes and arguments of this package as they are called today; all else as it is.

    Args:
        described: A part as checkpoints or recipes describe it, or anything that holds such parts.
        expected: The class of the part, or a base of it, for a description that does not name it itself, as in a recipe
            that is laid over another; None where that is not known.

    Raises:
        InputError: An argument is given under its former name and under that of today.
    """
    if isinstance(described, list):
        return [upgraded(item) for item in described]
    if not isinstance(described, dict):
        return described
    kind = class_of(described.get("class_path", described.get("_class_path")), expected)
    named = {key: upgraded_path(described[key]) for key in PATHS if key in described}
    held = {key: upgraded_arguments(described[key], kind) for key in HELD if key in described}
    rest = {key: value for key, value in described.items() if key not in (*PATHS, *HELD)}
    return named | upgraded_arguments(rest, None if "class_path" in described else kind) | held


PATHS = ("class_path", "_class_path")
HELD = ("init_args", "dict_kwargs")


def upgraded_arguments(given: Any, kind: type | None) -> Any:
    """Arguments of a class as they are called today; see `upgraded`."""
    if not isinstance(given, dict):
        return upgraded(given)
    if kind is None:
        return {name: upgraded(value) for name, value in given.items()}
    former, found = former_arguments(kind), dict[Any, Any]()
    for name, value in given.items():
        today: Any = former.get(name, name)
        if name != today and today in given:
            raise InputError(f"the argument '{name}' is called '{today}' now: give {today} alone")
        class_name = name != today and isinstance(value, str)
        found[today] = upgraded_path(value) if class_name else upgraded(value, part_at(kind, today))
    return found | added_arguments(kind, found)


def added_arguments(kind: type, given: dict[Any, Any]) -> dict[str, Any]:
    """What version 0.1 did where today's class has an argument for it, for arguments that it wrote; see `ADDED`."""
    tables = [ADDED[class_path(each)] for each in known() if issubclass(kind, each) and class_path(each) in ADDED]
    if not tables:
        return {}
    taken = set(argument_names(kind))
    added = {name: value for table in tables for name, value in table.items() if name in taken}
    return added if added and set(given) == taken - set(added) else {}


def upgraded_name(name: str, kind: type | None) -> tuple[str, type | None]:
    """The name of an option of a part, such as ``model.draws`` or ``model.init_args.draws``, as it is today.

    Args:
        name: The option, without dashes; its first word names the part.
        kind: The class of the part, or a base of it.

    Returns:
        The name, and the class that the option takes, where that is known.
    """
    words = name.split(".")
    for place, word in enumerate(words[1:], 1):
        if word in (*PATHS, *HELD) or kind is None:
            continue
        words[place] = former_arguments(kind).get(word, word)
        kind = part_at(kind, words[place])
    return ".".join(words), kind


def class_of(path: Any, expected: type | None) -> type | None:
    """The class that a description names, by its path or by its name alone, or else the one that is expected."""
    path = upgraded_path(path)
    if not isinstance(path, str):
        return expected
    if "." in path:
        return imported(path)
    near = [] if expected is None else subclasses(expected)
    return next((kind for kind in (*near, *known()) if kind.__name__ == path), expected)


def known(near: type = object) -> list[type]:
    """The classes of `ARGUMENTS` and `ADDED` that are a class, its bases or derived from it."""
    kinds = [kind for kind in map(imported, {**ARGUMENTS, **ADDED}) if kind is not None]
    return [kind for kind in kinds if issubclass(kind, near) or issubclass(near, kind)]


def former_arguments(kind: type) -> dict[str, str]:
    """The former names of a class's arguments, and what they are called now.

    Those of the classes derived from it are among them; a name that its own constructor takes is none.
    """
    tables = [ARGUMENTS.get(class_path(each), {}) for each in known(kind)]
    former = {old: new for table in tables for old, new in table.items()}
    return {old: new for old, new in former.items() if old not in argument_names(kind)} if former else {}


def part_at(kind: type, name: str) -> type | None:
    """The class of the part that a class takes at an argument; None where it takes no part, or that is not known."""
    hints = [hint_of(each, name) for each in (kind, *known(kind))]
    return next((hint for hint in hints if isinstance(hint, type) and hint is not Any), None)


def upgraded_path(path: Any) -> Any:
    """The public path of a class of this package that an earlier version named, wherever it lay then.

    Files that no longer exist are left out of the path: their classes are in the package that contained them. A path
    that names no class is returned unchanged; whoever imports it refuses it.
    """
    if not isinstance(path, str):
        return path
    if not path.startswith(OURS):
        return SHORT.get(path, path)
    *packages, name = path.split(".")
    while packages:
        found = ".".join([*packages, name])
        kind = imported(RENAMED.get(found, found))
        if kind is not None:
            return class_path(kind)
        packages.pop()
    return path


def upgraded_checkpoint(checkpoint: Any) -> Any:
    """The content of a checkpoint with its descriptions upgraded; tensors and states are the same objects."""
    if not isinstance(checkpoint, dict):
        return checkpoint
    described = ("hyper_parameters", "datamodule_hyper_parameters")
    found = {**checkpoint, **{key: upgraded(checkpoint[key]) for key in described if key in checkpoint}}
    if isinstance(weights := checkpoint.get("state_dict"), dict):
        found["state_dict"] = upgraded_keys(weights, checkpoint.get("hyper_parameters"))
    progress = checkpoint.get("lightning_gen")
    if isinstance(progress, dict) and "medium" in progress:
        progress = found["lightning_gen"] = {**progress, "medium": upgraded(progress["medium"])}
    if isinstance(progress, dict) and isinstance(progress.get("samplers"), dict):
        samplers = {upgraded_path(path): upgraded(stored) for path, stored in progress["samplers"].items()}
        found["lightning_gen"] = {**progress, "samplers": samplers}
    return found


def upgraded_keys(weights: dict[str, Any], described: Any) -> dict[str, Any]:
    """The state of a module with the keys of today: a part is called as the argument that it was given as."""
    kind = class_of(described.get("_class_path"), None) if isinstance(described, dict) else None
    tables = [ARGUMENTS.get(class_path(each), {}) for each in known() if kind is not None and issubclass(kind, each)]
    former = {old: new for table in tables for old, new in table.items()}
    if not any(key.split(".")[0] in former for key in weights):
        return weights
    parts = {key: key.partition(".") for key in weights}
    return {f"{former.get(first, first)}{dot}{rest}": weights[key] for key, (first, dot, rest) in parts.items()}
