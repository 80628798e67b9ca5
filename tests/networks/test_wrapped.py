"""Plain modules of torch in the place of networks."""

from functools import partial

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from lightning_gen import AdversarialAutoencoderModule, AutoencoderModule, GANModule
from lightning_gen.adversaries import GenerationMatching
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.errors import InputError
from lightning_gen.networks import ConvDecoder, DCGANGenerator, DenseDiscriminator, WrappedGenerator
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood, LogisticMixtureLikelihood, NonSaturating
from lightning_gen.priors import Normal

SHAPE = (3, 8, 8)


class Net(nn.Module):
    """A generator as a user writes it: nothing but a width and a forward."""

    def __init__(self, latent_dim=5):
        super().__init__()
        self.latent_dim = latent_dim
        self.layers = nn.Sequential(nn.Linear(latent_dim, 192), nn.BatchNorm1d(192), nn.Tanh())

    def forward(self, z):
        return self.layers(z).view(-1, *SHAPE)


class ClassNet(Net):
    def __init__(self):
        super().__init__()
        self.num_classes = 3
        self.embedding = nn.Embedding(3, 5)

    def forward(self, z, labels):
        return super().forward(z + self.embedding(labels))


class Score(nn.Module):
    def __init__(self):
        super().__init__()
        self.num_classes = 3
        self.layers = nn.Linear(192, 3)

    def forward(self, x, labels):
        return self.layers(x.flatten(1)).gather(1, labels[:, None])


def scores(*sides):
    """Discriminators that return logits of one, or of a map of them, for each sample."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.LeakyReLU(0.2), *sides)


def images(n=16, labels=False):
    x = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return [(each, index % 3) for index, each in enumerate(x)] if labels else x


@pytest.mark.parametrize("score", [scores(nn.Flatten(), nn.Linear(64, 1)), scores(nn.Conv2d(4, 1, 1))])
def test_a_gan_of_plain_modules_trains_as_one_of_networks(trainer, score):
    module = GANModule(Net(), score, NonSaturating())
    before = module.generator.network.layers[0].weight.clone()
    trainer(max_steps=2).fit(module, torch.utils.data.DataLoader(images(), batch_size=8))
    assert module.data_shape == SHAPE
    assert module.sample(3).shape == (3, *SHAPE)
    assert not torch.equal(module.generator.network.layers[0].weight, before)


def test_networks_with_a_number_of_classes_are_called_with_them(trainer):
    module = GANModule(ClassNet(), Score(), NonSaturating())
    trainer(max_steps=2).fit(module, torch.utils.data.DataLoader(images(labels=True), batch_size=8))
    source = torch.Generator()
    one, two = (module.sample(4, labels, source.manual_seed(0)) for labels in (0, 1))
    assert not torch.equal(one, two)
    with pytest.raises(InputError, match="conditional and the samples come without labels"):
        module.generator(torch.zeros(2, 5))


def test_finding_the_sizes_leaves_no_trace():
    net = Net().train()
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert WrappedGenerator(nn.Sequential(net, nn.Dropout()), 5).shape == SHAPE
    assert net.training
    assert net.layers[1].training
    assert torch.equal(torch.get_rng_state(), expected)
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


def backbone():
    return resnet18(num_classes=8)


def dense(width, outputs=192):
    return nn.Sequential(nn.Linear(width, outputs), nn.Unflatten(1, (outputs // 64, 8, 8)))


@pytest.mark.parametrize(
    ("encoder", "decoder", "likelihood"),
    [
        (backbone(), ConvDecoder(SHAPE, 4, width=4), BernoulliLikelihood()),
        (backbone(), dense(4), GaussianLikelihood()),
        (backbone(), dense(4, 64 * 20), LogisticMixtureLikelihood(components=2)),
    ],
    ids=["a decoder of the library", "both plain", "more outputs than channels"],
)
def test_a_backbone_of_torchvision_encodes(trainer, encoder, decoder, likelihood):
    module = AutoencoderModule(encoder, decoder, GaussianBottleneck(4), {"reconstruction": likelihood})
    assert (module.data_shape, module.encoder.features) == (SHAPE, 8)
    trainer(max_steps=1).fit(module, torch.utils.data.DataLoader(images(), batch_size=8))
    assert module.encode(images()).shape == (16, 4)
    assert module.reconstruct(images()).shape == (16, *SHAPE)


def test_features_may_be_maps():
    encoder, decoder = nn.Conv2d(3, 6, 4, 4), ConvDecoder(SHAPE, 6)
    with pytest.raises(InputError, match=r"features \(2, 2\) and the decoder reads codes without a map"):
        AutoencoderModule(encoder, decoder, IdentityBottleneck(6), {"r": GaussianLikelihood()})
    from lightning_gen.networks import ResidualEncoder

    known = ResidualEncoder(SHAPE, 6, downsamplings=1, width=4)
    plain = nn.ConvTranspose2d(6, 3, 2, 2)
    module = AutoencoderModule(known, plain, IdentityBottleneck(6), {"r": GaussianLikelihood()})
    assert (module.decoder.map_size, module.decoder.output_shape) == ((4, 4), SHAPE)


def test_an_adversarial_autoencoder_takes_a_plain_discriminator(trainer):
    module = AdversarialAutoencoderModule(
        backbone(),
        dense(8),
        IdentityBottleneck(8, prior=Normal()),
        {"r": GaussianLikelihood()},
        scores(nn.Flatten(), nn.Linear(64, 1)),
        GenerationMatching(),
        NonSaturating(),
    )
    trainer(max_steps=2).fit(module, torch.utils.data.DataLoader(images(), batch_size=8))
    assert module.discriminator.shape == SHAPE


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: GANModule(nn.Linear(4, 3), nn.Linear(3, 1), NonSaturating()),
            "the generator is a Linear, which",
        ),
        (
            lambda: WrappedGenerator(nn.Linear(4, 3), 5),
            r"Linear fails on latents of shape \(2, 5\): Runtime",
        ),
        (lambda: WrappedGenerator(nn.Flatten(0), 5), r"Flatten returns \(10,\) for 2 latents: let its forward return"),
        (lambda: GANModule(DCGANGenerator(SHAPE, 4), nn.Linear(3, 1), NonSaturating()), r"Linear fails on samples of"),
        (
            lambda: AutoencoderModule(
                nn.Flatten(), dense(4, 128), GaussianBottleneck(4), {"r": LogisticMixtureLikelihood(components=2)}
            ),
            "a decoder with 2 channels gives no samples by LogisticMixtureLikelihood, which reads 6 .* and 20",
        ),
    ],
)
def test_what_cannot_be_wrapped(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()


def test_networks_stay_as_they_are():
    """With their names of weights, which checkpoints of earlier versions have."""
    generator, discriminator = DCGANGenerator((3, 16, 16), 4, width=4), DenseDiscriminator((3, 16, 16), widths=(4,))
    module = GANModule(generator, discriminator, NonSaturating(), generator_optimizer=partial(torch.optim.SGD, lr=0.1))
    assert module.generator is generator
    assert module.discriminator is discriminator
