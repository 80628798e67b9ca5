"""How checkpoints describe a model, and how they are read safely.

A module is described by its live parts: every constructor argument is an attribute of the same name (scikit-learn's
convention), so every part has a description ``{class_path, init_args}``, whether YAML or Python built it
(`descriptions`). The description is plain data and loads with ``weights_only=True``. Its classes are looked up among
those already imported: a file never causes an import, and only the classes of `trusted` are built (`rebuilding`).
States of callbacks and data are converted to plain data too (`states`), and the checksums in a file are compared before
anything is read from it (`archives`).
"""

from lightning_gen.checkpoint.descriptions import (
    Described,
    Undescribable,
    as_config,
    describe,
    foreign_modules,
)
from lightning_gen.checkpoint.files import (
    FOLDER,
    AtomicCheckpointIO,
    check_whole,
    located,
    read,
    read_arguments,
    read_weights,
    restore,
)
from lightning_gen.checkpoint.finite import check_finite
from lightning_gen.checkpoint.rebuilding import described_class, rebuild
from lightning_gen.checkpoint.states import check_states, deserialize_states, serialize_states
from lightning_gen.checkpoint.trusted import trust
from lightning_gen.checkpoint.weights import fit, named_as
from lightning_gen.upgrades import aliases

__all__ = [
    "FOLDER",
    "AtomicCheckpointIO",
    "Described",
    "Undescribable",
    "as_config",
    "check_finite",
    "check_states",
    "check_whole",
    "describe",
    "described_class",
    "deserialize_states",
    "fit",
    "foreign_modules",
    "located",
    "named_as",
    "read",
    "read_arguments",
    "read_weights",
    "rebuild",
    "restore",
    "serialize_states",
    "trust",
]

__getattr__ = aliases(__name__)
