"""What a checkpoint says of itself, and how it is read without trusting it.

A module is described by its live parts: every constructor argument is an attribute of the same name (scikit-learn's
convention), so ``{class_path, init_args}`` can be read off any part, whether it was built by YAML or in Python
(`descriptions`). The description is plain data: it loads with ``weights_only=True``. The classes that it names are
looked up among those already imported, never imported because a file says so, and only those of `trusted` are built
(`rebuilding`). States of callbacks and data become plain data too (`states`), and a file is compared with its own sums
before anything is read off it (`archives`).
"""

from lightning_gen.checkpoint.descriptions import (
    Described,
    Undescribable,
    as_config,
    describe,
    foreign_modules,
)
from lightning_gen.checkpoint.files import AtomicCheckpointIO, check_whole, read, restore
from lightning_gen.checkpoint.finite import check_finite
from lightning_gen.checkpoint.rebuilding import described_class, rebuild
from lightning_gen.checkpoint.states import carry, check_states, uncarry
from lightning_gen.checkpoint.trusted import trust
from lightning_gen.upgrades import aliases

__all__ = [
    "AtomicCheckpointIO",
    "Described",
    "Undescribable",
    "as_config",
    "carry",
    "check_finite",
    "check_states",
    "check_whole",
    "describe",
    "described_class",
    "foreign_modules",
    "read",
    "rebuild",
    "restore",
    "trust",
    "uncarry",
]

__getattr__ = aliases(__name__)
