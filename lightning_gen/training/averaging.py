"""Averages of the weights of trained networks, which evaluation and sampling use."""

from abc import ABC
from typing import Any

from torch import nn

from lightning_gen.training.ema import EMA, Tensors, update_singular_vectors
from lightning_gen.training.module import GenerativeModule


class AveragingModule(GenerativeModule, ABC):
    """A module that moves its `averaged` networks towards the trained ones of the same names, where it has an EMA.

    Attributes:
        ema: How the averages follow; None for no averages.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ema: EMA | None = None
        self._trained_tensors, self._averaged_tensors = Tensors([], []), Tensors([], [])
        self._average_complete = True

    def on_fit_start(self) -> None:
        """Collect the tensors of the averages, which are on their final device now."""
        super().on_fit_start()
        self._trained_tensors = Tensors.of(nn.ModuleList(getattr(self, name) for name in self.averaged))
        self._averaged_tensors = Tensors.of(nn.ModuleList(self.averaged.values()))

    def move_average(self, images: int) -> None:
        """Move the averages after an update of the networks.

        Args:
            images: Images that the update used, over all devices.
        """
        if self.ema is not None:
            self.ema.update(self._averaged_tensors, self._trained_tensors, images, self.images_seen)
            self._average_complete = False

    def complete_average(self) -> None:
        """Update the singular vectors of the averages before they are used, if they have moved since the last call.

        The next update copies the buffers again, so training does not depend on how often the averages are used.
        """
        if not self._average_complete:
            for network in self.averaged.values():
                update_singular_vectors(network)
        self._average_complete = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the averages as they are used; the checkpoint's weights are the module's own tensors."""
        self.complete_average()
        super().on_save_checkpoint(checkpoint)

    def after_rollback(self) -> None:
        """The averages are as they were stored, with their singular vectors."""
        super().after_rollback()
        self._average_complete = True
