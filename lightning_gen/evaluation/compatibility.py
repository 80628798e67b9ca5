"""Checks of a trained model against data."""

from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.training import GenerativeModule


def check_shape(module: GenerativeModule, data: DataModule) -> None:
    """Check that a model and data have the same shape of samples.

    Raises:
        InputError: They do not.
    """
    wanted, got = tuple(module.data_shape), tuple(data.shape)
    if wanted == got:
        return
    remedy = "evaluate it on the data that it was trained on by leaving out --data"
    if len(wanted) == len(got) == 3 and wanted[0] == got[0] and wanted[1] == wanted[2] and hasattr(data, "size"):
        remedy = f"set --data.size {wanted[1]}"
    elif len(wanted) == len(got) == 3 and wanted[0] != got[0] and hasattr(data, "channels"):
        remedy = f"set --data.channels {wanted[0]} and --data.size {wanted[1]}"
    raise InputError(
        f"the model was trained on samples of shape {wanted} and {type(data).__name__} gives {got}: {remedy}"
    )
