"""Finds the command that a command line names, and calls it with the parsed arguments."""

import inspect
import json
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from jsonargparse import Namespace

from lightning_gen import checkpoint as checkpoints
from lightning_gen.cli import recipes
from lightning_gen.cli.arguments import Arguments
from lightning_gen.cli.imports import import_named
from lightning_gen.cli.links import configured
from lightning_gen.cli.parser import command_parser
from lightning_gen.cli.part_help import part_asked, part_help
from lightning_gen.cli.trainer_commands import fit, lightning
from lightning_gen.commands import COMMANDS
from lightning_gen.data import DataModule
from lightning_gen.data.stored import found, harmless, origin
from lightning_gen.errors import InputError
from lightning_gen.reflection import required_arguments, var_positional
from lightning_gen.terminal import say


def run(argv: list[str]) -> None:
    """Run one command.

    Args:
        argv: The command line after the program's name.

    Raises:
        InputError: The command cannot be run as given.
    """
    check_files(argv)
    argv = import_named(argv)
    if not argv or argv[0] not in COMMANDS:
        lightning(argv)
        return
    command = COMMANDS[argv[0]]
    parser = command_parser(argv[0], command)
    if (asked := part_asked(argv[1:])) is not None and asked[0].split(".")[0] in parser.option_names:
        positional = " ".join(map(str.upper, required_arguments(command)))
        say(part_help(asked, Arguments(options=argv[1:]), f"{argv[0]} {positional}"))
        return
    rest = var_positional(command)
    words = parser.with_values(argv[1:])
    own, others = (words, []) if rest is None else split(words, parser.option_names)
    signature = inspect.signature(command)
    if {"checkpoint", "data"} <= signature.parameters.keys():
        own = with_stored_data(own)
    parser.arguments = Arguments(options=own)
    given = vars(parser.parse_args(own))
    call = signature.bind_partial(
        **{name: configured(value) if isinstance(value, Namespace) else value for name, value in given.items()}
    )
    if rest is not None:
        call.arguments[rest] = others
    if "fit" in signature.parameters:
        call.arguments["fit"] = fit
    command(*call.args, **call.kwargs)


def with_stored_data(argv: list[str]) -> list[str]:
    """Options of data without a class, such as ``--data.folder PATH``, after the description of a checkpoint's data.

    So they change the data that the model was trained on. Where the remaining arguments name files, this is printed.

    Args:
        argv: The arguments of a command, of which the first that is no option is the checkpoint.

    Raises:
        InputError: The checkpoint cannot be read, or does not describe its data.
    """
    changed = {named[1] for word in argv if (named := re.match(r"--data\.(\w+)", word))} - {"help"}
    values = [False, *(word.startswith("-") and "=" not in word for word in argv)]
    given = [word for word, value in zip(argv, values, strict=False) if not value and not word.startswith("-")]
    if not changed or "class_path" in changed or not given or any(re.match("--data(=|$)", word) for word in argv):
        return argv
    path = checkpoints.located(given[0])
    described = checkpoints.read(path).get("datamodule_hyper_parameters")
    if not described or "_class_path" not in described:
        raise InputError(f"{path} does not say what data it was trained on: name their class too, --data CLASS")
    checkpoints.described_class(DataModule, described, str(path))  # type: ignore[type-abstract]
    data = found(described, path)
    if (line := origin({key: value for key, value in data.items() if key not in changed}, str(path))) is not None:
        say(line, sys.stderr)
    return [f"--data={json.dumps(checkpoints.as_config(harmless(data)))}", *argv]


def check_files(argv: Sequence[str]) -> None:
    """Check the size of the YAML files that options name, before jsonargparse reads them without a limit.

    Raises:
        InputError: A file holds more than a recipe may; see `recipes.read`.
    """
    for word in argv:
        path = Path(word.split("=", 1)[-1])
        if path.suffix in (".yaml", ".yml") and path.is_file():
            recipes.load(path)


def split(argv: Sequence[str], known: Collection[str]) -> tuple[list[str], list[str]]:
    """Split a command's own arguments from options that it does not know, each with its value."""
    own: list[str] = []
    others: list[str] = []
    takes = own
    for word in argv:
        option = re.match("--?[a-z]", word) is not None
        if option:
            takes = own if word.lstrip("-").split("=")[0] in known else others
        takes.append(word)
        if not option or "=" in word:
            takes = own
    return own, others
