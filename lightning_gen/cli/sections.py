"""The settings in a recipe: what kind of value each of them has.

jsonargparse checks their values; it ignores or fails on a section that is a number, a key that is a date, or arguments
of a class that are written beside its name.
"""

import re
from pathlib import Path
from typing import Any

from lightning_gen.checkpoint.rebuilding import KEYS
from lightning_gen.errors import InputError
from lightning_gen.paths import unicode

TEXTS = ("name", "runs_dir", "ckpt_path")
"""Settings that are text, also where YAML reads a number or a date: ``name: 2024`` names a folder."""
SECTIONS = ("trainer", "model", "data")
"""Settings that hold others."""


def checked(path: Path, content: dict[Any, Any]) -> dict[str, Any]:
    """The settings of a recipe, without those that are empty, as where everything below them is commented out.

    Args:
        path: The recipe.
        content: Its content, with text for `TEXTS`.

    Raises:
        InputError: A key is no name, or a value is of another kind than its setting.
    """
    check_names(path, "the recipe", content)
    settings = {name: value for name, value in content.items() if value is not None or name not in (*TEXTS, *SECTIONS)}
    for name, value in settings.items():
        if name in TEXTS and not isinstance(value, str):
            raise InputError(f"{path} has {name}: {value!s:.80}, which is no text: write '{name}: some_text'")
        if name in TEXTS:
            unicode(value, f"{path} has a text that, as {name},")
        if name.split(".")[0] in SECTIONS:
            check_section(path, name, value)
    return {name: without_empty_arguments(value) for name, value in settings.items()}


def is_like_number(text: str | None) -> bool:
    """Whether jsonargparse may read a text as a number, also where YAML's own rules do not: ``1e3``."""
    return text is not None and re.match(r"[-+.\d]", text) is not None


def check_names(path: Path, place: str, settings: Any) -> None:
    """Check that the keys of a mapping are names.

    Raises:
        InputError: One is a number, a date or empty.
    """
    for key in settings if isinstance(settings, dict) else ():
        if not isinstance(key, str):
            raise InputError(f"{path} has the key {key} in {place}, which is no name: write settings as 'name: value'")


def check_section(path: Path, name: str, value: Any) -> None:
    """Check that a section holds settings, and the descriptions of all parts in it.

    Args:
        path: The recipe.
        name: Dotted name of the section, or of something in it.
        value: Its content: for a section a mapping, or the name of a class or of a file.

    Raises:
        InputError: It holds none, or a part is described otherwise.
    """
    if name in SECTIONS:
        check_names(path, name, value)
        if not isinstance(value, (dict, str)):
            raise InputError(
                f"{path} has {name}: {value!s:.80}, which holds no settings: write each below it, as 'name: value'"
            )
    if isinstance(value, dict) and "class_path" in value:
        check_part(path, name, value)
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        check_section(path, f"{name}.{key}", item)


def check_part(path: Path, name: str, described: dict[Any, Any]) -> None:
    """Check that the description of a part has the name of a class, and its arguments below ``init_args``.

    Raises:
        InputError: It has not.
    """
    beside = [key for key in described if key not in KEYS]
    if beside:
        raise InputError(
            f"{path} has {beside[0]} beside the class_path of {name}: write the arguments of a class below init_args"
        )
    if not isinstance(described["class_path"], str):
        raise InputError(
            f"{path} has {name}.class_path: {described['class_path']!s:.80}, which names no class: write its name"
        )
    for key in sorted(KEYS - {"class_path"}):
        given = described.get(key)
        check_names(path, f"{name}.{key}", given)
        if not isinstance(given, (dict, type(None))):
            raise InputError(
                f"{path} has {name}.{key}: {given!s:.80}, which holds no arguments: write each as 'name: value'"
            )


def without_empty_arguments(value: Any) -> Any:
    """A setting without ``init_args`` that are empty."""
    if isinstance(value, list):
        return [without_empty_arguments(item) for item in value]
    if not isinstance(value, dict):
        return value
    empty = KEYS if "class_path" in value else set()
    return {key: without_empty_arguments(item) for key, item in value.items() if not (item is None and key in empty)}
