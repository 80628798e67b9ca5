"""What does not fit into memory is refused before it is allocated, and nothing else changes."""

import pytest
import torch
from torch import nn

from lightning_gen import memory
from lightning_gen.errors import InputError
from lightning_gen.networks import DCGANGenerator, DenseEncoder


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: nn.Linear(10**12, 8), "a tensor of (8, 1000000000000) numbers, would take 32,000 GB of memory"),
        (lambda: nn.Conv2d(10**12, 8, 3), "would take 288,000 GB"),
        (lambda: nn.Embedding(10**12, 8), "would take 32,000 GB"),
        (lambda: torch.randperm(10**12), "a tensor of 1000000000000 numbers, would take 8,000 GB"),
        (lambda: torch.zeros(10**12, dtype=torch.uint8), "would take 1,000 GB"),
        (lambda: DCGANGenerator((1, 8, 8), latent_dim=10**12), "would take 4,096,000 GB"),
        (lambda: DCGANGenerator((1, 8, 8), width=10**30), "would take more memory than any machine has"),
        (lambda: DenseEncoder((1, 8, 8), features=10**12), "would take"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(make, expected):
    with pytest.raises(InputError) as refused, memory.Budget("the model"):
        make()
    assert str(refused.value).startswith("the model, with a tensor of ")
    assert expected in str(refused.value)
    assert str(refused.value).endswith("lower the width, latent_dim, number of codes or size that it follows from")


def test_tensors_that_do_not_fit_together_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 4000)
    with memory.Budget("one"):
        torch.zeros(600)
    with memory.Budget("both"), pytest.raises(InputError, match=r"^both, with a tensor of 500 numbers, would take"):
        torch.cat([torch.zeros(600), torch.zeros(500)])


def test_nothing_else_changes():
    def drawn():
        torch.manual_seed(0)
        network = DCGANGenerator((1, 8, 8), width=4)
        return [*network.state_dict().values(), torch.rand(3), torch.randint(5, (4,), generator=torch.Generator())]

    plain = drawn()
    with memory.Budget("the model"):
        limited = drawn()
    assert all(torch.equal(*pair) for pair in zip(plain, limited, strict=True))


def test_the_error_of_a_wrong_argument_is_torchs_own():
    with memory.Budget("the model"), pytest.raises(RuntimeError, match="negative dimension"):
        torch.empty(-1)


def test_only_a_machine_with_less_memory_refuses(monkeypatch):
    memory.require_room(memory.available(), "the data", "take less")
    monkeypatch.setattr(memory, "available", lambda: 10**9)
    expected = r"^the data would take 3\.2 GB of memory and this machine has 1\.0 GB: take less$"
    with pytest.raises(InputError, match=expected):
        memory.require_room(3.2e9, "the data", "take less")
