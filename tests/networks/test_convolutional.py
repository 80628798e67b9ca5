import torch

from lightning_gen.networks import ConvDecoder, ConvEncoder


def test_a_code_does_not_depend_on_the_batch():
    torch.manual_seed(0)
    encoder, decoder = ConvEncoder((3, 17, 20), 6, width=12).double(), ConvDecoder((3, 17, 20), 6, width=12).double()
    x = torch.randn(5, 3, 17, 20).double()
    code = encoder(x)
    torch.testing.assert_close(code[2:3], encoder(x[2:3]))
    torch.testing.assert_close(decoder(code)[2:3], decoder(code[2:3]))


def test_outputs_are_not_squashed():
    """A likelihood owns the last activation: codes scaled up must be able to leave [-1, 1]."""
    torch.manual_seed(0)
    decoder = ConvDecoder((1, 16, 16), 4, width=8)
    with torch.no_grad():
        decoder.layers[-1].weight.mul_(100)
    output = decoder(torch.randn(8, 4))
    assert output.min() < -1
    assert output.max() > 1


def test_an_autoencoder_can_learn_images_by_heart():
    """Four images of noise through eight numbers: an architecture that loses gradients would not get there."""
    torch.manual_seed(0)
    x = torch.rand(4, 1, 9, 12) * 2 - 1
    encoder, decoder = ConvEncoder((1, 9, 12), 8, width=16), ConvDecoder((1, 9, 12), 8, width=16)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-2)
    for _ in range(150):
        loss = (decoder(encoder(x)) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.01 * x.var()
