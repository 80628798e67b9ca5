"""Maps of where a reconstruction differs from the picture: a PNG file for each."""

from pathlib import Path
from typing import cast

import torch

from lightning_gen.applications.anomaly_scores import squared_errors
from lightning_gen.applications.inputs import Inputs, product_names
from lightning_gen.contexts import evaluating
from lightning_gen.errors import InputError
from lightning_gen.media.files import save
from lightning_gen.media.heat import heat
from lightning_gen.media.images import displayable, image_grid
from lightning_gen.modules import Autoencoder
from lightning_gen.outputs import PNG


def check_maps(inputs: Inputs) -> None:
    """Check that samples have maps.

    Raises:
        InputError: They are no pictures.
    """
    medium = inputs.trained.medium
    if medium.dimensions != 2:
        raise InputError(f"--maps draws pictures, and the model was trained on {medium.noun}: leave it out")


@torch.no_grad()
def write_maps(inputs: Inputs, top: float, folder: Path) -> None:
    """Write a PNG file for each picture: the picture, its reconstruction, and the squared error of each pixel.

    Args:
        inputs: Pictures.
        top: The error that is drawn white, the same for all maps: mean over the channels, of pixels in [0, 1].
        folder: The folder; its sub-folders are those of the names.

    Raises:
        InputError: A file cannot be written.
    """
    module = cast(Autoencoder, inputs.trained.module)
    names = iter(product_names(inputs.names, PNG.ending))
    with evaluating(module):
        for batch in inputs.batches("drawing maps"):
            maps = heat(squared_errors(module, batch).mean(1).float().cpu(), top)
            rebuilt = module.reconstruct(batch.x, batch.labels)
            for picture, output, colours in zip(batch.x.cpu(), rebuilt.cpu(), maps, strict=True):
                shown = [displayable(each[None])[0].expand(3, *colours.shape[1:]) for each in (picture, output)]
                save(image_grid(torch.stack([*shown, colours]), columns=3), folder / next(names), lasting=False)
