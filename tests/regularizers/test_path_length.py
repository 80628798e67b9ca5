"""Path length regularization, held to generators whose Jacobian is known."""

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.regularizers import GeneratorPass, PathLength

N, WIDTH, SHAPE = 4096, 5, (2, 3, 4)


def linear(scale):
    """A generator whose Jacobian is one matrix everywhere, with rows of known length."""
    torch.manual_seed(0)
    weights = (scale * torch.randn(WIDTH, 24, dtype=torch.float64)).requires_grad_()
    return weights, lambda latents, labels: (latents @ weights).unflatten(1, SHAPE)


def record(network, n=N, labels=None):
    latents = torch.randn(n, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return GeneratorPass(network, latents, labels, torch.Generator().manual_seed(2))


def test_lengths_have_the_closed_form_of_a_linear_generator():
    weights, network = linear(0.7)
    lengths = PathLength().lengths(record(network), N)
    # E[|W y|²] with y ~ N(0, I / positions) is the squared Frobenius norm of W over the positions, 3 x 4 here
    expected = weights.detach().square().sum() / 12
    assert lengths.square().mean().item() == pytest.approx(expected.item(), rel=0.05)


def test_the_penalty_is_the_variance_about_an_average_that_has_settled():
    _, network = linear(0.7)
    penalty = PathLength(decay=0.0, shrink=1)
    value = penalty(record(network))
    lengths = PathLength().lengths(record(network), N)
    assert value.item() == pytest.approx(lengths.var(correction=0).item(), rel=1e-5)
    assert penalty.mean_length.item() == pytest.approx(lengths.mean().item(), rel=1e-6)


def test_the_average_follows_in_training_alone():
    _, network = linear(0.7)
    penalty = PathLength(decay=0.9)
    penalty(record(network))
    first = penalty.mean_length.item()
    assert first == pytest.approx(0.1 * PathLength().lengths(record(network), N // 2).mean().item(), rel=1e-5)
    penalty.eval()(record(network))
    assert penalty.mean_length.item() == first


def test_its_gradient_shrinks_lengths_that_are_above_the_average():
    weights, network = linear(3.0)
    PathLength()(record(network)).backward()
    assert (weights.grad * weights.detach()).sum() > 0


def test_it_reads_a_part_of_the_batch_with_its_classes():
    seen = []

    def network(latents, labels):
        seen.append((len(latents), labels))
        return latents.unflatten(1, (1, WIDTH))

    PathLength(shrink=4)(record(network, 8, torch.arange(8)))
    assert seen[0][0] == 2
    assert seen[0][1].tolist() == [0, 1]


@pytest.mark.parametrize("options", [{"decay": 1.0}, {"shrink": 0}, {"every": 0}, {"weight": -1.0}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(InputError):
        PathLength(**options)
