"""A command line as a user types it, completed to the one that jsonargparse parses.

A command is a stack of layers, each of which overrides the one before: the description in a checkpoint, or the default
recipe; the run's name; then the user's recipes in their order; then the user's options, wherever they stand. So the
user's settings always win.
"""

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only

from lightning_gen import checkpoint as checkpoints
from lightning_gen import paths
from lightning_gen.callbacks.run import CONFIG
from lightning_gen.checkpoint.rebuilding import Reader
from lightning_gen.checkpoint.trusted import below, trusted
from lightning_gen.cli import recipes, shares
from lightning_gen.cli.arguments import Arguments
from lightning_gen.cli.changes import changes, sentence, unintended
from lightning_gen.cli.folders import checkpoints_in, runs_in
from lightning_gen.cli.sections import TEXTS, is_like_number
from lightning_gen.cli.suggestions import is_array, options_meant
from lightning_gen.data import DataModule
from lightning_gen.data.stored import DOWNLOAD, found, harmless, origin
from lightning_gen.errors import InputError
from lightning_gen.reflection import argument_hints
from lightning_gen.samplers import FITTED, LatentSampler
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule
from lightning_gen.upgrades import class_of, upgraded, upgraded_name, upgraded_path

OF_A_RUN = ("seed_everything", "nonfinite_rollbacks", "keep_checkpoints", "channels_last", "compile")
"""Settings that a resumed run keeps, beside those that count images or minutes."""


