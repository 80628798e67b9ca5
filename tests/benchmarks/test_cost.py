"""Calculated costs of several devices, against small cases."""

import pytest
import torch
from cost import Cost, Work


def test_what_a_ring_sends():
    """Three devices send each third of the gradient four times: twice to sum it, twice to distribute the sum."""
    cost = Cost(generator=300, discriminator=600, updates=2, flops=0, launches=0)
    assert cost.sent == 4 * (300 + 600 + 600)
    assert cost.on_the_way(bandwidth=1000, devices=3) == pytest.approx(4 * (6000 / 3) / 1000)
    assert cost.on_the_way(bandwidth=1000, devices=1) == 0


def test_what_is_counted_of_a_layer():
    layer, x = torch.nn.Linear(5, 7, bias=False), torch.zeros(3, 5)
    with Work() as work:
        layer(x).relu_().sum().backward()
    assert work.flops == 2 * (2 * 3 * 5 * 7), "forward, and the gradient of the weights"
    assert 4 <= work.launches <= 10
