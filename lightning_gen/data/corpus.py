"""Texts to learn from: people's own files, or the documentation of the running Python."""

import ast
import hashlib
import platform
import re
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from pydoc_data.topics import topics

from lightning_gen.errors import InputError
from lightning_gen.media.letters import read_text
from lightning_gen.paths import expanded

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ABBREVIATIONS = ("e.g.", "i.e.", "etc.", "cf.", "vs.", "Mr.", "Mrs.", "Dr.", "St.", "No.")
"""Words after which a full stop ends no sentence."""


def read_texts(path: str | None) -> list[str]:
    """The text of a file, of each .txt file below a folder in the order of names, or of the running Python.

    Raises:
        InputError: The file is missing or not in UTF-8, the folder has no .txt file, or there is no text.
    """
    if path is None:
        return [*docstrings(), *topics.values()]
    place = expanded(path)
    files = sorted(place.rglob("*.txt")) if place.is_dir() else [place]
    texts = [read_text(file) for file in files]
    if not any(text.strip() for text in texts):
        raise InputError(f"{path} holds no text: give a file of text, or a folder with .txt files")
    return texts


@cache
def docstrings() -> tuple[str, ...]:
    """The docstrings of the running Python's standard library, without its tests, in the order of names of files."""
    root = Path(sysconfig.get_path("stdlib"))
    return tuple(chain.from_iterable(documented(file) for name in sorted(modules()) for file in sources(root, name)))


def modules() -> frozenset[str]:
    """The names of the modules whose docstrings are read."""
    return sys.stdlib_module_names - {"test", "idlelib", "lib2to3", "antigravity", "this"}


def sources(root: Path, name: str) -> list[Path]:
    """The files of a module, without tests."""
    found = [root / f"{name}.py", *sorted((root / name).rglob("*.py"))]
    return [file for file in found if file.is_file() and not {"test", "tests"} & set(file.relative_to(root).parts)]


def documented(file: Path) -> Iterator[str]:
    """The docstrings in a file; none if it is no Python, as some templates are."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and (found := ast.get_docstring(node)):
            yield found


def origin(path: str | None, texts: list[str]) -> str:
    """Where texts come from, with the first digits of a checksum of them."""
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    source = f"docstrings and topics of Python {platform.python_version()}" if path is None else path
    return f"{source}, sha256 {digest}"


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with single spaces.

    A sentence ends after ``.``, ``!`` or ``?``, with quotes or brackets after it, before a space and no small letter,
    or at an empty line; not after an initial or an abbreviation such as "e.g.".
    """
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        start, words = 0, " ".join(paragraph.split())
        for end in re.finditer(r"[.!?][\"'”’)\]]*\s+(?=[^a-z\s])", words):
            last = words[start : end.end()].split()[-1].lstrip("(\"'“‘")
            if last not in ABBREVIATIONS and not re.fullmatch(r"[A-Z]\.", last):
                found.append(words[start : end.end()].strip())
                start = end.end()
        found.append(words[start:])
    return [sentence for sentence in found if sentence]
