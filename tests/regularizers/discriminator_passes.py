"""Discriminator passes for penalties to look at."""

import torch

from lightning_gen.records import DiscriminatorOutput
from lightning_gen.regularizers import DiscriminatorPass
from lightning_gen.training.outputs import outputs_of


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


def discriminator_pass(critic, real, fake, watched=False, labels=None, seed=0):
    """What a module shows to penalties; watched, the samples require a gradient before their pass."""

    def logits(x, labels=None):
        return outputs_of(critic(x, labels))[0].logits

    real, fake = (x.detach().requires_grad_(watched) for x in (real, fake))
    on_real, on_fake = (DiscriminatorOutput(logits(x, labels), x.flatten(1), labels) for x in (real, fake))
    return DiscriminatorPass(logits, real, fake, on_real, on_fake, source(seed), labels)
