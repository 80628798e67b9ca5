"""What a trained model is used for; a command in `lightning_gen.commands` for each."""

from lightning_gen.applications.class_folders import write_class_folders
from lightning_gen.applications.inputs import Inputs, read_inputs
from lightning_gen.applications.trained import Trained

__all__ = ["Inputs", "Trained", "read_inputs", "write_class_folders"]
