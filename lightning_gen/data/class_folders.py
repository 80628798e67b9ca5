"""Names of sub-folders for classes, which every file system takes and `ImageFolder` reads as classes."""

import unicodedata
from collections.abc import Sequence

from lightning_gen.data.layout import FOLDERS

FORBIDDEN = frozenset('<>:"/\\|?*')
"""Characters that Windows, or every system, has not in names; characters that cannot be printed are replaced too."""
DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10))}
)
"""Names that Windows gives to devices, whatever follows after a dot."""
LONGEST = 200
"""Maximum length of a name in bytes; file systems take 255."""


def class_folders(known: int, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """A name of a folder for each class: its own name, where a file system takes that.

    Characters that cannot be in names of files become ``_``. Names that some file systems do not tell apart, such as
    ``a`` and ``A``, are numbered, and ``train`` beside ``test`` gets a ``_``, because these would be read as splits.
    Numbers of classes without names have leading zeros, so that sorted by name they keep their order.

    >>> class_folders(3, ("T-shirt/top", "A", "a"))
    ('T-shirt_top', 'A', 'a_2')
    >>> class_folders(11)[1:]
    ('01', '02', '03', '04', '05', '06', '07', '08', '09', '10')

    Args:
        known: Number of classes.
        names: Names of the classes in the order of their indices, which may be fewer; None if they have none.

    Returns:
        Different names, of the classes with a name if some have one.
    """
    given = names or tuple(f"{index:0{len(str(known - 1))}d}" for index in range(known))
    wanted = [safe(name) for name in given]
    splits = {FOLDERS.get(name.lower()) for name in wanted}
    if "train" in splits and splits & {"val", "test"}:
        wanted = [f"{name}_" if name.lower() in FOLDERS else name for name in wanted]
    found, taken = list(wanted), set[str]()
    for index in sorted(
        range(len(given)), key=lambda index: wanted[index] != given[index]
    ):  # names as they are come first
        number = 1
        while folded(found[index]) in taken:
            number += 1
            found[index] = f"{wanted[index]}_{number}"
        taken.add(folded(found[index]))
    return tuple(found)


def safe(name: str) -> str:
    """A name without characters that a file system does not take, that is not hidden and is no device's."""
    kept = "".join("_" if each in FORBIDDEN or not each.isprintable() else each for each in name)
    kept = kept.encode()[:LONGEST].decode(errors="ignore").strip(" ").rstrip(". ")
    hidden = not kept or kept.startswith(".")
    return f"_{kept}" if hidden or kept.split(".")[0].strip().lower() in DEVICES else kept


def folded(name: str) -> str:
    """A name as file systems compare names that do not tell lower from upper case."""
    return unicodedata.normalize("NFC", name).casefold()
