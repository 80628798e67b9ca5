"""Images of any size through networks that take sides of certain multiples alone."""

from torch import Tensor
from torch.nn.functional import pad

from lightning_gen.networks import Translator


def translated(network: Translator, x: Tensor) -> Tensor:
    """Translations of images of any size, ``(n, channels, scale · h, scale · w)``.

    Where the network does not take their sides, images are continued by reflection at the right and at the bottom, and
    the translation is cropped; a side that is too short for it is continued by its last pixels first.

    Args:
        network: The translator.
        x: Images ``(n, channels, h, w)``.
    """
    height, width = x.shape[2:]
    scale, continued = network.scale, x
    for side, wanted in ((3, _side(network, 1, width)), (2, _side(network, 0, height))):
        while continued.shape[side] < wanted:
            missing = wanted - continued.shape[side]
            mirrored = min(missing, continued.shape[side] - 1)
            amount, mode = (mirrored, "reflect") if mirrored else (missing, "replicate")
            continued = pad(continued, (0, amount, 0, 0) if side == 3 else (0, 0, 0, amount), mode)
    return network(continued)[..., : scale * height, : scale * width]


def _side(network: Translator, index: int, side: int) -> int:
    """The least side from `side` on that the network takes."""
    built, multiple = network.shape[1 + index], network.multiple_of
    if multiple is None:
        return built if side <= built else side
    side = max(side, network.least_side)
    return side + (built - side) % multiple
