"""What modules say that they can do, and what is refused by default."""

from types import SimpleNamespace

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.data import Digits, Ring, Sprites, StackedDigits


def test_what_each_module_can_do(gan, autoencoder):
    assert (gan().monitor, gan().reconstructs, gan().sample_options) == (
        "val/sliced_wasserstein",
        False,
        {"truncation"},
    )
    coder = autoencoder(variational=True)
    assert (coder.monitor, coder.reconstructs, coder.sample_options) == ("val/loss", True, {"sampler"})


@pytest.mark.parametrize(("kind", "arguments"), [("gan", {"truncation": 1.0}), ("autoencoder", {"sampler": None})])
def test_options_of_sampling_are_arguments_of_sample(request, kind, arguments):
    module = request.getfixturevalue(kind)(**({"variational": True} if kind == "autoencoder" else {}))
    assert arguments.keys() == module.sample_options
    assert len(module.sample(2, generator=torch.Generator().manual_seed(0), **arguments)) == 2


def test_an_autoencoder_is_not_recalibrated(autoencoder):
    module = autoencoder(variational=True)
    assert not module.recalibrates
    with pytest.raises(InputError, match="does not recalibrate"):
        module.recalibrate()


def test_what_networks_trained_in_phases_refuse_of_a_trainer(gan, autoencoder):
    plain, clipped = (SimpleNamespace(gradient_clip_val=clip, accumulate_grad_batches=1) for clip in (None, 1.0))
    gan().check_trainer(plain)
    autoencoder().check_trainer(clipped)
    with pytest.raises(InputError, match="clipped on its own"):
        gan().check_trainer(clipped)
    with pytest.raises(InputError, match="splitting each batch"):
        gan().check_trainer(SimpleNamespace(gradient_clip_val=None, accumulate_grad_batches=2))


def test_previews_of_an_autoencoder_show_each_sample_beside_its_reconstruction(autoencoder):
    data, module = Digits(8), autoencoder(variational=True).eval()
    data.setup()
    batch = data.scaled(data.val_set.__getitems__([0, 1]))
    found = module.previews(batch, 4, 0)
    assert list(found) == ["samples", "reconstructions"]
    shown = found["reconstructions"]
    assert (shown.samples.shape, shown.columns) == ((4, 1, 8, 8), 8)
    assert torch.equal(shown.samples[::2], batch.x)
    assert torch.equal(shown.samples[1::2], module.reconstruct(batch).detach())


def test_data_say_what_is_known_of_them():
    known = [
        (each.known_factors, each.mixture, each.singles) for each in (Digits(8), Ring(), Sprites(), StackedDigits())
    ]
    assert [[part is not None for part in parts] for parts in known] == [
        [False, False, False],
        [False, True, False],
        [True, False, False],
        [False, False, True],
    ]
