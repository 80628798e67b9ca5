"""What a user may have meant by an option, a class or a command that does not exist."""

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from lightning_gen.cli import recipes, words
from lightning_gen.cli.arguments import Argument, choices
from lightning_gen.reflection import argument_names, required_arguments
from lightning_gen.schedules import ImageSchedule, Schedule
from lightning_gen.spelling import nearest, plain

MOST = 3
"""Largest number of options that are suggested."""
END_IMAGES = 100_000
"""Images at the end of a schedule that is suggested."""
LISTED = 20
"""Largest number of classes that a message lists; above it, it names the help that does."""


def options_meant(name: str, options: Sequence[str]) -> list[str]:
    """The options that an unknown one may stand for, the likeliest first: `same_word`, else one of a near spelling.

    Args:
        name: The unknown option, without the dashes before it.
        options: All options.
    """
    found = same_word(name, options)
    if found:
        return found
    near = nearest(name, options, 1)
    if near:
        return near
    known = {each.rsplit(".")[-1]: each for each in reversed(options)}
    (word,) = nearest(name.rsplit(".")[-1], [*known, *words.OPTIONS], 1) or [""]
    return same_word(word, options) if word else []


def same_word(name: str, options: Sequence[str]) -> list[str]:
    """The options that the last word of a name means in other tools, or that end in it; no more than `MOST`.

    Where some are in the part that the name says, it is these alone.
    """
    *outer, word = name.replace("-", "_").split(".")
    found = [each for end in words.OPTIONS.get(word, ()) for each in ending_in(end, options)]
    found += [each for each in options if each.rsplit(".")[-1] == word]
    found = unique(found or [each for each in options if each.endswith(f"_{word}")])
    inside = [each for each in found if all(part in each for part in outer)]
    return (inside or found)[:MOST]


def ending_in(end: str, options: Sequence[str]) -> list[str]:
    """The options that end in a name, each with what follows the name in `end`."""
    name, *follows = re.split(r"(?=[ +=])", end, maxsplit=1)
    whole = [each for each in options if f".{each}".endswith(f".{name}")]
    return ["".join([each, *follows]) for each in whole or [each for each in options if each.endswith(f"_{name}")]]


def unique(found: Iterable[str]) -> list[str]:
    """Options in their order, without one that ends in an earlier one."""
    kept: list[str] = []
    for each in found:
        if not any(each == other or each.endswith(f"--{other}") for other in kept):
            kept.append(each)
    return kept


def listed(options: Iterable[str]) -> str:
    """``"; did you mean --a or --b?"``; empty without options."""
    text = " or ".join(f"--{each}" for each in options)
    return f"; did you mean {text}?" if text else ""


def argument_meant(argument: str, known: Sequence[str], part: Argument | None, options: Sequence[str]) -> str:
    """The end of a message that a part has no such argument: what may be meant, or where its arguments are listed.

    It is one of its own arguments, another option, or an argument of another class for the part; the class with most of
    its other arguments comes first.

    Args:
        argument: The unknown argument.
        known: The arguments that it has.
        part: The part; None if it is not known.
        options: All options.
    """
    own = [each for each in known if each.endswith(f"_{argument}")] or nearest(argument, known, 1)
    if own:
        return f"; did you mean {' or '.join(map(repr, own))}?"
    place = "" if part is None else part.name
    elsewhere = [each for each in same_word(f"{place}.{argument}", options) if each != f"{place}.{argument}"]
    if elsewhere or part is None:
        return listed(elsewhere)
    others = {name: argument_names(kind) for name, kind in part.choices.items()}
    others = {name: arguments for name, arguments in others.items() if argument in arguments}
    if others:
        alike = sorted(others, key=lambda name: len(set(known) - set(others[name])))
        has = "has" if len(others) == 1 else "have"
        return f", which {' and '.join(alike[:MOST])} {has}: give --{place} {alike[0]} before it"
    return f": --{place}.help lists what it takes"


