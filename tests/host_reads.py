"""What the host waits for."""

import torch
from lightning.pytorch.callbacks import Callback
from torch.utils._python_dispatch import TorchDispatchMode


class HostReads(TorchDispatchMode):
    """Notes each operation whose result, or its shape, the host waits for."""

    WAITS = ("_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2", "bincount")

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = function.overloadpacket.__name__
        indices = arguments[1] if name in ("index", "index_put", "index_put_") else ()
        masked = any(each is not None and each.dtype in (torch.bool, torch.uint8) for each in indices)
        filled = name.startswith("masked_fill") and isinstance(arguments[2], torch.Tensor)  # reads it on a GPU
        if name in self.WAITS or masked or filled:
            self.found.append(name)
        return function(*arguments, **(options or {}))


class Reads(Callback):
    """Counts what the host waits for in each batch."""

    def __init__(self):
        self.counts = []
        self.mode = None

    def on_train_batch_start(self, trainer, pl_module, *args):
        self.mode = HostReads()
        self.mode.__enter__()

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.mode.__exit__(None, None, None)
        self.counts.append(len(self.mode.found))
