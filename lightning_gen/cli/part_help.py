"""The help of a part: what its class takes, with what the command gives it, or which classes there are."""

import argparse
import inspect
import pkgutil
import re
import shutil
import textwrap
import typing
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any

from jsonargparse import ArgumentParser

from lightning_gen import private
from lightning_gen.cli.arguments import NONE, Argument, Arguments, is_union
from lightning_gen.cli.help import PROGRAM, readable
from lightning_gen.cli.suggestions import class_meant
from lightning_gen.errors import InputError

FEW = 8
"""Largest number of classes that the line of an argument lists; above it, it names the help that does."""


def part_asked(options: Sequence[str]) -> tuple[str, str | None] | None:
    """The part whose help a command asks for, and the class that it names for it, the last one in the command.

    Args:
        options: The options, such as ``--model.generator.help ResNetGenerator``.
    """
    found = None
    for word, following in zip(options, [*options[1:], "-"], strict=False):
        name, _, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and name.endswith(".help"):
            found = name.removesuffix(".help"), value or (None if following.startswith("-") else following)
    return found


def part_help(asked: tuple[str, str | None], arguments: Arguments, command: str) -> str:
    """The help of a part.

    Args:
        asked: The result of `part_asked`.
        arguments: The arguments of the command.
        command: The command with its own arguments, such as ``fit [--config RECIPE]...``.

    Raises:
        InputError: There is no such part, or no such class for it.
    """
    name, given = asked
    argument = arguments.at(name)
    if argument is None or not (argument.choices or argument.kind):
        raise InputError(f"{name} is no part: --help lists the options, --model.help and --data.help what these take")
    kind = argument.kind if given is None else chosen(given, argument)
    choice = f"--{name}.NAME CLASS" if argument.named_parts else f"--{name} CLASS"
    if kind is not None:
        choice = "" if kind is argument.kind else f"--{name}{'+=' if argument.several else ' '}{given} "
        choice += f"[--{name}.ARGUMENT VALUE]..."
    parser = argparse.ArgumentParser(
        usage=f"{PROGRAM} {command} {choice}",
        description=None if kind is None else f"{kind.__name__}: {summary(kind)}",
        add_help=False,
    )
    if kind is not None:
        argument = argument.of(kind)
        own = [each for each in argument.arguments.values() if each.name not in arguments.linked]
        add_groups(parser, kind, own)
    parts = {} if kind is not None else argument.arguments
    others = {other: each for other, each in sorted(argument.choices.items()) if each is not kind}
    return "\n".join([parser.format_help().rstrip(), *here(name, parts), *choices_of(name, others, kind)])


def chosen(name: str, argument: Argument) -> type:
    """The class of a name, which is imported if it is a dotted path.

    Raises:
        InputError: There is no such class.
    """
    if name in argument.choices:
        return argument.choices[name]
    try:
        kind = pkgutil.resolve_name(name) if "." in name else None
    except (ImportError, AttributeError, ValueError):
        kind = None
    if not isinstance(kind, type):
        raise InputError(f"--{argument.name}.help: there is no class '{name}'{class_meant(name, argument)}")
    return kind


def add_groups(parser: argparse.ArgumentParser, kind: type, arguments: Iterable[Argument]) -> None:
    """Add the arguments of a class to a parser in groups: its parts, its optimizers, and numbers and switches."""
    texts = documented(kind)
    titles = {
        "parts": "parts (`--PART.help` lists what one takes)",
        "optimizers": "optimizers and schedulers of the learning rate",
        "settings": "settings",
    }
    groups = {name: parser.add_argument_group(title) for name, title in titles.items()}
    for each in arguments:
        text = " ".join(filter(None, (texts.get(each.name.rpartition(".")[2], ""), note(each))))
        group = "settings" if each.plain else "optimizers" if each.called_with else "parts"
        place = f"--{each.name}.NAME" if each.named_parts else f"--{each.name}"
        metavar = "VALUE" if each.plain else "CLASS"
        groups[group].add_argument(place, metavar=metavar, help=text.replace("%", "%%"))


def note(argument: Argument) -> str:
    """What a line says of an argument after its description: its type or classes, its default and its value."""
    if argument.plain:
        found = [type_text(argument.hint)]
        found.append("required" if argument.default is NONE else f"default: {written(argument.default)}")
        given = "" if argument.value is NONE else written(argument.value)
        found += [f"here {given}"] if given and given != written(argument.default) else []
        return f"({', '.join(found)})"
    known = sorted(argument.choices)
    many = f"one of {len(known)} classes, which --{argument.name}.help lists"
    found = [", ".join(known) if len(known) <= FEW else many]
    chosen = [kind_name(argument)] if argument.kind else []
    chosen += [f"{name} {kind_name(each)}" for name, each in argument.arguments.items() if argument.named_parts]
    found += [f"here {', '.join(chosen)}"] if chosen and len(known) > 1 else []
    return f"({'; '.join(found)})"


def kind_name(argument: Argument) -> str:
    """The name of the class that is chosen; a question mark where none is."""
    return "?" if argument.kind is None else argument.kind.__name__


def written(value: Any) -> str:
    """A value as it is written on the command line."""
    value = value.value if isinstance(value, Enum) else value
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def type_text(hint: Any) -> str:
    """A type in words, such as ``int | null``."""
    inner = typing.get_args(hint)
    if is_union(hint):
        return " | ".join(map(type_text, inner))
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(map(str, inner))
    name = "null" if hint is type(None) else "..." if hint is ... else str(getattr(hint, "__name__", "any"))
    return f"{name}[{', '.join(map(type_text, inner))}]" if inner else name


def here(name: str, parts: Mapping[str, Argument]) -> list[str]:
    """Lines about the named parts that the command gives."""
    title = f"parts here (`--{name}.NAME.help` lists what one takes):"
    return ["", title, *table({each: kind_name(part) for each, part in parts.items()})] if parts else []


def choices_of(name: str, others: Mapping[str, type], kind: type | None) -> list[str]:
    """Lines about the classes that can be given beside one: their names, or without one what each of them is."""
    what = f"for --{name} (`--{name}.help CLASS` lists what one takes):"
    if not others:
        return []
    if kind is None:
        return ["", f"classes {what}", *table({each: summary(other) for each, other in others.items()})]
    names = textwrap.fill(", ".join(others), width(), initial_indent="  ", subsequent_indent="  ")
    return ["", f"other classes {what}", names]


def table(rows: Mapping[str, str]) -> list[str]:
    """Names, and beside each a text."""
    space = max(map(len, rows)) + 4
    return [
        textwrap.fill(text, width(), initial_indent=f"  {name}".ljust(space), subsequent_indent=" " * space)
        or f"  {name}"
        for name, text in rows.items()
    ]


def width() -> int:
    """The width of the terminal in characters."""
    return shutil.get_terminal_size().columns - 2


def summary(kind: type) -> str:
    """The first sentence of the docstring of a class; empty without one."""
    text = readable(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0])
    return re.split(r"(?<=[\w)\]`])[.:](?=\s|$)", text)[0]


@cache
def documented(kind: type) -> dict[str, str]:
    """The descriptions of the arguments of a class, from its docstring and those of its bases, by name."""
    parser = ArgumentParser(exit_on_error=False)
    try:
        parser.add_class_arguments(kind, instantiate=False, fail_untyped=False)
    except Exception:  # jsonargparse does not understand its constructor
        return {}
    texts = {action.dest: readable(action.help or "") for action in private.options(parser)}
    return {name: re.sub(r" \.\. .*| ?\(default: [^()]*(\([^()]*\))?\)", "", text) for name, text in texts.items()}
