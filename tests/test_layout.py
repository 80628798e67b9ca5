"""The rooms of the package: each imports those below it alone, wherever in a file the import stands."""

import ast
from pathlib import Path

import pytest

import lightning_gen

PACKAGE = Path(lightning_gen.__file__).parent
ORDER = (
    *("__main__", "cli", "commands", "inspection", "bench", "applications", "evaluation", "callbacks"),
    *("__init__", "modules", "training", "metrics", "data", "media", "checkpoint"),
    *("samplers", "adversaries", "regularizers", "augmentations", "objectives", "bottlenecks", "networks"),
    "pretrained",
    *(
        "inference",
        "pictures",
        "spectra",
        "outputs",
        "contents",
        "files",
        "paths",
        "memory",
        "system",
        "terminal",
        "signals",
        "links",
        "spelling",
    ),
    *(
        "terms",
        "priors",
        "schedules",
        "records",
        "alphabet",
        "upgrades",
        "deprecation",
        "reflection",
        "ranges",
        "private",
        "recording",
        "contexts",
        "errors",
        "environment",
    ),
)
"""Rooms, the top-level packages and files, from top to bottom; ``__init__`` is what users import the modules from."""


def room_of(file):
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(file):
    """The rooms that a file imports, inside functions and for type checkers too, each with its line."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "lightning_gen":
            names = [f"lightning_gen.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        for name in names:
            package, *inside = name.split(".")
            if package == "lightning_gen":
                yield (inside[0] if inside and inside[0] in ORDER else "__init__"), node.lineno


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_room_has_a_place():
    assert {room_of(file) for file in FILES} == set(ORDER)


def test_no_import_is_relative():
    """So that the test below sees all of them."""
    nodes = [node for file in FILES for node in ast.walk(ast.parse(file.read_text()))]
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_those_below_it(room):
    own = ORDER.index(room)
    found = [
        f"{file.relative_to(PACKAGE)}:{line} imports {other}"
        for file in FILES
        if room_of(file) == room
        for other, line in imported_rooms(file)
        if ORDER.index(other) < own
    ]
    assert not found
