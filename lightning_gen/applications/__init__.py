"""What a trained model is used for; a command in `lightning_gen.commands` for each."""

from lightning_gen.applications.codes import Codes
from lightning_gen.applications.embedding import Embedding, embed
from lightning_gen.applications.inputs import Inputs, read_inputs
from lightning_gen.applications.trained import Trained

__all__ = ["Codes", "Embedding", "Inputs", "Trained", "embed", "read_inputs"]
