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
    assert one == other