class CommandLine:
    """The arguments of ``fit``, ``validate``, ``test`` or ``predict``.

    Args:
        argv: The command line after the program's name, the command first.
        known: The command's top-level settings, for checking recipes.

    Raises:
        InputError: A recipe does not exist or has an unknown key, or a checkpoint is needed and missing or unreadable.
    """

    def __init__(self, argv: Sequence[str], known: Sequence[str]) -> None:
        self.command, *options = argv
        names, self.options = split_recipes(options)
        self.recipes = [recipes.find(name) for name in names]
        self.settings: dict[str, Any] = {}
        self.arguments = Arguments()
        self.contents = [recipes.load(path) for path in self.recipes]
        for path, content in zip(self.recipes, self.contents, strict=True):
            check_keys(path, content, known)
            self.settings |= content

    @property
    def asks_for_help(self) -> bool:
        """Whether the command only prints help or a configuration."""
        return any(re.match(r"-h$|--help$|--print_config|--\S*\.help", word) for word in self.options)

    def option(self, name: str, default: str | None = None) -> str | None:
        """The value of an option: the last one in the command, else that of a recipe."""
        value = self.settings.get(name, default)
        for word, following in zip(self.options, [*self.options[1:], ""], strict=False):
            if word == f"--{name}":
                value = following
            elif word.startswith(f"--{name}="):
                value = word.split("=", 1)[1]
        return value

    def chooses(self, part: str) -> bool:
        """Whether the user names the class of a part; ``--model.generator.width 32`` alone does not."""
        return part in self.settings or any(re.match(rf"--{part}(\.class_path)?(=|$)", word) for word in self.options)

    @property
    def default(self) -> str:
        """The recipe where the user names no model."""
        return recipes.DEFAULT_OF_DATA if self.chooses("data") else recipes.DEFAULT

    @property
    def resumes(self) -> bool:
        """Whether the run in the folder is resumed from its last state."""
        return self.option("ckpt_path") == "last"

    @property
    def name(self) -> str:
        """The name of the run: the user's, else that of its recipes, else that of its checkpoint."""
        stems = [path.stem for path in self.recipes if path.parent.name != "trainer"]
        given = None if self.resumes else self.option("ckpt_path")
        start = Path(given).stem if given else self.default.rsplit("/")[-1]
        return self.option("name") or "-".join(stems) or start

    @property
    def runs_dir(self) -> str:
        """The folder of all runs."""
        return paths.local(self.option("runs_dir") or "runs")

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.runs_dir, self.name)

    @property
    def begun(self) -> bool:
        """Whether a run is resumed that stopped before its first checkpoint: only its configuration exists."""
        return self.command == "fit" and self.resumes and (self.folder / CONFIG).is_file()

    def checkpoint(self) -> Path | None:
        """The checkpoint to start from; ``last`` is the one in the run's folder.

        A ``last`` that does not exist yet is no mistake when fitting: a job that is requeued is started with the
        same command as the first time.

        Raises:
            InputError: There is no run of the name that is given, and the command does not describe one either; or the
                run has other checkpoints.
        """
        given = self.option("ckpt_path")
        if not self.resumes:
            return None if given is None else checkpoints.located(paths.local(given))
        last = self.folder / "checkpoints" / "last.ckpt"
        if last.exists() or self.command != "fit":
            return last
        others = checkpoints_in(self.folder)
        if others:
            state = shlex.quote(str(others[-1]))
            raise InputError(f"{last} does not exist: resume from another state of the run, --ckpt_path {state}")
        if not self.begun and self.option("name") and not self.chooses("model"):
            there = ", ".join(runs_in(Path(self.runs_dir)))
            raise InputError(
                f"there is no run in {self.folder} to resume: "
                + (f"the runs in {self.runs_dir} are {there}; " if there else "")
                + f"name a recipe to start one, such as --config {self.default}"
            )
        rank_zero_only(say)(f"{last} does not exist yet: starting from the beginning", sys.stderr)
        return None

    def complete(self) -> list[str]:
        """The command with the layers that the user's settings override."""
        checkpoint = self.checkpoint()
        if self.command != "fit" and checkpoint is None and not self.asks_for_help:
            given = [shlex.quote(word) for word in self.options if word.endswith(".ckpt") or Path(word).is_dir()]
            path = given[0] if given else "runs/NAME/checkpoints/last.ckpt"
            raise InputError(f"{self.command} needs a trained model: name it by --ckpt_path {path}")
        layers: list[dict[str, Any]] = []
        stored: dict[str, Any] = {}
        if checkpoint is not None:
            if self.command == "fit" and checkpoint.parent.name == "checkpoints":
                layers.append(self._run_settings(checkpoint.parent.parent / CONFIG))
            stored = self._parts(stored_parts(checkpoint), checkpoint)
            layers.append(stored)
        elif self.begun:
            config = self.folder / CONFIG
            layers += [self._run_settings(config), self._parts(configured_parts(config), config)]
        elif not self.chooses("model"):
            layers.append(recipes.load(recipes.find(self.default)))
        had = layers[-1]["model"]["init_args"] if checkpoint is not None or self.begun else {}
        pairs = zip(self.recipes, self.contents, strict=True)
        self.contents = [recipes.for_run(path, content, had) for path, content in pairs]
        if self.command == "fit":
            layers.append(self._place(checkpoint))
        data = self.option("data")
        if isinstance(data, str) and is_array(data):  # the parser would read it as a recipe
            raise InputError(f"--data: there is no class '{data}': give --data Tensors --data.path {shlex.quote(data)}")
        length = shares.length_of([*layers, *self.contents], self.option(shares.LENGTH))
        layers = [shares.resolved(layer, length) for layer in layers]
        self.contents = [shares.resolved(content, length) for content in self.contents]
        self.options = list(shares.resolved_options(self.options, length))
        if self.command == "fit":
            self._tell_changes(stored)
        self.options = list(with_class_of_sampler(self.options))
        self.arguments = Arguments([*layers, *self.contents], self.options)
        model = self._model(layers)
        configs = [*map(recipes.as_json, layers), *(self._config(path, model, length, had) for path in self.recipes)]
        self.options = list(upgraded_options(self.options, model))
        return [self.command, *(f"--config={config}" for config in configs), *self._rest(checkpoint)]

    def _tell_changes(self, parts: Mapping[str, Any]) -> None:
        """Print what recipes change of the model and the data of a run that is resumed."""
        found = [
            change
            for content in self.contents
            for name, part in parts.items()
            if isinstance(given := content.get(name), Mapping)
            for change in changes(part, given, name)
        ]
        found = [each for each in unintended(found, self.options) if each.name != "model"]  # another class is refused
        if found:
            rank_zero_only(say)(sentence(found), sys.stderr)

    def _model(self, layers: Sequence[dict[str, Any]]) -> type:
        """The class of the model that the command builds; `GenerativeModule` where it is not known."""
        given = [layer.get("model") for layer in (*layers, *self.contents)]
        given += [self.option(name) for name in ("model", "model.class_path")]
        paths = [each.get("class_path") if isinstance(each, dict) else each for each in given]
        named = [path for path in paths if isinstance(path, str)]
        return class_of(named[-1] if named else None, GenerativeModule) or GenerativeModule

    def _config(self, path: Path, model: type, length: int | None, had: Mapping[str, Any]) -> str:
        """A recipe as jsonargparse reads it: the file, or its content where names of an earlier version or shares of
        the run's length are in it, or where a run that it resumes keeps what it had.
        """
        content = shares.resolved(recipes.for_run(path, recipes.load(path, model), had), length)
        same = content == recipes.as_written(path) and not any(is_like_number(content.get(name)) for name in TEXTS)
        return str(path) if content and same else recipes.as_json(content)

    def _place(self, checkpoint: Path | None) -> dict[str, str]:
        """The run's name and folder: those of the checkpoint that it resumes from, else its own name."""
        if checkpoint is not None and checkpoint.parent.name == "checkpoints" and self.option("name") is None:
            return {"name": checkpoint.parent.parent.name, "runs_dir": str(checkpoint.parent.parent.parent)}
        return {"name": paths.run_name(self.name)}

    def _run_settings(self, config: Path) -> dict[str, Any]:
        """The length of a run, its Trainer and its sampler, from its ``config.yaml``; empty where there is none.

        The file may come from somebody else, so it may name only the classes that a checkpoint may, and Lightning's.

        Raises:
            InputError: A setting of the Trainer names another class, and the command does not replace it.
        """
        content = recipes.load(config) if config.is_file() else {}
        own = {key: value for key, value in content.items() if key.endswith(("_images", "_minutes")) or key in OF_A_RUN}
        stored, reader, hints = content.get("trainer") or {}, Reader(str(config), of_lightning), argument_hints(Trainer)
        trainer = {name: value for name, value in stored.items() if name in hints}
        for name, value in trainer.items():
            if not is_plain(value) and not self.chooses(f"trainer.{name}"):
                reader.argument(hints[name], value, f"trainer.{name}")
        own = {key: value for key, value in own.items() if is_plain(value)} | {"trainer": trainer}
        sampler = content.get("sampler")
        if sampler is None:
            return own
        if not self.chooses("sampler"):
            reader.argument(LatentSampler, sampler, "sampler")
        return {**own, "sampler": sampler}

    def _parts(self, described: dict[str, Any], path: Path) -> dict[str, Any]:
        """The model and the data of a run as a recipe; it names only classes that a checkpoint may name.

        The folders from which the data are read and to which they are decoded are printed on stderr, unless the command
        names the data.

        Args:
            described: The description of model and data in a file.
            path: The file.

        Raises:
            InputError: A class may not be named, or does not take an argument.
        """
        checkpoints.described_class(GenerativeModule, described["model"], str(path))  # type: ignore[type-abstract]
        parts = {"model": checkpoints.as_config(described["model"])}
        if described["data"]:
            checkpoints.described_class(DataModule, described["data"], str(path))  # type: ignore[type-abstract]
            data = found(described["data"], path)
            parts["data"] = checkpoints.as_config(harmless(data))
            if self.chooses("data"):
                parts["data"]["init_args"].pop(DOWNLOAD, None)  # data that the user names may be downloaded
            elif (line := origin(self._left(data), str(path))) is not None:
                rank_zero_only(say)(line, sys.stderr)
        return parts

    def _left(self, data: dict[str, Any]) -> dict[str, Any]:
        """The arguments in a description of data that the command does not override."""
        return {name: value for name, value in data.items() if self.option(f"data.{name}") is None}

    def _rest(self, checkpoint: Path | None) -> list[str]:
        """The user's options, and one that replaces a ``--ckpt_path`` of ``last`` or ``~`` by a path or by null."""
        if checkpoint is None and not self.resumes:
            return self.options
        return [*self.options, f"--ckpt_path={checkpoint or 'null'}"]


