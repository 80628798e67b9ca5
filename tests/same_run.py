"""Whether two runs ended in the same state."""

import torch

from lightning_gen import checkpoint as checkpoints


def assert_same(one, other, processes=1):
    """Hold two checkpoints to each other, to the bit: weights, optimizers, counts, every process's random state."""
    one, other = checkpoints.read(one), checkpoints.read(other)
    for key in ("state_dict", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)
    one, other = dict(one["lightning_gen"]), dict(other["lightning_gen"])
    ours, theirs = one.pop("processes"), other.pop("processes")
    assert len(ours) == len(theirs) == processes
    for state, another in zip(ours, theirs, strict=True):
        assert all(torch.equal(state[name], another[name]) for name in ("rng", "torch"))
        torch.testing.assert_close(state.get("buffers", {}), another.get("buffers", {}), rtol=0, atol=0)
    assert same(one, other)


def same(one, other):
    """Whether plain data and tensors are equal, to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
