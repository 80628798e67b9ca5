import copy
import inspect
import sys

import pytest
import torch
from torch import nn
from torchmetrics.functional.image.lpips import _LPIPS

from lightning_gen import AutoencoderModule
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.objectives import (
    LPIPS,
    BernoulliLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    Lite0Perceptual,
    Perceptual,
)
from lightning_gen.pretrained import Lite0
from lightning_gen.private import LPIPS_VGG16
from lightning_gen.records import Code, Reconstruction


class Features(nn.Module):
    """Two levels, with what behaves differently in training."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.width = width
        self.first = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU())
        self.second = nn.Sequential(nn.Dropout(), nn.Conv2d(width, 4, 3, stride=2))

    def forward(self, x):
        first = self.first(x)
        return [first, self.second(first)]


@pytest.fixture(scope="module")
def reference():
    """The distance of torchmetrics, with a VGG16 of random weights."""
    torch.manual_seed(0)
    return _LPIPS(pretrained=True, net="vgg", pnet_rand=True)


@pytest.fixture(scope="module")
def vgg(reference, tmp_path_factory):
    """A file with the weights of that VGG16 under torchvision's names."""
    path = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    stored = {name.split(".", 1)[1]: weight for name, weight in reference.net.state_dict().items()}
    torch.save({f"features.{name}": weight for name, weight in stored.items()}, path)
    return path


def record(x, output):
    code = torch.zeros(len(x), 1)
    return Reconstruction(x, Code(code, code), output)


def pictures(n=3, channels=1, size=8):
    torch.manual_seed(1)
    return torch.rand(n, channels, size, size) * 2 - 1, torch.rand(n, channels, size, size) * 2 - 1


# any network --------------------------------------------------------------------------------------------------------


def test_distance_by_hand():
    x, output = pictures()
    network = Features().eval()
    expected = 0.0
    for f, g in zip(network(x), network(output), strict=True):
        difference = nn.functional.normalize(f, dim=1) - nn.functional.normalize(g, dim=1)
        expected = expected + difference.square().sum(1).mean((1, 2))
    torch.testing.assert_close(Perceptual(network)(record(x, output)), expected.mean(), rtol=1e-4, atol=1e-6)


def test_one_level_and_features_without_places():
    x, output = pictures()
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    cosine = nn.functional.cosine_similarity(network(x), network(output), dim=1)
    torch.testing.assert_close(Perceptual(network)(record(x, output)), (2 - 2 * cosine).mean())


def test_equal_pictures_have_no_distance_and_a_finite_gradient():
    x, _ = pictures()
    output = x.clone().requires_grad_()
    value = Perceptual(Features())(record(x, output))
    assert value == 0
    assert torch.autograd.grad(value, output)[0].isfinite().all()
    nothing = torch.zeros(2, 1, 8, 8, requires_grad=True)  # features of length 0
    value = Perceptual(nn.Conv2d(1, 3, 3, bias=False))(record(x[:2], nothing))
    assert torch.autograd.grad(value, nothing)[0].isfinite().all()


def test_the_network_stays_in_evaluation_mode():
    term = Perceptual(Features().train())
    for module in (term, nn.ModuleDict({"perceptual": term})):
        module.train()
        assert not any(part.training for part in term.network.modules())
    x, output = pictures()
    assert torch.equal(term(record(x, output)), term(record(x, output)))


def test_gradients_reach_the_decoder_and_not_the_network(autoencoder, trainer):
    """A perceptual loss under `no_grad` trains nothing, and `network.requires_grad = False` freezes nothing."""
    term = Perceptual(Features())
    module = autoencoder(objective={"reconstruction": BernoulliLikelihood(weight=0.0), "perceptual": term})
    network, decoder = copy.deepcopy(term.network.state_dict()), copy.deepcopy(module.decoder.state_dict())
    trainer(max_steps=3).fit(module, Digits(size=8, batch_size=16))
    assert all(torch.equal(network[name], now) for name, now in term.network.state_dict().items())
    assert not all(torch.equal(decoder[name], now) for name, now in module.decoder.state_dict().items())
    assert not any(parameter.requires_grad for parameter in term.parameters())


def test_a_checkpoint_brings_the_same_features_back(autoencoder, trainer, tmp_path):
    objective = {"reconstruction": BernoulliLikelihood(), "perceptual": Perceptual(Features(5))}
    module = autoencoder(objective=objective)
    runner = trainer(max_steps=1)
    runner.fit(module, Digits(size=8, batch_size=16))
    runner.save_checkpoint(tmp_path / "last.ckpt")
    loaded = AutoencoderModule.load_from_checkpoint(tmp_path / "last.ckpt")
    x, output = pictures()
    assert torch.equal(loaded.terms["perceptual"](record(x, output)), module.terms["perceptual"](record(x, output)))
    assert not any(parameter.requires_grad for parameter in loaded.terms["perceptual"].parameters())


