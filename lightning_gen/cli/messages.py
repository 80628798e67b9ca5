"""The messages of jsonargparse and Lightning, shortened to one sentence that names what the user has to change."""

import re
from collections.abc import Sequence

from lightning_gen.cli.arguments import Arguments, choices
from lightning_gen.cli.suggestions import argument_meant, class_first, class_meant, listed, options_meant, word_meant
from lightning_gen.reflection import argument_names, imported
from lightning_gen.system import shortened

NO_ARGUMENTS = Arguments()
"""The arguments of a command that describes no parts."""
AFTER_THE_COMMAND = {
    "checkpoint": "name a checkpoint or the folder of a run after the command, such as runs/mine",
    "folder": "name the folder of your images after the command",
    "recipe": "name a recipe after the command, such as gan/dcgan",
}
"""What to give where the argument that follows a command is missing."""
NO_PARTS = (
    r"Not a valid subclass|to a subclass|Subclasses are disabled|Unexpected import path|an import path or a subclass"
    r"|to be a (?:function|subclass)|Key must be a string|has no attribute 'keys'"
)
"""Patterns of the messages about a value that describes no part."""


def explain(message: str, options: Sequence[str] = (), arguments: Arguments = NO_ARGUMENTS) -> str:
    """Shorten a parser's message to one sentence, with what may be meant where a name is wrong.

    Args:
        message: The parser's message, of many lines.
        options: The names of all its options, without dashes.
        arguments: The arguments of the parts that the command describes.
    """
    message = re.sub(r"\x1b\[[0-9;]*m", "", message)
    options = [*options, *(name for name in arguments.names if name not in options)]
    return (
        unknown_option(message, options)
        or unknown_argument(message, options, arguments)
        or missing(message)
        or unknown_class(message, arguments)
        or function(message)
        or abstract(message)
        or unnamed_part(message, arguments)
        or no_part(message, arguments)
        or wrong_value(message)
        or no_settings(message)
        or message.strip().splitlines()[-1].strip(" -")
    )


def unknown_option(message: str, options: Sequence[str]) -> str | None:
    """An option that no part of the command has."""
    found = re.search(r"[Uu]nrecognized arguments: ?(\S*)|does not accept (?:nested )?option '([^']+)'", message)
    if found is None or "class_path" in message:
        return None
    if found[2] is None and not found[1].startswith("-"):
        return f"'{shortened(found[1])}' belongs to no option{word_meant(found[1], options)}"
    name = (found[1] or found[2]).split("=")[0].lstrip("-")
    return f"there is no option --{name}{listed(options_meant(name, options)) or ': --help lists the options'}"


def culprit(message: str, error: str) -> tuple[type | None, str] | None:
    """The innermost class that a message mentions before an error, and the name in that error."""
    found = re.search(error, message)
    if found is None:
        return None
    owners = re.findall(r"class_path '([^']+)'", message[: found.start()])
    return (imported(owners[-1]) if owners else None), next(group for group in found.groups() if group)


def unknown_argument(message: str, options: Sequence[str], arguments: Arguments) -> str | None:
    """An argument that a part does not have."""
    found = culprit(message, r"(?:Option|Key) '([^']+)' is not|unrecognized arguments: --([^=\s]+)")
    if found is None:
        return None
    kind, argument = found
    known: list[str] = argument_names(kind) if kind else []
    owner = kind.__name__ if kind else "the recipe"
    part = arguments.at(place_of(message))
    has_class = part is None or part.named_parts or (kind is not None and issubclass(kind, tuple(part.bases)))
    if part is not None and part.choices and not has_class:
        return f"--{part.name}: {class_first(argument, part)}"
    meant = argument_meant(argument, known, part, options)
    return f"{owner} has no argument '{shortened(argument)}'{meant}"