def check_keys(path: Path, content: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a top-level key of a recipe that is no option.

    Raises:
        InputError: There is such a key; the message names what may be meant.
    """
    for key in content:
        if key.split(".")[0] not in known:
            meant = " or ".join(map(repr, options_meant(key, known)))
            there = f"; did you mean {meant}?" if meant else f": the settings are {', '.join(known)}"
            raise InputError(f"{path} has the key '{key}', which is no setting{there}")


def with_class_of_sampler(argv: Sequence[str]) -> Iterator[str]:
    """The options of a command, with the class of a sampler in the place of its name in ``sample --sampler``."""
    before = ""
    for word in argv:
        option, equals, value = word.partition("=") if word.startswith("--") else (before, "", word)
        named = option == "--sampler" and value in FITTED
        yield f"{option if equals else ''}{equals}{FITTED[value].__name__}" if named else word
        before = word


def upgraded_options(argv: Sequence[str], model: type) -> Iterator[str]:
    """The options of a command by their names of today; one that was renamed prints a line on stderr.

    Args:
        argv: The options, each with its value in the same word or in the next.
        model: The class of the model, or a base of it.
    """
    part: type | None = None
    for word in argv:
        if not word.startswith("--model"):
            yield word if part is None or word.startswith("-") else upgraded_value(word, part)
            part = None
            continue
        old, equals, value = word[2:].partition("=")
        new, part = upgraded_name(old, model)
        if new != old:
            rank_zero_only(say)(f"--{old} is --{new} now: the old name is gone in version 0.3", sys.stderr)
        yield f"--{new}{equals}{value if part is None else upgraded_value(value, part)}"
        part = None if equals else part


def upgraded_value(text: str, part: type) -> str:
    """The value of an option for a part, the name of a class or a description in YAML, in today's names."""
    if not text.startswith("{"):
        return upgraded_path(text)
    try:
        described = recipes.parsed(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # the parser reports it
        return text
    now = upgraded(described, part)
    return text if now == described else recipes.as_json(now)


def split_recipes(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the values of ``--config`` from everything else."""
    names, rest, expected = [], [], False
    for word in argv:
        if expected or word.startswith(("--config=", "-c=")):
            names.append(word if expected else word.split("=", 1)[1])
            expected = False
        elif word in ("--config", "-c"):
            expected = True
        else:
            rest.append(word)
    return names, rest + ["--config"] * expected  # the parser refuses one without a value


def of_lightning(kind: type) -> bool:
    """Whether the configuration of a run may name a class: one that checkpoints may name, or one of Lightning."""
    return trusted(kind) or below(kind.__module__, "lightning")


def is_plain(value: Any) -> bool:
    """Whether a setting is a number, a boolean, a plain word, or a list of these."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    return isinstance(value, (bool, int, float)) or (
        isinstance(value, str) and re.fullmatch(r"[\w:,-]+", value) is not None
    )


def stored_parts(path: Path) -> dict[str, Any]:
    """The descriptions of the model and the data in a checkpoint."""
    stored = checkpoints.read(path)
    return {"model": stored["hyper_parameters"], "data": stored.get("datamodule_hyper_parameters")}


def configured_parts(config: Path) -> dict[str, Any]:
    """The descriptions of the model and the data in the configuration of a run, in the form that checkpoints have."""
    parts = {part: recipes.load(config).get(part) or {} for part in ("model", "data")}
    return {
        part: {**(each.get("init_args") or {}), "_class_path": each.get("class_path")} for part, each in parts.items()
    }
