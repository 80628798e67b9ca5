"""What a trained model is used for; a command in `lightning_gen.commands` for each."""

from typing import TYPE_CHECKING, Any

from lightning_gen.applications.axes import Axis
from lightning_gen.applications.class_folders import write_class_folders
from lightning_gen.applications.code_files import read_codes
from lightning_gen.applications.comparison import ComparedEvaluations, compared
from lightning_gen.applications.compression import Compressed, compress, fit_tables, kept_tables, read_compressed
from lightning_gen.applications.detector import Detector
from lightning_gen.applications.directions import Directions, directions
from lightning_gen.applications.embedding import Embedding, embed
from lightning_gen.applications.evaluations import Evaluation, read_evaluations
from lightning_gen.applications.inputs import Inputs
from lightning_gen.applications.interchange import load, save_file, save_folder
from lightning_gen.applications.inversion import Inversion, Inverted, Search
from lightning_gen.applications.latents import codes_of_data, named_latents
from lightning_gen.applications.programs import parts_of, to_onnx, to_program
from lightning_gen.applications.reading import read_inputs
from lightning_gen.applications.reconstruction import Reconstructed, by_search, from_codes, through_code
from lightning_gen.applications.summary import Summary, summary
from lightning_gen.applications.trained import Trained
from lightning_gen.applications.translation import Sources, read_sources, translations
from lightning_gen.applications.traversal import (
    Traversal,
    linear,
    path_between,
    paths_along,
    paths_by_class,
    samples_of,
    spherical,
)

if TYPE_CHECKING:
    from lightning_gen.applications.codes import Codes

__all__ = [
    "Axis",
    "Codes",
    "ComparedEvaluations",
    "Compressed",
    "Detector",
    "Directions",
    "Embedding",
    "Evaluation",
    "Inputs",
    "Inversion",
    "Inverted",
    "Reconstructed",
    "Search",
    "Sources",
    "Summary",
    "Trained",
    "Traversal",
    "by_search",
    "codes_of_data",
    "compared",
    "compress",
    "directions",
    "embed",
    "fit_tables",
    "from_codes",
    "kept_tables",
    "linear",
    "load",
    "named_latents",
    "parts_of",
    "path_between",
    "paths_along",
    "paths_by_class",
    "read_codes",
    "read_compressed",
    "read_evaluations",
    "read_inputs",
    "read_sources",
    "samples_of",
    "save_file",
    "save_folder",
    "spherical",
    "summary",
    "through_code",
    "to_onnx",
    "to_program",
    "translations",
    "write_class_folders",
]


def __getattr__(name: str) -> Any:
    """`Codes`, when it is asked for: scikit-learn, of whose classes it is one, takes long to import."""
    if name != "Codes":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lightning_gen.applications.codes import Codes

    return Codes
