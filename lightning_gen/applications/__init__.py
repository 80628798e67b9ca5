"""What a trained model is used for; a command in `lightning_gen.commands` for each."""

from lightning_gen.applications.axes import Axis
from lightning_gen.applications.directions import Directions, directions
from lightning_gen.applications.inputs import Inputs, read_inputs
from lightning_gen.applications.latents import Codes, codes_of_data, named_latents
from lightning_gen.applications.trained import Trained
from lightning_gen.applications.traversal import (
    Traversal,
    linear,
    path_between,
    paths_along,
    paths_by_class,
    samples_of,
    spherical,
)

__all__ = [
    "Axis",
    "Codes",
    "Directions",
    "Inputs",
    "Trained",
    "Traversal",
    "codes_of_data",
    "directions",
    "linear",
    "named_latents",
    "path_between",
    "paths_along",
    "paths_by_class",
    "read_inputs",
    "samples_of",
    "spherical",
]
