import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev

from lightning_gen.bottlenecks import IdentityBottleneck, SigmoidBottleneck
from lightning_gen.errors import InputError
from lightning_gen.networks import ConvEncoder, DenseEncoder
from lightning_gen.records import Code, Reconstruction
from lightning_gen.regularizers import Contraction

ENCODERS = (lambda: DenseEncoder((1, 8, 8), 5, widths=(7,)), lambda: ConvEncoder((1, 8, 8), 5, width=4))


def record(encoder, x, draws=1):
    seen = x.clone().requires_grad_()
    code = SigmoidBottleneck(5)(encoder(seen, None).repeat_interleave(draws, 0))
    return Reconstruction(x, code, x, seen, codes_per_sample=draws)


def by_jacobian(encoder, parameters, x):
    """The same by an explicit Jacobian of each sample, in forward code only."""

    def code(one):
        return functional_call(encoder, parameters, (one[None], None))[0].sigmoid()

    return torch.stack([jacrev(code)(one).square().sum() for one in x]).mean()


@pytest.mark.parametrize("make", ENCODERS)
@pytest.mark.parametrize("draws", [1, 2])
def test_value_and_gradient_are_those_of_an_explicit_jacobian(make, draws):
    torch.manual_seed(0)
    encoder, x = make().double(), torch.randn(3, 1, 8, 8).double()
    value = Contraction()(record(encoder, x, draws))
    parameters = {name: p.detach().clone().requires_grad_() for name, p in encoder.named_parameters()}
    expected = by_jacobian(encoder, parameters, x)
    torch.testing.assert_close(value, expected)
    ours = torch.autograd.grad(value, list(encoder.parameters()), allow_unused=True, materialize_grads=True)
    theirs = torch.autograd.grad(expected, list(parameters.values()), allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(ours, theirs)


def test_of_a_linear_encoder_it_is_the_norm_of_its_weights():
    layer = nn.Linear(6, 4)
    seen = torch.randn(5, 6, requires_grad=True)
    code = IdentityBottleneck(4)(layer(seen))
    torch.testing.assert_close(Contraction()(Reconstruction(seen, code, seen, seen)), layer.weight.square().sum())


def test_it_is_differentiated_where_samples_were_corrupted_and_in_validation(autoencoder, trainer):
    likelihood = autoencoder().likelihood
    module = autoencoder(objective={"reconstruction": likelihood, "contraction": Contraction(0.1)})
    data = torch.utils.data.DataLoader(torch.rand(8, 1, 8, 8), batch_size=4)
    fitted = trainer(max_epochs=1)
    fitted.fit(module, data, data)
    assert fitted.callback_metrics["val/contraction"] > 0


@pytest.mark.parametrize("seen", [None, torch.zeros(2, 3)])
def test_a_pass_that_was_not_watched_is_refused(seen):
    code = torch.zeros(2, 3)
    with pytest.raises(InputError, match="give the reconstruction a `seen` that requires a gradient"):
        Contraction()(Reconstruction(code, Code(code, code), code, seen))
