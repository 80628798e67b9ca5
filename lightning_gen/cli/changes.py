"""Settings of a run that recipes change when it is resumed, which a user who names the recipe again may not intend."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lightning_gen.cli.part_help import written

NAMED = 4
"""Number of changes that are listed."""


@dataclass(frozen=True)
class Change:
    """One setting with another value than the run had.

    Attributes:
        name: The setting, such as ``model.generator_optimizer.lr``.
        before: What the run had.
        now: What it has from now on.
    """

    name: str
    before: Any
    now: Any

    def __str__(self) -> str:
        """``data ImageFolder -> Digits``."""
        return f"{self.name} {written(self.before)} -> {written(self.now)}"


def changes(described: Mapping[str, Any], recipe: Mapping[str, Any], place: str) -> Iterator[Change]:
    """The settings of a part that a recipe changes; of a part of another class only that.

    Args:
        described: The part with ``class_path`` and ``init_args``, as it was.
        recipe: What the recipe says of it, likewise.
        place: The dotted name of the part.
    """
    before, now = class_name(described.get("class_path")), class_name(recipe.get("class_path"))
    if now is not None and now != before:
        yield Change(place, before, now)
        return
    yield from changed_arguments(described.get("init_args") or {}, recipe.get("init_args") or {}, place)


def changed_arguments(arguments: Mapping[str, Any], given: Mapping[str, Any], place: str) -> Iterator[Change]:
    """The arguments of a part, or the parts of several by their names, that a recipe changes.

    Args:
        arguments: What the part had; those that it lacks have come with a later version.
        given: What the recipe gives.
        place: The dotted name of the part.
    """
    for name, value in given.items():
        had, inside = arguments.get(name), f"{place}.{name}"
        if isinstance(had, Mapping) and "class_path" in had and value is not None:
            yield from changes(had, value if isinstance(value, Mapping) else {"class_path": value}, inside)
        elif isinstance(had, Mapping) and isinstance(value, Mapping) and "class_path" not in had:
            parts = value.get("init_args") or {} if "class_path" in value else value
            yield from changed_arguments(dict.fromkeys(parts) | dict(had), parts, inside)
        elif name in arguments and plain(had) != plain(value):
            yield Change(inside, plain(had), plain(value))


def class_name(path: Any) -> str | None:
    """The last word of a dotted path."""
    return path.rsplit(".", 1)[-1] if isinstance(path, str) else None


def plain(value: Any) -> Any:
    """A value for comparison: parts are the names of their classes, tuples lists, and texts such as 1e-3 numbers."""
    if isinstance(value, Mapping):
        return class_name(value.get("class_path")) or {name: plain(each) for name, each in value.items()}
    if isinstance(value, str):
        with suppress(ValueError):  # YAML reads 1e-3 as a text, and the parser as a number
            return float(value)
    return [*map(plain, value)] if isinstance(value, (list, tuple)) else value


def unintended(found: Sequence[Change], options: Sequence[str]) -> list[Change]:
    """The changes that no option of the command names, nor the class of a part around them."""
    given = {word.split("=", 1)[0].removesuffix(".class_path") for word in options if word.startswith("--")}

    def named(change: Change) -> bool:
        words = change.name.split(".")
        around = {f"--{'.'.join(words[: i + 1])}" for i in range(len(words))}
        return bool(around & given) or any(each.startswith(f"--{change.name}.") for each in given)

    return [change for change in found if not named(change)]


def sentence(found: Sequence[Change]) -> str:
    """What a resumed run has from now on that it had not before, and how to keep it."""
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return (
        f"--config changes what the run had: {'; '.join(map(str, found[:NAMED]))}{more}; leave out --config to resume "
        "it as it was"
    )
