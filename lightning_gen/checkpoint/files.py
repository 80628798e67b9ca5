"""Checkpoint files: they are read as data, after their checksums were compared, and written atomically."""

import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import LightningModule
from torch import Tensor

from lightning_gen import files
from lightning_gen.checkpoint.archives import Damaged, check_archive
from lightning_gen.checkpoint.rebuilding import rebuild
from lightning_gen.contents import PICKLE, ZIP, content_of, start_of
from lightning_gen.errors import InputError
from lightning_gen.networks.layers import MEMORY_FORMATS, set_memory_format
from lightning_gen.system import explaining, may_be_full, shortened
from lightning_gen.upgrades import upgraded, upgraded_checkpoint

FOLDER, LAST = "checkpoints", "last.ckpt"
"""The folder of checkpoints in that of a run, and the file of its last state."""

Restored = TypeVar("Restored", bound=LightningModule)

ANOTHER = "use another one, such as checkpoints/last.ckpt of the run"
ENTRIES = {
    **dict.fromkeys(("callbacks", "loops", "lightning_gen", "datamodule_hyper_parameters"), dict),
    **dict.fromkeys(("optimizer_states", "lr_schedulers", "processes"), list),
    **dict.fromkeys(("epoch", "global_step", "images_seen"), int),
}
"""The kinds of the entries of a checkpoint, and of those below ``lightning_gen``."""