def word_meant(word: str, options: Sequence[str]) -> str:
    """The end of a message that a word of a command belongs to no option: the option that probably takes it."""
    recipe = word if word.endswith((".yaml", ".yml")) else next(iter(nearest(word, recipes.names(), 1)), None)
    if "ckpt_path" in options and word.endswith(".ckpt"):
        return f"; did you mean --ckpt_path {shlex.quote(word)}?"
    if "data" in options and word and (Path(word).is_dir() or is_array(word)):
        option = "--data ImageFolder --data.folder" if Path(word).is_dir() else "--data Tensors --data.path"
        return f"; did you mean {option} {shlex.quote(word)}?"
    if "config" in options and recipe is not None:
        return f"; did you mean --config {shlex.quote(recipe)}?"
    return ": write the option that takes it before it, --help lists the options"


def class_first(argument: str, part: Argument) -> str:
    """A sentence that a part, which was given an argument, needs a class, and which classes have the argument."""
    having = [name for name, kind in part.choices.items() if argument in argument_names(kind)]
    among = f"{'' if len(having) == 1 else 'one of '}{', '.join(sorted(having))}"
    return f"name its class first, {among if having else f'which --{part.name}.help lists'}"


def class_meant(name: str, argument: Argument) -> str:
    """The end of a message that there is no such class: what may be meant, or which there are.

    Args:
        name: The unknown class.
        argument: The argument that it was given for.
    """
    other = other_words(name, argument)
    if other is not None:
        return f": give {other}"
    known = argument.choices
    module, _, word = name.rpartition(".")
    there = vars(sys.modules[module]) if module in sys.modules else {}
    beside = [each for each, kind in there.items() if isinstance(kind, type)]
    if near := nearest(word, beside, 1):
        return f"; did you mean '{module}.{near[0]}'?"
    meant = words.CLASSES.get(plain(name))
    near = [meant] if meant in known else nearest(name.rsplit(".")[-1], known, 1)
    if near:
        return f"; did you mean '{near[0]}'?"
    if len(known) > LISTED:
        return f": --{argument.name}.help lists the classes; one of your own has its import path, such as my_parts.Mine"
    return f": the classes are {', '.join(sorted(known))}"


def other_words(name: str, argument: Argument) -> str | None:
    """The words that do what a name of something else was given for: a recipe, data in a folder, or a schedule."""
    if argument.name == "model":
        found = [recipe for recipe in recipes.names() if plain(recipe.rsplit("/")[-1]) == plain(name)]
        return None if not found else f"its recipe, --config {found[0]}"
    if argument.name == "data" and Path(name).is_dir():
        return f"--data ImageFolder --data.folder {shlex.quote(name)}"
    if argument.name == "data" and is_array(name):
        return f"--data Tensors --data.path {shlex.quote(name)}"
    schedule = choices(Schedule).get(name) if ImageSchedule.__name__ in argument.choices else None
    if schedule is None:
        return None
    rate = f"--{argument.name}.learning_rate"
    end = f" {rate}.end_images {END_IMAGES}" if "end_images" in required_arguments(schedule) else ""
    return f"--{argument.name} ImageSchedule {rate} {name}{end}"


def is_array(name: str) -> bool:
    """Whether a name is that of a file of an array."""
    return Path(name).suffix in (".npy", ".npz", ".pt") and Path(name).is_file()


def command_meant(name: str, commands: Sequence[str]) -> str:
    """The end of a message that there is no such command: what may be meant, and which there are."""
    there = f"the commands are {', '.join(commands)}"
    if name in words.OTHERS:
        return f": {words.OTHERS[name]} does it; {there}"
    if name in recipes.names():
        return f"; did you mean 'fit --config {name}'?"
    near = nearest(name, [*commands, *words.COMMANDS], 1)
    meant = words.COMMANDS.get(name) or (words.COMMANDS.get(near[0], near[0]) if near else None)
    return f": {there}" if meant is None else f"; did you mean '{meant}'? {there}"
