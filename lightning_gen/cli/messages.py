"""The messages of jsonargparse and Lightning, shortened to one sentence that names what the user has to change."""

import inspect
import re
import typing
from collections.abc import Iterable
from pathlib import Path

from lightning_gen.cli import recipes
from lightning_gen.cli.help import PROGRAM
from lightning_gen.reflection import argument_names, imported
from lightning_gen.spelling import nearest, suggest
from lightning_gen.system import shortened


def explain(message: str, options: Iterable[str] = ()) -> str:
    """Shorten a parser's message to one sentence, with the nearest valid name where a name is wrong.

    Args:
        message: The parser's message, of many lines.
        options: The names of all its options, without dashes.
    """
    message = re.sub(r"\x1b\[[0-9;]*m", "", message)
    return (
        unknown_option(message, list(options))
        or unknown_argument(message)
        or missing(message)
        or unknown_class(message)
        or function(message)
        or abstract(message)
        or no_part(message)
        or wrong_value(message)
        or no_settings(message)
        or message.strip().splitlines()[-1].strip(" -")
    )


def unknown_option(message: str, options: list[str]) -> str | None:
    """An option that no part of the command has."""
    found = re.search(r"[Uu]nrecognized arguments: ?(\S*)|does not accept (?:nested )?option '([^']+)'", message)
    if found is None or "class_path" in message:
        return None
    if found[2] is None and not found[1].startswith("-"):
        return loose_word(found[1], options)
    name = (found[1] or found[2]).split("=")[0].lstrip("-")
    near = nearest(name, options, 1)
    return f"there is no option --{name}" + (f"; did you mean --{near[0]}?" if near else "")


def loose_word(word: str, options: list[str]) -> str:
    """A word of a command that belongs to no option, with the option that probably takes it."""
    hint = f"write the option that takes it before it; {PROGRAM} --help lists them"
    recipe = word if word.endswith((".yaml", ".yml")) else next(iter(nearest(word, recipes.names(), 1, 0.7)), None)
    if "ckpt_path" in options and word.endswith(".ckpt"):
        hint = f"did you mean --ckpt_path {word}?"
    elif "data" in options and word and Path(word).is_dir():
        hint = f"did you mean --data ImageFolder --data.folder {word}?"
    elif "config" in options and recipe is not None:
        hint = f"did you mean --config {recipe}?"
    return f"'{shortened(word)}' belongs to no option: {hint}"


def culprit(message: str, error: str) -> tuple[type | None, str] | None:
    """The innermost class that a message mentions before an error, and the name in that error."""
    found = re.search(error, message)
    if found is None:
        return None
    owners = re.findall(r"class_path '([^']+)'", message[: found.start()])
    return (imported(owners[-1]) if owners else None), next(group for group in found.groups() if group)


def unknown_argument(message: str) -> str | None:
    """An argument that a part does not have."""
    found = culprit(message, r"(?:Option|Key) '([^']+)' is not|unrecognized arguments: --([^=\s]+)")
    if found is None:
        return None
    kind, argument = found
    known: list[str] = argument_names(kind) if kind else []
    owner = kind.__name__ if kind else "the recipe"
    return f"{owner} has no argument '{shortened(argument)}'{suggest(argument, known)}"


def missing(message: str) -> str | None:
    """A required argument that is missing."""
    found = culprit(message, r"[\"']([\w.]+)[\"'] is required|arguments are required: ([\w.]+)")
    if found is None:
        return None
    kind, argument = found
    owner = f"{kind.__name__} needs '{argument}'" if kind else f"'{argument}' is needed"
    return f"{owner}, which was not given: add it to the command or to the recipe"


def unknown_class(message: str) -> str | None:
    """The name of a class that does not exist, or of something that is no such class."""
    found = re.search(
        r"Problem with given class_path '([^']+)':\s+(?:No module named|module '\S+' has no attribute)"
        r"|dot import path string: (\S+)|Import path (\S+) does not|No module named '([^']+)'",
        message,
    )
    if found is None:
        return None
    base = expected_base(message[: found.start()])
    name = next(group for group in found.groups() if group)
    if base is None:
        return f"{option_of(message)}there is no class '{name}': give its import path, such as torch.optim.Adam"
    known = sorted(concrete(base))
    hint = suggest(name.rsplit(".")[-1], known) or f": the classes are {', '.join(known)}"
    return f"{option_of(message)}there is no class '{name}'{hint}"


