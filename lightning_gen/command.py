"""What a user types, completed to what jsonargparse parses.

A command is a stack of layers, each laid over the one before: what a checkpoint says of itself, or the default recipe;
the run's name; then the user's recipes in their order; then the user's options, wherever they stand. So what the user
says always wins.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from lightning_gen import checkpoint as checkpoints
from lightning_gen import recipes
from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.modules import GenerativeModule


class Command:
    """The arguments of ``fit``, ``validate``, ``test`` or ``predict``.

    Args:
        argv: The words of the command, its verb first.
        known: The verb's top-level settings, for checking recipes.

    Raises:
        InputError: A recipe does not exist or has an unknown key, or a checkpoint is needed and missing or unreadable.
    """

    def __init__(self, argv: Sequence[str], known: Sequence[str]) -> None:
        self.verb, *words = argv
        names, self.words = split_recipes(words)
        self.recipes = [recipes.find(name) for name in names]
        self.settings: dict[str, Any] = {}
        for path in self.recipes:
            content = recipes.load(path)
            recipes.check_keys(path, content, known)
            self.settings |= content

    @property
    def asks_for_help(self) -> bool:
        """Whether nothing will be run."""
        return any(re.match(r"-h$|--help$|--print_config|--\S*\.help", word) for word in self.words)

    def option(self, name: str, default: str | None = None) -> str | None:
        """The value of an option: given last in the command, else in a recipe."""
        value = self.settings.get(name, default)
        for word, following in zip(self.words, [*self.words[1:], ""], strict=False):
            if word == f"--{name}":
                value = following
            elif word.startswith(f"--{name}="):
                value = word.split("=", 1)[1]
        return value

    def chooses(self, part: str) -> bool:
        """Whether the user says which class a part is; ``--model.generator.width 32`` alone does not."""
        return part in self.settings or any(re.match(rf"--{part}(\.class_path)?(=|$)", word) for word in self.words)

    @property
    def goes_on(self) -> bool:
        """Whether the run in the folder is to go on, from wherever it is."""
        return self.option("ckpt_path") == "last"

    @property
    def name(self) -> str:
        """What the run is called: as the user says, else after its recipes."""
        stems = [path.stem for path in self.recipes if path.parent.name != "trainer"]
        return self.option("name") or "-".join(stems) or recipes.DEFAULT.rsplit("/")[-1]

    def checkpoint(self) -> Path | None:
        """The checkpoint to start from; ``last`` is the one in the run's folder.

        A ``last`` that does not exist yet is no mistake when fitting: a job that is requeued is started with the
        same command as the first time.
        """
        given = self.option("ckpt_path")
        if not self.goes_on:
            return Path(given) if given else None
        last = Path(self.option("runs_dir", "runs") or "runs", self.name, "checkpoints", "last.ckpt")
        if last.exists() or self.verb != "fit":
            return last
        rank_zero_only(print)(f"{last} does not exist yet: starting from the beginning", file=sys.stderr)
        return None

    def complete(self) -> list[str]:
        """The command with the layers that lie under what the user says."""
        checkpoint = self.checkpoint()
        if self.verb != "fit" and checkpoint is None and not self.asks_for_help:
            raise InputError(f"{self.verb} needs a trained model: add --ckpt_path runs/NAME/checkpoints/last.ckpt")
        layers: list[dict[str, Any]] = []
        if checkpoint is not None:
            if self.verb == "fit":
                layers.append(run_settings(checkpoint))
            layers.append(stored_parts(checkpoint))
        elif not self.chooses("model"):
            layers.append(recipes.load(recipes.find(recipes.DEFAULT)))
        if self.verb == "fit":
            layers.append(self._place(checkpoint))
        configs = [*map(json.dumps, layers), *map(str, self.recipes)]
        return [self.verb, *(f"--config={config}" for config in configs), *self._rest(checkpoint)]

    def _place(self, checkpoint: Path | None) -> dict[str, str]:
        """Where the run lives: beside the checkpoint that it goes on from, else where its name says."""
        if checkpoint is not None and checkpoint.parent.name == "checkpoints" and self.option("name") is None:
            return {"name": checkpoint.parent.parent.name, "runs_dir": str(checkpoint.parent.parent.parent)}
        return {"name": self.name}

    def _rest(self, checkpoint: Path | None) -> list[str]:
        """The user's words; a last word puts a path, or nothing, in the place of ``last``."""
        if not self.goes_on:
            return self.words
        return [*self.words, f"--ckpt_path={checkpoint or 'null'}"]


def split_recipes(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the values of ``--config`` from all other words."""
    names, rest, expected = [], [], False
    for word in words:
        if expected or word.startswith(("--config=", "-c=")):
            names.append(word if expected else word.split("=", 1)[1])
            expected = False
        elif word in ("--config", "-c"):
            expected = True
        else:
            rest.append(word)
    return names, rest + ["--config"] * expected  # one without a value is left for the parser to refuse


def run_settings(path: Path) -> dict[str, Any]:
    """How long the run of a checkpoint is, and the numbers of its Trainer, from the ``config.yaml`` of its folder.

    Only numbers and plain words are taken: a folder from a stranger may name no class.
    """
    saved = path.parent.parent / "config.yaml"
    content = recipes.load(saved) if path.parent.name == "checkpoints" and saved.is_file() else {}
    trainer = {key: value for key, value in (content.get("trainer") or {}).items() if is_plain(value)}
    names = (
        *("seed_everything", "nonfinite_rollbacks", "keep_checkpoints", "checkpoint_every_minutes"),
        *("channels_last", "compile"),
    )
    own = {key: value for key, value in content.items() if key.endswith("_images") or key in names}
    return {**{key: value for key, value in own.items() if is_plain(value)}, "trainer": trainer}


def is_plain(value: Any) -> bool:
    """Whether a setting is a number, a switch, a plain word, or several of these."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    return isinstance(value, (bool, int, float)) or (
        isinstance(value, str) and re.fullmatch(r"[\w:-]+", value) is not None
    )


def stored_parts(path: Path) -> dict[str, Any]:
    """The model and the data that a checkpoint describes, as a recipe."""
    stored = checkpoints.read(path)
    kinds: dict[str, tuple[str, type]] = {
        "model": ("hyper_parameters", GenerativeModule),
        "data": ("datamodule_hyper_parameters", DataModule),
    }
    parts = {}
    for part, (key, base) in kinds.items():
        if stored.get(key):
            checkpoints.described_class(base, stored[key], str(path))
            parts[part] = checkpoints.as_config(stored[key])
    return parts
