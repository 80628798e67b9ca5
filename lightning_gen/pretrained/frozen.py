"""A network that is used and never trained, inside a part that is trained."""

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class Frozen(Generic[Network]):
    """Holds a network in evaluation mode with weights that are never changed, outside the module that uses it.

    A part keeps it as an attribute. It is no module, so that the network is in no optimizer, gradient reduction,
    average of weights or checkpoint, and no `train()` reaches it. Gradients pass through it to its inputs.

    Args:
        make: Builds the network; it is called at the first use, so that a checkpoint can be read without the network's
            weights.
    """

    def __init__(self, make: Callable[[], Network]) -> None:
        self.make = make
        self._network: Network | None = None

    def __call__(self, x: Tensor) -> Network:
        """The network, on the device and in the precision of `x`."""
        with torch.inference_mode(False):  # weights that are read in a validation are used in training too
            if self._network is None:
                with torch.random.fork_rng(devices=[]):  # its random weights are replaced, and draw no numbers
                    self._network = self.make().eval().requires_grad_(False)
            weight = next(self._network.parameters(), x)
            if (weight.device, weight.dtype) != (x.device, x.dtype):  # moving goes through all weights
                self._network.to(x)
            return self._network

    def __deepcopy__(self, memo: object) -> "Frozen[Network]":
        """A copy shares the network."""
        return self

    def __getstate__(self) -> dict[str, object]:
        """Its state without the network, which is built anew where it is used."""
        return {"make": self.make, "_network": None}
