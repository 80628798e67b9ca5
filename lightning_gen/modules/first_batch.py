"""What is looked at once, in the first batch of a run, so that no later batch waits for it."""

from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.objectives import Likelihood

ROUNDING = 1e-3
"""How far beyond [-1, 1] a picture may be."""


def check_first_batch(x: Tensor, index: int, likelihood: Likelihood) -> None:
    """Check that samples can be trained on.

    Args:
        x: The batch, ``(n, *shape)``.
        index: Its place in the epoch.
        likelihood: What explains them.

    Raises:
        InputError: Some are not finite, or are outside [-1, 1] and the likelihood is for pixels alone.
    """
    finite = x.flatten(1).isfinite().all(1)
    if not finite.all():
        first = int((~finite).nonzero()[0])
        raise InputError(
            f"batch {index} of the training data holds values that are not finite, first in its sample {first}: remove "
            "such samples from the data"
        )
    low, high = float(x.min()), float(x.max())
    if likelihood.pixels_only and max(-low, high) > 1 + ROUNDING:
        name = type(getattr(likelihood, "likelihood", likelihood)).__name__
        raise InputError(
            f"{name} is for pictures in [-1, 1] and batch {index} goes from {low:.3g} to {high:.3g}: "
            "scale them, hand them over as uint8, or use GaussianLikelihood"
        )