def test_a_network_without_a_class_of_its_own_is_asked_for_again(autoencoder, trainer, tmp_path):
    def objective():
        network = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU())
        return {"reconstruction": BernoulliLikelihood(), "perceptual": Perceptual(network)}

    module, runner = autoencoder(objective=objective()), trainer(max_steps=1)
    runner.fit(module, Digits(size=8, batch_size=16))
    with pytest.warns(UserWarning, match=r"Sequential takes .*load_from_checkpoint\(path, objective=...\)"):
        runner.save_checkpoint(tmp_path / "last.ckpt")
    with pytest.raises(InputError, match=r"cannot be rebuilt .* it does not hold 'objective'"):
        AutoencoderModule.load_from_checkpoint(tmp_path / "last.ckpt")
    loaded = AutoencoderModule.load_from_checkpoint(tmp_path / "last.ckpt", objective=objective())
    x, output = pictures()
    assert torch.equal(loaded.terms["perceptual"](record(x, output)), module.terms["perceptual"](record(x, output)))


# one balance at every size -------------------------------------------------------------------------------------------


def enlarged(x, times):
    """The same picture, each pixel as a square of pixels."""
    return x.repeat_interleave(times, 2).repeat_interleave(times, 3)


@pytest.mark.parametrize("times", [2, 3])
def test_per_value_the_balance_with_a_likelihood_is_that_of_any_size(times):
    """Features of single positions are as far apart in an enlarged picture; the pixels' sum grows with their number."""
    x, output = pictures(channels=3)
    small, large = record(x, output), record(enlarged(x, times), enlarged(output, times))
    term, plain = Perceptual(nn.Identity(), per_value=True), Perceptual(nn.Identity())
    pixels = GaussianLikelihood()
    nothing = record(x, x), record(enlarged(x, times), enlarged(x, times))  # the constant of the density
    errors = [pixels(each) - pixels(none) for each, none in zip((small, large), nothing, strict=True)]
    torch.testing.assert_close(term(large) / errors[1], term(small) / errors[0])
    torch.testing.assert_close(plain(large) / errors[1], plain(small) / errors[0] / times**2)


def test_per_value_it_is_the_sum_over_values_of_latent_diffusion():
    """``rec_loss = |x - y| + weight * p_loss``, of each value, then summed over a sample: contperceptual.py."""
    x, output = pictures(channels=3)
    network = Features().eval()
    network.first[0] = nn.Conv2d(3, 3, 3)
    distance = Perceptual(network).distances(x, output)
    by_hand = ((x - output).abs() + 0.7 * distance.view(-1, 1, 1, 1)).sum() / len(x)
    found = (x - output).abs().sum() / len(x) + 0.7 * Perceptual(network, per_value=True)(record(x, output))
    torch.testing.assert_close(found, by_hand)


# EfficientNet-Lite0 --------------------------------------------------------------------------------------------------


class Maps(nn.Module):
    """Lite0's levels as the output of a module."""

    def __init__(self):
        super().__init__()
        pytest.importorskip("timm")
        self.lite0 = Lite0()

    def forward(self, x):
        return self.lite0.maps(x.expand(-1, 3, -1, -1))


@pytest.fixture(scope="module")
def maps():
    return Maps()


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 40)])
def test_the_distance_of_lite0_is_that_of_any_network_over_its_maps(maps, channels, size):
    given = record(*pictures(channels=channels, size=size))
    torch.testing.assert_close(Lite0Perceptual()(given), Perceptual(maps)(given))
    values = channels * size**2
    torch.testing.assert_close(Lite0Perceptual(per_value=True)(given), values * Perceptual(maps)(given))


def test_lite0_is_in_no_list_and_passes_gradients(maps):
    term, (x, output) = Lite0Perceptual(), pictures(channels=3, size=32)
    output.requires_grad_()
    state = torch.get_rng_state()
    with torch.inference_mode():
        before = term(record(x, output))
    value = term.train()(record(x, output))
    assert torch.equal(value, before)
    assert torch.equal(torch.get_rng_state(), state), "random numbers were drawn"
    assert torch.autograd.grad(value, output)[0].abs().sum() > 0
    assert not [*term.parameters(), *term.state_dict()]
    assert term(record(x.double(), output.double())).dtype == torch.float64


def test_the_balance_of_lite0_is_alike_at_two_sizes(maps):
    """Of a photograph and itself with less contrast; features of other scales differ, so that it is not equal."""
    data = pytest.importorskip("skimage.data")
    photograph = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None] / 127.5 - 1
    small = nn.functional.interpolate(photograph, (64, 64), mode="area")
    term, pixels, ratios = Lite0Perceptual(per_value=True), LaplaceLikelihood(), []
    for times in (1, 2, 4):
        x, output = enlarged(small, times), enlarged(0.8 * small, times)
        ratios.append(term(record(x, output)) / (pixels(record(x, output)) - pixels(record(x, x))))
    assert max(ratios) / min(ratios) < 1.25, "16 times as many pixels"


def test_pictures_that_lite0_cannot_compare(maps):
    with pytest.raises(InputError, match=r"at least 32 x 32, not of 31 x 32: set --data\.size to 32"):
        Lite0Perceptual()(record(torch.zeros(2, 3, 31, 32), torch.zeros(2, 3, 31, 32)))
    with pytest.raises(InputError, match="reads grey and colour images"):
        Lite0Perceptual()(record(torch.zeros(2, 2, 32, 32), torch.zeros(2, 2, 32, 32)))