def missing(message: str) -> str | None:
    """A required argument that is missing."""
    found = culprit(message, r"[\"']([\w.]+)[\"'] is required|arguments are required: ([\w.]+)")
    if found is None:
        return None
    kind, argument = found
    if kind is None:
        return AFTER_THE_COMMAND.get(argument, f"'{argument}' is needed, which was not given: add it to the command")
    return f"{kind.__name__} needs '{argument}', which was not given: add it to the command or to the recipe"


def unknown_class(message: str, arguments: Arguments) -> str | None:
    """The name of a class that does not exist, or of something that is no such class."""
    found = re.search(
        r"Problem with given class_path '([^']+)':\s+(?:No module named|module '\S+' has no attribute)"
        r"|dot import path string: ([^\n]*[^\s])|Import path (\S+) does not|No module named '([^']+)'",
        message,
    )
    if found is None:
        return None
    name, argument = next(group for group in found.groups() if group), arguments.at(place_of(message))
    if argument is not None and not argument.choices:
        return f"{option_of(message)}'{name}' is none of the values that it takes: write numbers as 0.002 or 2e-3"
    meant = ": give its import path, such as my_parts.Mine" if argument is None else class_meant(name, argument)
    return f"{option_of(message)}there is no class '{name}'{meant}"


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
    return f"{option_of(message)}name its class first, one of {', '.join(sorted(choices(base)))}"


def place_of(message: str) -> str:
    """The dotted name of the option in a message; empty without one."""
    return ".".join(re.findall(r'Parser key "([\w.]+)"', message))


def no_part(message: str, arguments: Arguments) -> str | None:
    """A value that describes no part, where one belongs."""
    found = re.search(NO_PARTS, message)
    if found is None:
        return None
    nested = re.findall(r"NestedArg\(key='([\w.]+)', val=(.*)\)", message)
    place = place_of(message)
    if nested and not place.endswith(f".{nested[-1][0]}"):  # jsonargparse has not come to the argument of the part
        place = f"{place}.{nested[-1][0]}"
    given = re.findall(r"(?:Got|Given) value: ([^\n]*)", message[found.start() :])
    value = nested[-1][1] if given and "NestedArg" in given[0] else given[0] if given else "the value"
    value, argument = re.sub(r"Namespace\(class_path='(.*?)'.*", r"\1", value), arguments.at(place)
    meant = ": give an import path, such as torch.optim.Adam" if argument is None else class_meant(value, argument)
    return f"--{place}: {shortened(value)} is no class that fits{meant}"


def no_settings(message: str) -> str | None:
    """A value that holds no settings, where several belong."""
    found = re.search(r"Unable to load config ['\"](.*?)['\"]", message)
    if found is None:
        return None
    name = re.findall(r'Parser key "([\w.]+)"', message)[-1]
    example = ", such as --trainer.max_epochs 3" if name == "trainer" else ""
    return f"--{name}: {shortened(found[1])} is no YAML file with settings: give one, or each setting alone{example}"


def unnamed_part(message: str, arguments: Arguments) -> str | None:
    """A part where several are given by names."""
    argument = arguments.at(place_of(message))
    found = re.search(r"Expected a <class 'dict'>(?s:.*?)(?:Got|Given) value: '?(\w+)", message)
    if argument is None or found is None or not argument.named_parts:
        return None
    name = found[1] if found[1] in argument.choices else min(argument.choices)
    return f"--{argument.name} takes parts by names, such as --{argument.name}.{name.lower()} {name}"


def option_of(message: str) -> str:
    """The option in a message, as ``--data.size: ``."""
    place = place_of(message)
    return f"--{place}: " if place else ""


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
    value = given[-1].split(". Got value")[0].strip()
    whole = re.fullmatch(r"(\d+)\.0", value) if "int" in wanted.split(" or ") else None
    several = re.search(r"\b(Sequence|list|tuple)\b", wanted) and re.fullmatch(r"[\w.-]+", value)
    remedy = f": write {whole[1]}" if whole else f": write [{value}]" if several else ""
    return f"{option_of(message)}expected {wanted} and got {value}{remedy}"
