"""Recipes: the YAML files of ``configs/``, found by path or by short name, from a checkout or an installed wheel."""

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from lightning_gen.cli.sections import TEXTS, checked
from lightning_gen.errors import InputError
from lightning_gen.files import opened
from lightning_gen.spelling import nearest, plain
from lightning_gen.upgrades import RECIPES, upgraded, upgraded_name

INSTALLED = Path(__file__).parents[1] / "configs"
CHECKOUT = Path(__file__).parents[2] / "configs"
DEFAULT = "gan/projection"
"""The recipe of a command that names none, on the data of the recipe itself."""
DEFAULT_OF_DATA = "gan/dcgan"
"""The recipe of a command that names data alone, which may have no classes."""
LARGEST = 2**20
"""Maximum size of a recipe in bytes; those in ``configs/`` have some hundreds."""
MOST = 100_000
"""Maximum number of values in a recipe, its aliases expanded."""
DEEPEST = 64
"""Maximum number of levels in a recipe; those in ``configs/`` have up to 8."""
TEXT, *SCALARS = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "bool", "float", "int", "timestamp"))
"""YAML's types of a text and of what else a single word may be."""


def folder() -> Path:
    """The folder of the recipes: inside an installed wheel, beside the package in a checkout."""
    return INSTALLED if INSTALLED.is_dir() else CHECKOUT


def names() -> list[str]:
    """Short names of all recipes and parts, such as ``gan/dcgan`` and ``data/digits``."""
    return sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().glob("*/*.yaml"))


def find(name: str) -> Path:
    """The file of a recipe.

    Args:
        name: A path to a YAML file, or a short name.

    Raises:
        InputError: There is no such recipe; the message lists similar ones.
    """
    if Path(name).is_file():
        return Path(name)
    packaged = folder() / f"{name.removesuffix('.yaml')}.yaml"
    if packaged.is_file():
        return packaged
    raise InputError(f"there is no recipe '{name}', neither a file nor a short name; {meant(name)}")


def meant(name: str) -> str:
    """The end of a message that there is no such recipe, with those that may be meant.

    They are those of the name in a folder, those in a folder of the name, or else those of a near spelling.
    """
    short, known = name.removesuffix(".yaml"), names()
    same = [each for each in known if plain(each.rsplit("/")[-1]) == plain(short)]
    inside = [each for each in known if plain(each.split("/")[0]) == plain(short)]
    if inside and not same:
        return f"those of {short} are {', '.join(inside)}"
    near = same or nearest(short, known)
    return f"did you mean {' or '.join(near)}?" if near else "`python -m lightning_gen --help` lists them all"


def load(path: Path, model: type | None = None) -> dict[str, Any]:
    """The content of a recipe, with today's names of classes and arguments of this package.

    Args:
        path: The recipe, of any version.
        model: The class of the model, or a base of it, for a recipe that may not name it.

    Raises:
        InputError: As `read`.
    """
    content: dict[str, Any] = upgraded(read(path))
    names = {name: upgraded_name(name, model)[0] if name.startswith("model.") else name for name in content}
    return {names[name]: upgraded(value, model) if name == "model" else value for name, value in content.items()}


def for_run(path: Path, content: dict[str, Any], had: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a recipe for a run that it resumes: without what the run has as version 0.1 began it.

    Args:
        path: The recipe.
        content: Its content.
        had: The arguments of the run's model; empty for a new run.
    """
    before = next((former for name, former in RECIPES.items() if path.samefile(folder() / f"{name}.yaml")), {})
    same = {name for name, value in before.items() if had.get(name) == value}
    if not same:
        return content
    model = content["model"]
    kept = {name: value for name, value in model["init_args"].items() if name not in same}
    return {**content, "model": {**model, "init_args": kept}}


def read(path: Path) -> dict[str, Any]:
    """The content of a recipe as it is in the file.

    Raises:
        InputError: The file cannot be read, is too large (also with its aliases expanded), is not a YAML mapping, or a
            setting in it is of another kind.
    """
    return checked(path, as_written(path, TEXTS))


def as_written(path: Path, texts: Collection[str] = ()) -> dict[Any, Any]:
    """The content of a recipe as YAML reads it.

    Args:
        path: The recipe.
        texts: Settings that are read as text, see `parsed`.

    Raises:
        InputError: The file cannot be read, is too large (also with its aliases expanded) or is not a YAML mapping.
    """
    try:
        with opened(path) as file:
            text = file.read(LARGEST + 1)
        content = parsed(text.decode(), texts) if len(text) <= LARGEST else {}
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): make it readable or give another --config"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else str(error).replace("\n", " ")
        raise InputError(f"{path} is not a YAML file ({problem}): correct it or give another --config") from None
    if len(text) > LARGEST:
        raise InputError(f"{path} is larger than a recipe may be, {LARGEST:,} bytes: give another --config")
    if not isinstance(content, (dict, type(None))):
        raise InputError(
            f"{path} holds no settings (a {type(content).__name__}): a recipe is a mapping such as 'model: ...'"
        )
    return content or {}


def parsed(text: str, texts: Collection[str] = ()) -> Any:
    """The content of a YAML text that holds plain data only.

    Args:
        text: The text.
        texts: Keys of the document whose values are text as it is written, or null.

    Raises:
        YAMLError: It is no YAML, or its aliases (`*name`) expand to more than `MOST` values or to themselves.
        RecursionError: It is nested too deeply.
        ValueError: A number or a date in it is invalid.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        check_size(node)
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.value in texts and value.tag in SCALARS:
                value.tag = TEXT
        return loader.construct_document(node)
    finally:
        loader.dispose()


def as_json(settings: Mapping[str, Any]) -> str:
    """Settings as JSON, which jsonargparse reads as YAML: so characters beyond ASCII stay what they are."""
    return json.dumps(settings, default=str, ensure_ascii=False)


def check_size(root: yaml.Node) -> None:
    """Check the number of values in a document with its aliases expanded, and its depth.

    Ten lines can expand to billions of values.

    Raises:
        YAMLError: There are too many, or an alias contains itself.
        RecursionError: It is deeper than `DEEPEST`.
    """
    sizes: dict[int, float] = {}
    depths: dict[int, int] = {}

    def size(node: yaml.Node) -> float:
        if id(node) not in sizes:
            sizes[id(node)] = math.inf  # until it is known, so that an alias that contains itself is infinite
            parts = node.value if isinstance(node, yaml.CollectionNode) else []
            flat = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
            sizes[id(node)] = 1 + sum(map(size, flat))
            depths[id(node)] = 1 + max((depths.get(id(part), 0) for part in flat), default=0)
        return sizes[id(node)]

    if size(root) > MOST:
        raise yaml.YAMLError(f"with its aliases expanded it has more than {MOST:,} values")
    if depths[id(root)] > DEEPEST:
        raise RecursionError
