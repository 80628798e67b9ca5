"""The measured memory of a step against a calculated one."""

import pytest
import torch
from torch import nn

from lightning_gen.bench.memory import Allocations, blocks, held

NUMBER = 4


def peak(step, *own, optimizers=()):
    watched = Allocations()
    with watched:
        step()
        step()
    return watched.size([*held(own, optimizers)])


def test_what_is_alive_together_counts():
    kept = nn.Linear(10, 10, bias=False)

    def step():
        first = torch.empty(1000)
        second = torch.empty(3000)
        del first
        third = torch.empty(500)
        del second, third

    assert peak(step, kept) == NUMBER * (10 * 10 + 1000 + 3000)


def test_what_a_step_leaves_behind_counts_in_the_next_one():
    left = []

    def step():
        new = torch.empty(2000)
        left.clear()
        left.append(new)

    step()
    assert peak(step) == NUMBER * 2 * 2000, "the old one is there until the new one is"


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_step_of_a_linear_layer(momentum):
    size, rows = 1000, 10
    network, x = nn.Linear(size, size, bias=False), torch.randn(rows, size)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=momentum)

    def step():
        optimizer.zero_grad()
        network(x).square().sum().backward()
        optimizer.step()

    step()
    copies = 3 if momentum else 2
    found = peak(step, network, optimizers=[optimizer])
    assert copies * NUMBER * size**2 <= found <= NUMBER * (copies * size**2 + 4 * rows * size), "and the activations"


def test_a_block_counts_once():
    x = torch.zeros(6)
    assert list(blocks([x, x[2:], x.view(2, 3), torch.zeros(2)]).values()) == [24, 8]