def read(path: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint as data: tensors and plain values. Code in the file never runs; it raises an error.

    Names that an earlier version wrote are replaced by the current ones.

    Args:
        path: The file, or the folder of a run; see `located`.
        device: Device of the tensors.

    Raises:
        InputError: The file is missing, truncated, damaged, not a checkpoint, or holds pickled code.
    """
    path = located(path)
    checkpoint = upgraded_checkpoint(read_data(path, device))
    described = checkpoint.get("hyper_parameters") if isinstance(checkpoint, dict) else None
    weights = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(described, dict) or "_class_path" not in described or not isinstance(weights, dict):
        raise InputError(
            f"{path} holds no lightning_gen module: give a checkpoint written by `lightning_gen fit` or by a "
            "Trainer with a lightning_gen module"
        )
    check_entries(path, checkpoint)
    return checkpoint


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read weights by their names, from a checkpoint or from a file of a ``state_dict`` alone, on the CPU.

    Raises:
        InputError: The file is missing, truncated or damaged, or holds pickled code or no weights.
    """
    content = upgraded_checkpoint(read_data(located(path), "cpu"))
    weights = content.get("state_dict", content) if isinstance(content, dict) else None
    if not weights or not all(isinstance(weight, Tensor) for weight in weights.values()):
        raise InputError(f"{path} holds no weights: give a checkpoint, or a file that torch.save(state_dict) wrote")
    return weights


def read_data(path: str | os.PathLike[str], device: Any) -> Any:
    """Read a file of torch as data, after a check that it is whole; see `read`."""
    path = Path(path)
    check_exists(path)
    check_whole(path)
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise holds_code(path) from None
    except Exception:  # a file that another program has written as torch does may raise any error
        raise InputError(f"{path} is no checkpoint, although torch could have written it: {ANOTHER}") from None


def check_exists(path: Path) -> None:
    """Check that a checkpoint exists and is a file.

    Raises:
        InputError: It does not; the message names others in its folder.
    """
    with explaining():
        if path.is_file():
            return
        near = sorted(str(found) for found in path.parent.glob("*.ckpt") if found.is_file())
        problem = "is no file" if path.exists() else "does not exist"
    hint = f"there is {', '.join(near[:3])}" if near else "give the path of a .ckpt file"
    raise InputError(f"the checkpoint {shortened(str(path))} {problem}: {hint}")


def read_arguments(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read constructor arguments of a module from YAML: the ``model`` of a run's configuration, or names and values.

    Raises:
        InputError: The file cannot be read, or is not a mapping of arguments.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as YAML ({why}): give the config.yaml of a run") from None
    content = content.get("model", content) if isinstance(content, dict) else None
    arguments = content.get("init_args", content) if isinstance(content, dict) else None
    if not isinstance(arguments, dict):
        raise InputError(f"{path} holds no arguments of a module: give the config.yaml of a run")
    return upgraded(arguments)


def located(path: str | os.PathLike[str]) -> Path:
    """The file of a checkpoint: the given one, or the last state in the folder of a run.

    Args:
        path: A file; or a run's folder, such as ``runs/dcgan``, or its ``checkpoints``: then it is ``last.ckpt``, or,
            without that, the file that was written last.

    Raises:
        InputError: The folder holds no checkpoint.
    """
    given = Path(path)
    with explaining():
        if not given.is_dir():
            return given
    states = sorted((given if given.name == FOLDER else given / FOLDER).glob("*.ckpt"), key=os.path.getmtime)
    states += [last for last in (given / LAST, given / FOLDER / LAST) if last.is_file()]
    if states:
        return states[-1]
    runs = sorted(each.parent.parent for each in given.glob(f"*/{FOLDER}/*.ckpt"))
    names = list(dict.fromkeys(map(str, runs)))
    hint = f"give one of the runs in it, such as {names[0]}" if names else "give a .ckpt file or the folder of a run"
    raise InputError(f"the folder {given} holds no checkpoint: {hint}")


def check_whole(path: str | os.PathLike[str]) -> None:
    """Check that a checkpoint has not changed since it was written, bit for bit.

    Raises:
        InputError: It has changed, or torch has not written it.
    """
    try:
        with explaining():
            check_archive_of_torch(Path(path))
            check_archive(path)
    except Damaged as part:
        raise InputError(
            f"{path} is damaged: {part} has changed since it was written; use another checkpoint of the run, or a copy "
            "of this one"
        ) from None


def check_archive_of_torch(path: Path) -> None:
    """Check that a file begins and ends as those that torch writes, and has their parts.

    Raises:
        InputError: It is truncated, holds pickled code, or is something else.
        OSError: It cannot be read.
    """
    start, size = start_of(path), path.stat().st_size
    if start.startswith(PICKLE):
        raise holds_code(path)
    if not start.startswith(ZIP):
        raise InputError(f"{path} is no checkpoint, it holds {content_of(path)} ({size:,} bytes): {ANOTHER}")
    names = names_in(path)
    if names is None:
        raise InputError(f"{path} is truncated ({size:,} bytes): {ANOTHER}")
    if names and not any(name.endswith("/data.pkl") for name in names):
        raise InputError(f"{path} is no checkpoint but a zip archive of {names[0]}: {ANOTHER}")
    if any(name.endswith("/constants.pkl") for name in names):
        raise InputError(f"{path} is no checkpoint but a program of TorchScript: {ANOTHER}")


def names_in(path: Path) -> list[str] | None:
    """The names of the parts of a zip archive: none where its directory is damaged; None where it has no end."""
    try:
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except OSError:
        raise
    except Exception:  # a damaged directory may raise any error
        return []


def holds_code(path: Path) -> InputError:
    """The error for a file that holds pickled code."""
    return InputError(
        f"{path} holds pickled code, which could run anything, and was not loaded: load only checkpoints of plain "
        "weights, such as those of lightning_gen"
    )


def check_entries(path: str | os.PathLike[str], checkpoint: dict[str, Any]) -> None:
    """Check that what Lightning and this package have written into a checkpoint is of the kind that they read.

    Raises:
        InputError: An entry is not.
    """
    own = checkpoint.get("lightning_gen")
    for entries in (checkpoint, own if isinstance(own, dict) else {}):
        for name, kind in ENTRIES.items():
            if not isinstance(entries.get(name), (kind, type(None))):
                raise InputError(f"{path} is damaged, its entry {name} is {entries[name]!r:.40}: {ANOTHER}")
    wrong = [name for name, value in checkpoint.get("state_dict", {}).items() if not isinstance(value, Tensor)]
    if wrong:
        raise InputError(f"{path} is damaged, its weights {wrong[0]} are no tensor: {ANOTHER}")


def restore(base: type[Restored], checkpoint: dict[str, Any], path: str, strict: bool = True, **given: Any) -> Restored:
    """Build the module that a checkpoint describes and load its weights and progress.

    Weights have the memory format of those in the checkpoint, so that results are equal, bit for bit.

    Args:
        base: The class that the module must be an instance of.
        checkpoint: The content of the file.
        path: The file, for messages.
        strict: Whether the checkpoint must have all weights of the module and no others.
        given: Constructor arguments that replace those of the description.

    Raises:
        InputError: The description or the weights do not fit the class, or a weight is not finite.
    """
    module = rebuild(base, checkpoint["hyper_parameters"], path, **given)
    module.strict_loading = strict
    module.on_load_checkpoint(checkpoint)
    if any(each.dim() in MEMORY_FORMATS and not each.is_contiguous() for each in checkpoint["state_dict"].values()):
        set_memory_format(module, channels_last=True)
    module.load_state_dict(checkpoint["state_dict"], strict=strict)
    module.strict_loading = True
    return module


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints atomically, also if the disk is full or the process is killed, and reads no damaged ones."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a temporary file beside the target, verify it, flush it to the disk, then rename it to the target.

        Raises:
            InputError: The disk is full, or the verification failed; an older checkpoint of the same name is intact.
        """
        try:
            with files.replacing(path) as file:
                torch.save(checkpoint, file)
                file.flush()
                check_archive(file.name)
        except (OSError, RuntimeError, Damaged) as error:
            # torch's zip writer reports a full disk as a RuntimeError
            remedy = "free some disk space" if may_be_full(error) else "allow it"
            raise InputError(
                f"the checkpoint {path} could not be written ({getattr(error, 'strerror', None) or error}): {remedy} "
                "or choose another folder, with --runs_dir or as dirpath of a ModelCheckpoint; earlier checkpoints are "
                "intact"
            ) from error

    def load_checkpoint(self, path: str | Path, *args: Any, **options: Any) -> dict[str, Any]:
        """Read a checkpoint after its checksums were compared, with the current names if an earlier version wrote it.

        Raises:
            InputError: It is damaged.
        """
        if Path(path).is_file():  # Lightning also reads from URLs
            check_whole(path)
        checkpoint = upgraded_checkpoint(super().load_checkpoint(path, *args, **options))
        if "state_dict" not in checkpoint:  # weights alone, which strategies pass between processes
            return checkpoint
        check_entries(path, checkpoint)
        version = str(checkpoint.get("pytorch-lightning_version"))
        if re.match(r"\d+\.\d", version) is None:
            raise InputError(f"{path} is damaged, Lightning wrote it in version {version:.40}: {ANOTHER}")
        return checkpoint
