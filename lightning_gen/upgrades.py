"""What earlier versions wrote, in today's names: checkpoints, configurations of runs and recipes share it.

Up to 0.1 checkpoints named the file in which a class lies, ``lightning_gen.networks.dcgan.DCGANGenerator``. They now
name the package from which users import it, ``lightning_gen.networks.DCGANGenerator``, so that files may be moved and
split. Both are read.
"""

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from lightning_gen.reflection import class_path, imported

OURS = "lightning_gen."

RENAMED: dict[str, str] = {
    "lightning_gen.modules.AlternatingModule": "lightning_gen.AlternatingModule",
    "lightning_gen.modules.EMA": "lightning_gen.EMA",
    "lightning_gen.modules.GenerativeModule": "lightning_gen.GenerativeModule",
    "lightning_gen.modules.Loss": "lightning_gen.training.Loss",
    "lightning_gen.modules.Player": "lightning_gen.training.earlier.Player",
    "lightning_gen.modules.UnwrappedDDPStrategy": "lightning_gen.training.UnwrappedDDPStrategy",
    "lightning_gen.checkpoint.WholeCheckpointIO": "lightning_gen.checkpoint.AtomicCheckpointIO",
    "lightning_gen.metrics.Figure": "lightning_gen.metrics.Measurement",
    "lightning_gen.metrics.PictureClassifier": "lightning_gen.metrics.ConvClassifier",
    "lightning_gen.regularizers.Contest": "lightning_gen.regularizers.DiscriminatorPass",
    "lightning_gen.pictures.picture": "lightning_gen.media.preview",
}
"""Public paths of version 0.1 that are called otherwise now, and what they are called; read for one more version."""


def aliases(package: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package, which finds its public names of version 0.1 under their names of today.

    Args:
        package: Its dotted path.
    """

    def find(name: str) -> Any:
        today = RENAMED.get(f"{package}.{name}")
        if today is None:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        warnings.warn(
            f"{package}.{name} is {today} now: the old name is gone in version 0.3", DeprecationWarning, stacklevel=2
        )
        module, _, attribute = today.rpartition(".")
        return getattr(importlib.import_module(module), attribute)

    return find


def earlier_name(old: str, new: str) -> property:
    """An attribute of a class by its name of version 0.1: it gives the attribute, or the method, of today."""

    def find(self: Any) -> Any:
        warnings.warn(
            f"{type(self).__name__}.{old} is {new} now: the old name is gone in version 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(self, new)

    return property(find)


def take_earlier_overrides(kind: type, renamed: Mapping[str, str]) -> None:
    """Let methods that a class defines by their names of version 0.1 override those of today.

    Args:
        kind: A class that has just been derived from one of this package, in its ``__init_subclass__``.
        renamed: Names of version 0.1 and those of today.
    """
    for old, new in renamed.items():
        if old in vars(kind):
            warnings.warn(
                f"{kind.__name__}.{old} overrides what is called {new} now: rename the method, the old name is gone in "
                "version 0.3",
                DeprecationWarning,
                stacklevel=3,
            )
            setattr(kind, new, vars(kind)[old])


def upgraded(described: Any) -> Any:
    """A description with the classes of this package as they are called today; all else as it is."""
    if isinstance(described, dict):
        return {
            key: upgraded_path(value) if key in ("class_path", "_class_path") else upgraded(value)
            for key, value in described.items()
        }
    return [upgraded(item) for item in described] if isinstance(described, list) else described


def upgraded_path(path: Any) -> Any:
    """The public path of a class of this package that an earlier version named, wherever it lay then.

    A file that is no more is left out of the path: its classes are in the package that it belonged to. What names no
    class is given back, to be refused by whoever looks for it.
    """
    if not isinstance(path, str) or not path.startswith(OURS):
        return path
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
    progress = checkpoint.get("lightning_gen")
    if isinstance(progress, dict) and "medium" in progress:
        progress = found["lightning_gen"] = {**progress, "medium": upgraded(progress["medium"])}
    if isinstance(progress, dict) and isinstance(progress.get("samplers"), dict):
        samplers = {upgraded_path(path): upgraded(stored) for path, stored in progress["samplers"].items()}
        found["lightning_gen"] = {**progress, "samplers": samplers}
    return found
