"""Recipes: the YAML files of ``configs/``, found by path or by short name, from a checkout or an installed wheel."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from lightning_gen.errors import InputError

INSTALLED = Path(__file__).parent / "configs"
CHECKOUT = Path(__file__).parent.parent / "configs"
DEFAULT = "gan/dcgan"


def folder() -> Path:
    """Where the recipes are: inside an installed wheel, beside the package in a checkout."""
    return INSTALLED if INSTALLED.is_dir() else CHECKOUT


def names() -> list[str]:
    """Short names of all recipes and parts, such as ``gan/dcgan`` and ``data/digits``."""
    return sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().glob("*/*.yaml"))


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that a mistyped one was probably meant to be, best first."""
    known = list(known)
    found = difflib.get_close_matches(name, known, n=count, cutoff=0.5)
    ends = {full.rsplit("/")[-1]: full for full in known}
    found += [ends[end] for end in difflib.get_close_matches(name.rsplit("/")[-1], ends, n=count, cutoff=0.5)]
    return list(dict.fromkeys(found))[:count]


def suggest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"``, or nothing where no known name is near."""
    near = nearest(name, known, count=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def find(name: str) -> Path:
    """The file of a recipe.

    Args:
        name: A path to a YAML file, or a short name.

    Raises:
        InputError: There is none; the message lists the near ones.
    """
    if Path(name).is_file():
        return Path(name)
    packaged = folder() / f"{name.removesuffix('.yaml')}.yaml"
    if packaged.is_file():
        return packaged
    near = nearest(name.removesuffix(".yaml"), names())
    listed = f"did you mean {' or '.join(near)}?" if near else "`python -m lightning_gen --help` lists them all"
    raise InputError(f"there is no recipe '{name}', neither a file nor a short name; {listed}")


def load(path: Path) -> dict[str, Any]:
    """The content of a recipe.

    Raises:
        InputError: The file is not a YAML mapping.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = str(error).replace("\n", " ")
        raise InputError(f"{path} is not a YAML file ({problem}): correct it or give another --config") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            f"{path} holds no settings (a {type(content).__name__}): a recipe is a mapping such as 'model: ...'"
        )
    return content


def check_keys(path: Path, content: dict[str, Any], known: Iterable[str]) -> None:
    """Refuse a top-level key that no option reads.

    Raises:
        InputError: Names the key and the nearest valid one.
    """
    known = list(known)
    for key in content:
        if key.split(".")[0] not in known:
            raise InputError(
                f"{path} has the key '{key}', which is no setting{suggest(key, known)}"
                + ("" if nearest(key, known, 1) else f": the settings are {', '.join(known)}")
            )
