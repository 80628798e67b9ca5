"""The bytes that a process sends to others."""

from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Collective(NamedTuple):
    """One call: the name of the operation and the bytes of the tensors it was given."""

    name: str
    size: int


class Sent(TorchDispatchMode):
    """A context manager that records every collective in which this process takes part.

    It is the dispatcher that is asked: what DistributedDataParallel's reducer sends from C++ is seen too.

    Attributes:
        collectives: The calls in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.collectives: list[Collective] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d":
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            self.collectives.append(Collective(func.overloadpacket.__name__, sum(x.nbytes for x in tensors)))
        return func(*args, **(kwargs or {}))

    @property
    def size(self) -> int:
        """Bytes of all calls."""
        return sum(collective.size for collective in self.collectives)
