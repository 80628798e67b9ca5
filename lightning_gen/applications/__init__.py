"""What a trained model is used for; a command in `lightning_gen.commands` for each."""

from lightning_gen.applications.compression import Compressed, compress, fit_tables, kept_tables, read_compressed
from lightning_gen.applications.inputs import Inputs, read_inputs
from lightning_gen.applications.trained import Trained

__all__ = [
    "Compressed",
    "Inputs",
    "Trained",
    "compress",
    "fit_tables",
    "kept_tables",
    "read_compressed",
    "read_inputs",
]