def function(message: str) -> str | None:
    """A function in the place of a class whose arguments follow from others."""
    if "add_function_arguments() got an unexpected keyword argument 'linked_targets'" not in message:
        return None
    given = re.findall(r"val='([^']+)'", message)
    name = f" {given[-1]}" if given else ""
    return f"{option_of(message)}the function{name} cannot take the place of a class: give a class that calls it"


def abstract(message: str) -> str | None:
    """An argument of a part whose class was not chosen."""
    found = re.search(r"(lightning_gen\.[\w.]+) is abstract", message)
    base = imported(found[1]) if found else None
    if base is None:
        return None
    return f"{option_of(message)}name its class first, one of {', '.join(sorted(concrete(base)))}"


NO_PARTS = (
    r"Not a valid subclass|to a subclass|Subclasses are disabled|Unexpected import path|an import path or a subclass"
    r"|to be a (?:function|subclass)|Key must be a string|has no attribute 'keys'"
)
"""Patterns of the messages about a value that describes no part."""


def no_part(message: str) -> str | None:
    """A value that describes no part, where one belongs."""
    found = re.search(NO_PARTS, message)
    if found is None:
        return None
    nested = re.findall(r"NestedArg\(key='([\w.]+)', val=(.*)\)", message)
    before, option = message[: found.start()], option_of(message)
    if nested and f".{nested[-1][0]}:" not in option:  # jsonargparse has not come to the part's own argument
        before, option = f'{before}Parser key "{nested[-1][0]}"', f"{option.rstrip(': ')}.{nested[-1][0]}: "
    given = re.findall(r"(?:Got|Given) value: ([^\n]*)", message[found.start() :])
    value = nested[-1][1] if given and "NestedArg" in given[0] else given[0] if given else "the value"
    value = re.sub(r"Namespace\(class_path='(.*?)'.*", r"\1", value)
    base = expected_base(before)
    fitting = f"one of {', '.join(sorted(concrete(base)))}" if base else "an import path, such as torch.optim.Adam"
    return f"{option}{shortened(value)} does not fit here: give {fitting}"


def no_settings(message: str) -> str | None:
    """A value that holds no settings, where several belong."""
    found = re.search(r"Unable to load config ['\"](.*?)['\"]", message)
    if found is None:
        return None
    name = re.findall(r'Parser key "([\w.]+)"', message)[-1]
    example = ", such as --trainer.max_epochs 3" if name == "trainer" else ""
    return f"--{name}: {shortened(found[1])} is no YAML file with settings: give one, or each setting alone{example}"


def expected_base(message: str) -> type | None:
    """The class of the library that a part should be: that of the innermost argument in the message."""
    owners, keys = re.findall(r"class_path '([^']+)'", message), re.findall(r'Parser key "([\w.]+)"', message)
    owner = imported(owners[-1]) if owners else None
    hints = typing.get_type_hints(owner.__init__) if owner is not None and keys else {}  # type: ignore[misc]
    named = str(hints.get(keys[-1], "")) if hints else message
    return next((kind for path in re.findall(r"lightning_gen\.[\w.]+", named) if (kind := imported(path))), None)


def concrete(base: type) -> set[str]:
    """The names of the classes of the library that can be given for `base`."""
    below: list[type] = base.__subclasses__()
    found = {name for kind in below for name in concrete(kind)}
    return found if inspect.isabstract(base) or base.__name__.startswith("_") else found | {base.__name__}


def option_of(message: str) -> str:
    """The option in a message, as ``--data.size: ``."""
    keys = re.findall(r'Parser key "([\w.]+)"', message)
    return f"--{'.'.join(keys)}: " if keys else ""


def wrong_value(message: str) -> str | None:
    """A value of the wrong type."""
    message = re.sub(r"NestedArg\(key=.*?val=(.*?)\)", r"\1", message)
    expected = [kind for kind in re.findall(r"Expected an? ([^\n]*?)(?:\. Got|\n|$)", message) if "None" not in kind]
    expected = [kind for kind in expected if not kind.startswith("path but")] or expected
    given = re.findall(r"Got value: ([^\n]*)", message) or re.findall(r"Given value: ([^\n]*)", message)
    if not expected or not given:
        return None
    wanted = " or ".join(
        re.sub(r"<class '(?:\w+\.)*(\w+)'>|typing\.Literal\[([^]]*)\]", r"\1\2", kind) for kind in expected
    )
    return f"{option_of(message)}expected {wanted} and got {given[-1].split('. Got value')[0].strip()}"
