import numpy as np
import pytest
import torch
from torch import nn

from lightning_gen.networks import DenseDecoder, DenseDiscriminator, DenseEncoder, DenseGenerator


def weights_and_biases(network):
    return [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in network.modules() if isinstance(m, nn.Linear)]


def test_an_autoencoder_of_784_32_32_784_by_hand():
    encoder = DenseEncoder((1, 28, 28), features=32, widths=(32,), activate_features=True).double()
    decoder = DenseDecoder((1, 28, 28), latent_dim=32, widths=()).double()
    x = np.random.default_rng(0).uniform(-1, 1, (4, 784))
    (w1, b1), (w2, b2), (w3, b3) = [*weights_and_biases(encoder), *weights_and_biases(decoder)]
    code = np.maximum(np.maximum(x @ w1.T + b1, 0) @ w2.T + b2, 0)
    output = decoder(encoder(torch.from_numpy(x).view(4, 1, 28, 28)))
    np.testing.assert_allclose(output.detach().numpy().reshape(4, 784), code @ w3.T + b3)


def test_features_are_linear_unless_activated():
    torch.manual_seed(0)
    x = torch.randn(50, 2)
    assert DenseEncoder((2,), 8)(x).min() < 0
    assert DenseEncoder((2,), 8, activate_features=True)(x).min() == 0


def test_discriminator_by_hand():
    discriminator = DenseDiscriminator((3, 2, 2), widths=(5, 4), slope=0.3).double()
    x = np.random.default_rng(0).normal(size=(6, 12))
    h = x
    *inner, last = weights_and_biases(discriminator)
    for weight, bias in inner:
        h = h @ weight.T + bias
        h = np.where(h > 0, h, 0.3 * h)
    logits = discriminator(torch.from_numpy(x).view(6, 3, 2, 2)).logits
    np.testing.assert_allclose(logits.detach().numpy(), (h @ last[0].T + last[1])[:, 0])


def test_the_default_discriminator_has_the_widths_of_the_article():
    widths = [m.out_features for m in DenseDiscriminator((3, 28, 28)).modules() if isinstance(m, nn.Linear)]
    assert widths == [1024, 512, 256, 128, 64, 32, 1]


@pytest.mark.parametrize("batch_norm", [True, False])
def test_generator_has_biases_where_batch_norm_has_none(batch_norm):
    generator = DenseGenerator((3, 8, 8), batch_norm=batch_norm)
    linear = [m for m in generator.modules() if isinstance(m, nn.Linear)]
    assert [m.out_features for m in linear] == [256, 512, 1024, 192]
    assert all((m.bias is None) is batch_norm for m in linear)


def test_bounded_is_tanh():
    torch.manual_seed(0)
    bounded, free = DenseGenerator((2,), bounded=True), DenseGenerator((2,), bounded=False)
    free.load_state_dict(bounded.state_dict())
    latent = 100 * torch.randn(64, 100)
    torch.testing.assert_close(bounded(latent), free(latent).tanh())
