"""Counts of images that are shares of a run: ``end_images: 100%`` of a schedule is the end of the run.

They are read before a command is parsed, so that modules, checkpoints and ``config.yaml`` have numbers.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from lightning_gen.cli import recipes
from lightning_gen.errors import InputError

COUNTED = "_images"
"""The end of the names of arguments that count images."""
LENGTH = "max_images"
SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")


def length_of(contents: Iterable[Mapping[str, Any]], given: str | int | None) -> int | None:
    """The images of a run: the last number that recipes or the command give; None if none does.

    A recipe without a length, such as ``max_images: null`` of a short trial, leaves the one before it.

    Args:
        contents: The contents of recipes, later ones over earlier ones.
        given: What the command says, if it does.
    """
    found = [content.get(LENGTH) for content in contents]
    counts = [each for each in found if isinstance(each, int) and not isinstance(each, bool)]
    if (text := str(given).replace("_", "")).isdecimal():
        counts.append(int(text))
    return counts[-1] if counts else None


def resolved(content: Any, length: int | None, name: str = "") -> Any:
    """The content of a recipe with all shares of counts of images as numbers.

    Args:
        content: The content, or a part of it.
        length: The images of the run; None if they are unknown.
        name: The name of the part.

    Raises:
        InputError: There is a share, and the length is unknown.
    """
    if isinstance(content, Mapping):
        return {key: resolved(value, length, str(key)) for key, value in content.items()}
    if isinstance(content, list):
        return [resolved(each, length, name) for each in content]
    return number(content, length, name) if name.endswith(COUNTED) else content


def resolved_options(argv: Sequence[str], length: int | None) -> Iterator[str]:
    """The options of a command with all shares as numbers; each has its value in the same word or in the next. A
    value may be a mapping in YAML, such as ``{end_images: 100%}``.

    Raises:
        InputError: As `resolved`.
    """
    expected = ""
    for word in argv:
        name, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if name.endswith(COUNTED):
            yield f"{name}={number(value, length, name[2:])}" if equals else word
            expected = "" if equals else name[2:]
        else:
            found = number(value, length, expected) if expected else mapping(value, length)
            yield f"{name}{equals}{found}"
            expected = ""


def mapping(text: str, length: int | None) -> str:
    """A mapping in YAML with all shares as numbers; any other text as it is.

    Raises:
        InputError: As `resolved`.
    """
    if not (text.startswith("{") and SHARE.search(text)):
        return text
    try:
        content = recipes.parsed(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    found = resolved(content, length)
    return text if found == content else recipes.as_json(found)


def number(value: Any, length: int | None, name: str) -> Any:
    """A share such as ``50%`` as a number of images; any other value as it is.

    Raises:
        InputError: It is a share, and the length of the run is unknown.
    """
    share = SHARE.fullmatch(value) if isinstance(value, str) else None
    if share is None:
        return value
    if length is None:
        raise InputError(
            f"{name} is {value} of a run whose length in images is unknown: give --max_images, or a number of images"
        )
    return round(float(share[1]) / 100 * length)
