"""What a trained model is used for; a command in `lightning_gen.commands` for each."""

from lightning_gen.applications.detector import Detector
from lightning_gen.applications.inputs import Inputs, read_inputs
from lightning_gen.applications.trained import Trained

__all__ = ["Detector", "Inputs", "Trained", "read_inputs"]
