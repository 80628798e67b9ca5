"""What a trained model is used for; a command in `lightning_gen.commands` for each."""

from lightning_gen.applications.code_files import Codes, read_codes
from lightning_gen.applications.inputs import Inputs, read_inputs
from lightning_gen.applications.inversion import Inversion, Inverted, Search
from lightning_gen.applications.reconstruction import Reconstructed, by_search, from_codes, through_code
from lightning_gen.applications.trained import Trained

__all__ = [
    "Codes",
    "Inputs",
    "Inversion",
    "Inverted",
    "Reconstructed",
    "Search",
    "Trained",
    "by_search",
    "from_codes",
    "read_codes",
    "read_inputs",
    "through_code",
]
