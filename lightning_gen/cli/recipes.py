"""Recipes: the YAML files of ``configs/``, found by path or by short name, from a checkout or an installed wheel."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from lightning_gen.errors import InputError
from lightning_gen.files import opened
from lightning_gen.spelling import nearest, suggest
from lightning_gen.upgrades import upgraded, upgraded_name

INSTALLED = Path(__file__).parents[1] / "configs"
CHECKOUT = Path(__file__).parents[2] / "configs"
DEFAULT = "gan/dcgan"
LARGEST = 2**20
"""Bytes of a recipe; those here have some hundreds."""
MOST = 100_000
"""Values of a recipe, its aliases written out."""


def folder() -> Path:
    """Where the recipes are: inside an installed wheel, beside the package in a checkout."""
    return INSTALLED if INSTALLED.is_dir() else CHECKOUT


def names() -> list[str]:
    """Short names of all recipes and parts, such as ``gan/dcgan`` and ``data/digits``."""
    return sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().glob("*/*.yaml"))


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


def load(path: Path, model: type | None = None) -> dict[str, Any]:
    """The content of a recipe; classes and arguments of this package are called as they are today.

    Args:
        path: The recipe, whatever version wrote it.
        model: The class of the model, or a base of it, where the recipe may leave it to another one.

    Raises:
        InputError: As `read`.
    """
    content: dict[str, Any] = upgraded(read(path))
    names = {name: upgraded_name(name, model)[0] if name.startswith("model.") else name for name in content}
    return {names[name]: upgraded(value, model) if name == "model" else value for name, value in content.items()}


def read(path: Path) -> dict[str, Any]:
    """The content of a recipe as it is written.

    Raises:
        InputError: The file cannot be read, is too large or not a YAML mapping, or aliases make it so.
    """
    try:
        with opened(path) as file:
            text = file.read(LARGEST + 1)
        content = parsed(text.decode()) if len(text) <= LARGEST else None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): allow it, or give another --config") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = "too deep" if isinstance(error, RecursionError) else str(error).replace("\n", " ")
        raise InputError(f"{path} is not a YAML file ({problem}): correct it or give another --config") from None
    if len(text) > LARGEST:
        raise InputError(f"{path} is larger than any recipe, {LARGEST:,} bytes: give another --config")
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            f"{path} holds no settings (a {type(content).__name__}): a recipe is a mapping such as 'model: ...'"
        )
    return content


def parsed(text: str) -> Any:
    """The content of a YAML text, of plain data alone.

    Raises:
        YAMLError: It is no YAML, or its aliases (`*name`) stand for more than `MOST` values or for themselves.
        RecursionError: It is too deep.
        ValueError: A number or a date in it is none.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        check_aliases(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def check_aliases(root: yaml.Node) -> None:
    """Check how many values a document holds once its aliases are written out: ten lines can stand for billions.

    Raises:
        YAMLError: Too many, or one holds itself.
    """
    sizes: dict[int, float] = {}

    def size(node: yaml.Node) -> float:
        if id(node) not in sizes:
            sizes[id(node)] = math.inf  # until it is known, so that what holds itself has no end
            parts = node.value if isinstance(node, yaml.CollectionNode) else []
            flat = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
            sizes[id(node)] = 1 + sum(map(size, flat))
        return sizes[id(node)]

    if size(root) > MOST:
        raise yaml.YAMLError(f"with its aliases written out it has more than {MOST:,} values")


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
