"""The options of ``evaluate`` about features: the published network by which samples are compared, and with what."""

import os

from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.evaluation.fidelity import REFERENCES
from lightning_gen.inference import Inference
from lightning_gen.metrics import PretrainedFeatures, pretrained_features
from lightning_gen.metrics.pretrained_features import FEATURES, available_features, name_of_weights, skip_reason
from lightning_gen.spelling import suggest
from lightning_gen.training import GenerativeModule


def chosen_features(
    name: str | None, weights: str | None, inference: Inference, default: bool
) -> PretrainedFeatures | None:
    """The network of a name, or else the one whose weights are given or found.

    Args:
        name: One of `FEATURES`, or None.
        weights: The file of its weights, or None.
        inference: How features are computed.
        default: Whether a network is used that nothing names.

    Returns:
        None for the classifier, or where no network is named or available.

    Raises:
        InputError: There are no such features, a package or the weights are missing, or the file holds something else.
    """
    if name is not None and name not in FEATURES:
        choices = ", ".join(FEATURES)
        raise InputError(f"there are no features '{name}'{suggest(name, FEATURES)}: the features are {choices}")
    if name is None:
        name = name_of_weights(weights) if weights is not None else available_features() if default else None
    if name is None or FEATURES[name] is None:
        if weights is not None:
            raise InputError(
                f"--weights {weights} is for a published network, and the classifier is trained on the data: leave it "
                "out, or take --features inception"
            )
        return None
    return pretrained_features(name, weights).running(inference)


def check_reference(reference: str) -> None:
    """Check the value of ``--reference``.

    Raises:
        InputError: There is no such split to compare with.
    """
    if reference not in REFERENCES:
        raise InputError(
            f"samples are not compared with a split '{reference}'{suggest(reference, REFERENCES)}: give "
            f"{' or '.join(REFERENCES)}"
        )


def own_device(device: str) -> str:
    """The device of this process: for ``cuda`` and several processes on a machine, the GPU of its number."""
    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{local}" if device == "cuda" and local is not None else device


def suits(module: GenerativeModule, data: DataModule, sampler: str | None) -> bool:
    """Whether a published network that nobody asked for should measure a model: if it draws images, and for stacked
    ones no modes are counted instead.
    """
    draws = module.has_prior or sampler is not None
    return draws and data.singles is None and skip_reason(data.medium, data.shape) is None
