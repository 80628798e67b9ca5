"""One sentence for each mistake: what jsonargparse and Lightning say, cut down to what a user has to change."""

import re
from collections.abc import Iterable

from lightning_gen import recipes
from lightning_gen.reflection import argument_names, imported

NOISE = ("Given value", "Errors:", "Parser key", "Problem with given class_path", "Does not validate", "Expected a <class 'None")


def explain(message: str, options: Iterable[str] = ()) -> str:
    """Cut a parser's message down to one sentence, with the nearest valid name where a name is wrong.

    Args:
        message: What the parser said, over many lines.
        options: The names of all options that it knows.
    """
    message = re.sub(r"\x1b\[[0-9;]*m", "", message)
    return unknown_option(message, list(options)) or unknown_argument(message) or missing(message) or core(message)


def unknown_option(message: str, options: list[str]) -> str | None:
    """An option that no part of the command has."""
    found = re.search(r"[Uu]nrecognized arguments: (\S+)", message) or re.search(
        r"does not accept (?:nested )?option '([^']+)'", message
    )
    if found is None:
        return None
    name = found[1].split("=")[0].lstrip("-")
    return f"there is no option --{name}{recipes.suggest(name, options)}"


def unknown_argument(message: str) -> str | None:
    """An argument that a part does not have; the innermost part is the one to blame."""
    found = re.findall(r"class_path '([^']+)'|(?:Option|Key) '([^']+)' is not (?:accepted|expected)", message)
    for index, (_, argument) in enumerate(found):
        if argument:
            owners = [path for path, _ in found[:index] if path]
            kind = imported(owners[-1]) if owners else None
            known = argument_names(kind) if kind else []
            owner = owners[-1].rsplit(".")[-1] if owners else "the recipe"
            return f"{owner} has no argument '{argument}'{recipes.suggest(argument, known)}"
    return None


def missing(message: str) -> str | None:
    """An argument that has to be given."""
    found = re.findall(
        r"class_path '([^']+)'|[\"']([\w.]+)[\"'] is required|arguments are required: ([\w.]+)", message
    )
    for index, (_, first, second) in enumerate(found):
        argument = first or second
        if argument:
            owners = [path for path, *_ in found[:index] if path]
            owner = f"{owners[-1].rsplit('.')[-1]} needs" if owners else "needed is"
            return f"{owner} '{argument}', which was not given: set it in the recipe or as an option"
    return None


def core(message: str) -> str:
    """The first line that says something, with the option it is about."""
    lines = [line.strip(" -\t") for line in message.strip().splitlines() if line.strip(" -\t")]
    telling = next((line for line in lines if not line.startswith(NOISE)), lines[0])
    about = re.search(r"[\"'](?:--)?((?:model|data|trainer)[\w.]*)[\"']", message)
    return (f"--{about[1]}: " if about and about[1] not in telling else "") + telling.rstrip(":")
