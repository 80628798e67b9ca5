"""Contests for penalties to look at: a critic, samples and its judgement of them."""

import torch

from lightning_gen.records import DiscriminatorOutput
from lightning_gen.regularizers import DiscriminatorPass


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def samples(n=7, d=5):
    torch.manual_seed(0)
    return torch.randn(n, d).double(), torch.randn(n, d).double() + 2


def linear(w):
    """A critic whose gradient is w everywhere."""
    return lambda x, labels=None: x.flatten(1) @ w


def quadratic(a):
    """The critic ½ x'Ax with A symmetric, whose gradient is Ax."""
    return lambda x, labels=None: 0.5 * ((x @ a) * x).sum(1)


def contest(critic, real, fake, watched=False, labels=None, seed=0):
    """What a module shows to penalties; watched, the samples require a gradient before they are judged."""
    real, fake = (x.detach().requires_grad_(watched) for x in (real, fake))
    on_real, on_fake = (DiscriminatorOutput(critic(x, labels), x.flatten(1), labels) for x in (real, fake))
    return DiscriminatorPass(critic, real, fake, on_real, on_fake, source(seed), labels)
