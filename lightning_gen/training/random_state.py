"""The random numbers of one process: its generator, and the state of all generators as plain data."""

import random
from typing import Any

import numpy as np
import torch


def process_generator(device: torch.device, seed: int, rank: int) -> torch.Generator:
    """A generator whose seed no other process of the run has."""
    return torch.Generator(device).manual_seed((seed * 2**16 + rank) % 2**63)


def random_state(rng: torch.Generator) -> dict[str, Any]:
    """The state of all random numbers of this process, as plain data.

    Args:
        rng: The module's own generator; its device's global state is kept as well.
    """
    kind, keys, position, has_gauss, cached = np.random.get_state()
    version, internal, gauss = random.getstate()
    state = {
        "rng": rng.get_state(),
        "torch": torch.get_rng_state(),
        "numpy": [str(kind), np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
        "python": [version, list(internal), gauss],
    }
    return state | ({"cuda": torch.cuda.get_rng_state(rng.device)} if rng.device.type == "cuda" else {})


def set_random_state(rng: torch.Generator, state: dict[str, Any]) -> None:
    """Restore the result of `random_state`."""
    torch.set_rng_state(state["torch"].cpu())
    np.random.set_state(tuple(state["numpy"]))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if rng.device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), rng.device)
    if state["rng"].numel() == rng.get_state().numel():  # another device type has another kind of state
        rng.set_state(state["rng"].cpu())