def test_lite0_without_its_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm.models", None)
    with pytest.raises(InputError, match=r"pip install 'lightning_gen\[features\]'"):
        Lite0Perceptual()(record(*pictures(size=32)))


# LPIPS --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "size"), [(3, 16), (3, 33), (1, 32)])
def test_lpips_is_that_of_torchmetrics(reference, vgg, channels, size):
    x, output = pictures(channels=channels, size=size)
    expected = reference(x.expand(-1, 3, -1, -1), output.expand(-1, 3, -1, -1)).mean()
    torch.testing.assert_close(LPIPS(vgg)(record(x, output)), expected, rtol=1e-4, atol=1e-6)


def test_lpips_has_the_gradient_of_torchmetrics(reference, vgg):
    x, output = pictures(channels=3, size=16)
    output.requires_grad_()
    (ours,) = torch.autograd.grad(LPIPS(vgg)(record(x, output)), output)
    (theirs,) = torch.autograd.grad(reference(x, output).mean(), output)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-7)


def test_lpips_reads_linear_weights_of_the_users(vgg, tmp_path):
    linear = torch.load(LPIPS_VGG16, map_location="cpu", weights_only=True)
    torch.save({name: 2 * weight for name, weight in linear.items()}, tmp_path / "linear.pth")
    given = record(*pictures(size=16))
    torch.testing.assert_close(LPIPS(vgg, tmp_path / "linear.pth")(given), 2 * LPIPS(vgg)(given))


def test_lpips_used_in_a_validation_first_can_train(vgg):
    """What is made in inference mode cannot be differentiated through later."""
    term, (x, output) = LPIPS(vgg), pictures(size=16)
    with torch.inference_mode():
        before = term(record(x, output))
    output = output.requires_grad_()
    value = term(record(x, output))
    assert torch.equal(value, before)
    assert torch.autograd.grad(value, output)[0].abs().sum() > 0
    assert term(record(x.double(), output.double())).dtype == torch.float64


def test_lpips_neither_trains_nor_stores_its_network(vgg):
    term = LPIPS(str(vgg))
    value = term(record(*pictures(size=16)))
    assert list(term.parameters()) == []
    assert term.state_dict() == {}
    assert not any(part.training for part in term.train()._network(torch.zeros(1)).modules())
    assert torch.equal(copy.deepcopy(term)(record(*pictures(size=16))), value)


def test_reading_lpips_draws_no_random_numbers(vgg):
    given = record(*pictures(size=16))
    state = torch.get_rng_state()
    LPIPS(vgg)(given)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_trained_with_lpips_is_of_use_without_its_files(autoencoder, trainer, vgg, tmp_path):
    here = tmp_path / "vgg16.pth"
    here.symlink_to(vgg)
    objective = {"reconstruction": BernoulliLikelihood(), "perceptual": LPIPS(here, weight=0.1)}
    module = autoencoder((1, 16, 16), objective=objective)
    runner = trainer(max_steps=1)
    runner.fit(module, Digits(size=16, batch_size=4))
    runner.save_checkpoint(tmp_path / "last.ckpt")
    here.unlink()
    loaded = AutoencoderModule.load_from_checkpoint(tmp_path / "last.ckpt").eval()
    assert (loaded.terms["perceptual"].vgg, loaded.terms["perceptual"].weight) == (str(here), 0.1)
    x, _ = pictures(size=16)
    assert torch.equal(loaded.reconstruct(x), module.eval().reconstruct(x))
    assert (tmp_path / "last.ckpt").stat().st_size < 1_000_000


def test_lpips_without_its_files(vgg, tmp_path):
    given = record(*pictures(size=16))
    with pytest.raises(InputError, match=r"does not exist: give the file of torchvision's VGG16, vgg16-397923af\.pth"):
        LPIPS(tmp_path / "none.pth")(given)
    with pytest.raises(InputError, match="files of other networks"):
        LPIPS(LPIPS_VGG16)(given)
    with pytest.raises(InputError, match="files of other networks"):
        LPIPS(vgg, vgg)(given)
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(InputError, match=r"give a file written by torch\.save"):
        LPIPS(tmp_path / "text.pth")(given)


@pytest.mark.parametrize("shape", [(2, 1, 15, 16), (2, 2, 16, 16), (2, 2)])
def test_pictures_that_vgg_cannot_read(vgg, shape):
    with pytest.raises(InputError, match="grey or colour images of at least 16 x 16"):
        LPIPS(vgg)(record(torch.zeros(shape), torch.zeros(shape)))


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Perceptual, {"network": nn.Flatten()}),
        (Lite0Perceptual, {"weights": "a.pth"}),
        (LPIPS, {"vgg": "a.pth", "linear": "b.pth"}),
    ],
)
def test_constructor_arguments_are_attributes(cls, arguments):
    values = {**arguments, "weight": 0.3, "per_value": True}
    assert set(inspect.signature(cls).parameters) == set(values)
    assert {name: getattr(cls(**values), name) for name in values} == values
