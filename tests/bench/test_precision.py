"""Precisions of a reference loop: the rounding of products; and scaling a loss changes only overflows."""

import pytest
import torch

from lightning_gen.bench.precision import Precision


@pytest.mark.parametrize(
    ("name", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16), ("16-mixed", torch.float16)]
)
def test_products_and_what_needs_full_precision(name, dtype):
    precision, x = Precision(name), torch.ones(2, 2)
    with precision.autocast():
        assert (x @ x).dtype == dtype
        with precision.full():
            assert (x @ x).dtype == torch.float32
    assert precision.narrow == (dtype != torch.float32)


@pytest.mark.parametrize("name", ["32-true", "16-mixed"])
def test_an_update_goes_down_the_gradient_once(name):
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer, precision = torch.optim.SGD([weight], lr=0.5), Precision(name)
    for _ in range(2):
        optimizer.zero_grad()
        precision.update((weight * torch.tensor([3.0, -1.0])).sum(), optimizer)
    assert weight.tolist() == [1 - 2 * 0.5 * 3, 2 + 2 * 0.5]


def test_an_overflow_is_passed_over():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    Precision("16-mixed").update((weight * 1e38).sum(), torch.optim.SGD([weight], lr=0.5))
    assert weight.tolist() == [1]
