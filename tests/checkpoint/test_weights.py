"""Weights under the names of another module: compiled, partial, of other arguments."""

import pytest
import torch
import yaml
from torch import nn

from lightning_gen import GANModule
from lightning_gen.checkpoint import fit, named_as
from lightning_gen.errors import InputError


@pytest.fixture
def saved(gan, trainer, tmp_path):
    """A GAN, and its checkpoint after no training."""

    def save(module=None):
        module = module or gan()
        run = trainer(max_steps=0)
        run.fit(module, torch.utils.data.DataLoader(torch.zeros(8, 1, 8, 8), batch_size=4))
        run.save_checkpoint(tmp_path / "gan.ckpt")
        return module, tmp_path / "gan.ckpt"

    return save


def changed(path, change):
    """Apply a change to the weights in a checkpoint."""
    content = torch.load(path, weights_only=True)
    content["state_dict"] = change(content["state_dict"])
    torch.save(content, path)


def without_generator(weights):
    return {name: each for name, each in weights.items() if not name.startswith("generator.")}


def test_partial_weights_are_read_where_it_is_allowed(saved):
    module, path = saved()
    changed(path, lambda weights: without_generator(weights) | {"of_another": torch.zeros(3)})
    for strict in (True, None):
        with pytest.raises(InputError, match=r"do not fit this GANModule: generator\..* \(missing, here"):
            GANModule.load_from_checkpoint(path, strict=strict)
    loaded = GANModule.load_from_checkpoint(path, strict=False)
    ours, theirs = loaded.state_dict(), module.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in without_generator(theirs))
    changed(path, lambda weights: {name: each[..., :1] for name, each in weights.items()})
    with pytest.raises(InputError, match=r"\(\d+ x 1, here \d+ x \d+\)"):
        GANModule.load_from_checkpoint(path, strict=False)


@pytest.mark.parametrize("written_compiled", [True, False])
def test_compiled_and_plain_networks_read_each_others_weights(gan, saved, written_compiled):
    compiled = gan()
    compiled.generator = torch.compile(compiled.generator, backend="eager")
    module, path = saved(compiled if written_compiled else gan())
    given = {} if written_compiled else {"generator": torch.compile(gan().generator, backend="eager")}
    loaded = GANModule.load_from_checkpoint(path, **given)
    ours = named_as(module, loaded.state_dict())
    assert ours.keys() == module.state_dict().keys()
    assert all(torch.equal(ours[name], each) for name, each in module.state_dict().items())


def test_arguments_in_a_file_win_over_those_in_the_checkpoint(saved, tmp_path):
    _, path = saved()
    for content in ({"discriminator_updates": 3}, {"model": {"init_args": {"discriminator_updates": 3}}}):
        (tmp_path / "config.yaml").write_text(yaml.dump(content))
        loaded = GANModule.load_from_checkpoint(path, hparams_file=tmp_path / "config.yaml", weights_only=True)
        assert loaded.discriminator_updates == 3
        both = GANModule.load_from_checkpoint(path, hparams_file=tmp_path / "config.yaml", discriminator_updates=2)
        assert both.discriminator_updates == 2


def test_weights_come_to_the_device_that_is_named(saved):
    module, path = saved()
    for place in ("cpu", torch.device("cpu")):
        loaded = GANModule.load_from_checkpoint(path, map_location=place)
        assert all(torch.equal(each, module.state_dict()[name]) for name, each in loaded.state_dict().items())


@pytest.mark.parametrize("text", ["[1, 2]", "{", "model: 3"])
def test_a_file_without_arguments(saved, tmp_path, text):
    _, path = saved()
    (tmp_path / "wrong.yaml").write_text(text)
    with pytest.raises(InputError, match=r"wrong.yaml .*: give the config.yaml of a run"):
        GANModule.load_from_checkpoint(path, hparams_file=tmp_path / "wrong.yaml")


def test_every_tensor_is_counted_once():
    module, other = nn.Linear(3, 2), {"weight": torch.zeros(2, 4), "more": torch.zeros(1)}
    found = fit(module, other)
    assert (found.taken, found.missing, found.left) == ({}, ["bias"], ["more"])
    assert found.other_shapes == ["weight (2 x 4, here 2 x 3)"]
