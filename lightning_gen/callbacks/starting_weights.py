"""Starting weights from another checkpoint."""

import os
import sys

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from lightning_gen import checkpoint as checkpoints
from lightning_gen.callbacks.lengths import counted
from lightning_gen.errors import InputError
from lightning_gen.terminal import say

NAMED = 3
"""Number of tensors of one kind that the message names."""


class StartingWeights(Callback):
    """Starts a training with the weights of another model, as far as names and shapes are the same.

    The rest keeps its own starting weights and is listed on stderr. Optimizers, schedules and the count of images start
    anew. The average of a network starts from the weights of the network where the file has no average. A run that is
    resumed keeps its own weights.

    Args:
        path: A checkpoint, or a file that ``torch.save(state_dict)`` wrote.

    Raises:
        InputError: The file holds no weights, or none of them fits the module.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Load the weights, before the strategy copies them to the devices."""
        if stage != "fit" or trainer.ckpt_path is not None:
            return
        weights = checkpoints.read_weights(self.path)
        checkpoints.check_finite(pl_module, weights)
        for network in counted(pl_module).averaged:
            trained = {name: weight for name, weight in weights.items() if name.startswith(f"{network}.")}
            weights = {name.replace(network, f"{network}_ema", 1): trained[name] for name in trained} | weights
        found = checkpoints.fit(pl_module, weights)
        if not found.taken:
            raise InputError(
                f"--init_from {self.path} has no weights of this {type(pl_module).__name__}: its names begin with "
                f"{', '.join(dict.fromkeys(name.split('.')[0] for name in weights))}, those of the model with "
                f"{', '.join(dict.fromkeys(name.split('.')[0] for name in pl_module.state_dict()))}: give weights of "
                "such a model"
            )
        pl_module.load_state_dict(found.taken, strict=False)
        lists = {"missing there": found.missing, "of another shape": found.other_shapes, "left over": found.left}
        rest = "".join(f"; {text}: {listed(names)}" for text, names in lists.items() if names)
        rank_zero_only(say)(f"{len(found.taken)} tensors start as in {self.path}{rest}", sys.stderr)


def listed(names: list[str]) -> str:
    """The first of some names, and the number of the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
