"""Whether two runs of two processes ended in the same state."""

import torch

from lightning_gen import checkpoint as checkpoints


def assert_same(one, other):
    """Hold two checkpoints to each other, to the bit: weights, optimizers, counts, every process's random state."""
    one, other = checkpoints.read(one), checkpoints.read(other)
    for key in ("state_dict", "optimizer_states"):
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)
    one, other = one["lightning_gen"], other["lightning_gen"]
    states, others = one.pop("random_states"), other.pop("random_states")
    assert len(states) == len(others) == 2
    for state, another in zip(states, others, strict=True):
        assert all(torch.equal(state[name], another[name]) for name in ("rng", "torch"))
    assert one == other
