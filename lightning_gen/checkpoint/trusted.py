"""Which classes a checkpoint may name.

A checkpoint may come from anywhere, and building a class runs its code. So only these classes are built for a
checkpoint, whatever else is imported:

- a class of this package, or one that is derived from such a class, and so was written for this package;
- a class of ``torch.nn.modules`` or ``torch.optim``;
- a class of the user's own code: of the program, notebook or test that runs, or of a module that was imported from
  outside of the folders of Python and of installed packages;
- a class of a module that the user has named, by ``--import`` or by `trust`.

Nothing is imported to find a class, and text stays text: no argument is resolved as an import path.
"""

import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

PACKAGE = "lightning_gen"
LIBRARIES = ("torch.nn.modules", "torch.optim")
"""Modules of torch whose classes checkpoints may name, with the modules below them."""
FOLDERS_OF_PACKAGES = ("site-packages", "dist-packages")

_named: set[str] = set()


def trust(*modules: str) -> None:
    """Let checkpoints name the classes of modules, and of the modules below them, if they are imported.

    Args:
        modules: Their names, such as ``"my_package"``; nothing is imported.
    """
    _named.update(modules)


def trusted(kind: type) -> bool:
    """Whether a checkpoint may name a class."""
    derived = any(below(base.__module__, PACKAGE) for base in kind.__mro__)
    return derived or any(below(kind.__module__, name) for name in (*LIBRARIES, *_named)) or own(kind.__module__)


def below(module: str, package: str) -> bool:
    """Whether a module is another one or lies below it."""
    return f"{module}.".startswith(f"{package}.")


def own(module: str) -> bool:
    """Whether a module is the program that runs, or was imported from outside of installed packages."""
    if module == "__main__":
        return True
    found = sys.modules.get(module)
    file = getattr(found, "__file__", None)
    if file is None:  # built in, or created at run time
        return False
    levels = module.count(".") + (Path(file).stem == "__init__")
    return not any(
        installed(path.parents[min(levels, len(path.parents) - 1)]) for path in map(Path, (file, real(file)))
    )


def real(path: str) -> Path:
    """A path without links."""
    return Path(path).resolve()


@lru_cache
def installed(folder: Path) -> bool:
    """Whether the modules in a folder are Python's own or belong to installed packages."""
    paths = sysconfig.get_paths()
    python = [Path(paths[name]) for name in ("stdlib", "platstdlib")]
    within = any(folder.is_relative_to(path) or folder.is_relative_to(path.resolve()) for path in python)
    return within or any(name in folder.parts for name in FOLDERS_OF_PACKAGES) or any(folder.glob("*.dist-info"))
