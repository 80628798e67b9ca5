"""Weights and descriptions for other programs: what is written comes back, to the bit, and nothing else does."""

import json

import pytest
import torch
from torch import nn

from lightning_gen import GANModule
from lightning_gen.applications import load, save_file, save_folder
from lightning_gen.bottlenecks import VectorQuantizer
from lightning_gen.errors import InputError
from lightning_gen.networks import DenseDiscriminator, DenseGenerator
from lightning_gen.networks.layers import set_memory_format
from lightning_gen.training.ema import EMA

torch_file = pytest.importorskip("safetensors.torch")


def perturbed(module):
    """A module whose averages differ from the trained networks."""
    with torch.no_grad():
        for network in module.averaged.values():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
    module.images_seen = 12
    module.class_names = ("a", "b")
    return module


def draws(module):
    return module.sample(5, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("single", [False, True])
def test_the_averaged_generator_comes_back_to_the_bit(gan, tmp_path, single):
    module = perturbed(gan(batch_norm=True, ema=EMA()))
    place = tmp_path / ("x.safetensors" if single else "x")
    (save_file if single else save_folder)(module, place)
    found = load(place)
    assert torch.equal(draws(found), draws(module))
    assert not torch.equal(draws(found), draws(gan(batch_norm=True, ema=None)))
    assert (found.images_seen, found.class_names, found.training) == (12, ("a", "b"), False)


@pytest.mark.parametrize("channels_last", [False, True])
def test_an_autoencoder_comes_back_to_the_bit(autoencoder, tmp_path, channels_last):
    module = perturbed(autoencoder(variational=True))
    set_memory_format(module, channels_last)
    save_folder(module, tmp_path)
    found, x = load(tmp_path), torch.rand(3, *module.data_shape) * 2 - 1
    with torch.no_grad():
        assert torch.equal(found.encode(x), module.encode(x))
        assert torch.equal(found.reconstruct(x), module.reconstruct(x))
    assert torch.equal(draws(found), draws(module))


def test_the_file_holds_what_is_applied_and_no_discriminator(gan, tmp_path):
    save_folder(gan(), tmp_path)
    names = torch_file.load_file(tmp_path / "model.safetensors").keys()
    assert {name.split(".")[0] for name in names} == {"generator"}
    assert json.loads((tmp_path / "config.json").read_text())["module"]["_class_path"] == "lightning_gen.GANModule"


def changed(folder, change):
    file = folder / "model.safetensors"
    weights = torch_file.load_file(file)
    change(weights)
    torch_file.save_file(weights, file)


def test_missing_other_and_changed_weights_are_named(gan, tmp_path):
    save_folder(gan(), tmp_path)
    name, value = next(iter(torch_file.load_file(tmp_path / "model.safetensors").items()))
    for change, sentence in (
        (lambda weights: weights.pop(name), f"lacks {name}: export the model again"),
        (lambda weights: weights.update({name: value, "more": value.clone()}), "has for another model more"),
        (lambda weights: (weights.pop("more"), weights.update({name: value[:1]})), f"in another shape {name}"),
        (lambda weights: weights.update({name: value + 1}), "holds other weights than"),
        (lambda weights: weights.update({name: value * torch.nan}), "not finite"),
    ):
        changed(tmp_path, change)
        with pytest.raises(InputError, match=sentence):
            load(tmp_path)


def description(folder, change):
    stored = json.loads((folder / "config.json").read_text())
    change(stored)
    (folder / "config.json").write_text(json.dumps(stored))


def test_a_description_runs_no_code(gan, tmp_path):
    save_folder(gan(), tmp_path)
    description(tmp_path, lambda stored: stored["module"]["generator"].update(class_path="subprocess.Popen"))
    with pytest.raises(InputError, match="was not loaded"):
        load(tmp_path)


def test_what_is_no_export_gets_a_sentence(gan, tmp_path):
    with pytest.raises(InputError, match="there is no"):
        load(tmp_path / "missing")
    save_folder(gan(), tmp_path)
    description(tmp_path, lambda stored: stored.update(format=2))
    with pytest.raises(InputError, match="has format 2 and this version reads 1: update lightning_gen"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="describes no model"):
        load(tmp_path)
    with pytest.raises(InputError, match="describes no model"):
        load(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged or no file of safetensors"):
        load(tmp_path)


@pytest.mark.filterwarnings("ignore:not kept in checkpoints")
def test_what_cannot_be_described_is_given_again(tmp_path):
    score = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))
    from lightning_gen.objectives import NonSaturating

    module = GANModule(DenseGenerator((1, 8, 8), 4, (8,)), score, NonSaturating())
    save_folder(module, tmp_path)
    with pytest.raises(InputError, match="does not hold 'discriminator'"):
        load(tmp_path)
    found = load(tmp_path, discriminator=DenseDiscriminator((1, 8, 8), (8,)))
    assert torch.equal(draws(found), draws(module))


def test_codebooks_come_back(tmp_path):
    from lightning_gen import AutoencoderModule
    from lightning_gen.networks import DenseDecoder, DenseEncoder
    from lightning_gen.objectives import BernoulliLikelihood

    parts = DenseEncoder((1, 8, 8), 4, (8,)), DenseDecoder((1, 8, 8), 4, (8,)), VectorQuantizer(4, 8)
    module = AutoencoderModule(*parts, {"reconstruction": BernoulliLikelihood()})
    save_folder(module, tmp_path)
    x = torch.rand(9, 1, 8, 8) * 2 - 1
    with torch.no_grad():
        assert torch.equal(load(tmp_path).reconstruct(x), module.reconstruct(x))
