"""Settings of a run that recipes change when it is resumed, which a user who names the recipe again may not intend."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
        return f"{self.name} {self.before} -> {self.now}"


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
    arguments = described.get("init_args") or {}
    for name, value in (recipe.get("init_args") or {}).items():
        had = arguments.get(name)
        if isinstance(had, Mapping) and "class_path" in had:
            given = value if isinstance(value, Mapping) else {"class_path": value}
            yield from changes(had, given, f"{place}.{name}")
        elif name in arguments and isinstance(had, (int, float, str, list, tuple)) and plain(had) != plain(value):
            yield Change(f"{place}.{name}", had, value)


def class_name(path: Any) -> str | None:
    """The last word of a dotted path."""
    return path.rsplit(".", 1)[-1] if isinstance(path, str) else None


def plain(value: Any) -> Any:
    """A value for comparison: tuples are lists."""
    return list(value) if isinstance(value, tuple) else value


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
