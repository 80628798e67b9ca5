"""Networks of one's own at the command line, and weights to start from."""

import sys

import pytest
import torch

from lightning_gen import GANModule
from lightning_gen.cli import main

PARTS = '''
import math

from torch import nn


class Net(nn.Module):
    """No base of the library, no annotation, no argument kept."""

    def __init__(self, shape, latent_dim=6, width=7):
        super().__init__()
        self.latent_dim = latent_dim
        self.layers = nn.Sequential(nn.Linear(latent_dim, width), nn.Linear(width, math.prod(shape)), nn.Tanh())
        self.layers.append(nn.Unflatten(1, tuple(shape)))

    def forward(self, z):
        return self.layers(z)


class Score(nn.Module):
    def __init__(self, width: int = 5):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x):
        return self.layers(x)
'''
SHORT = ("--max_images=64", "--trainer.enable_progress_bar=false", "--sample_every_images=null")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "plain_parts.py").write_text(PARTS)
    yield tmp_path
    sys.modules.pop("plain_parts", None)


OWN = ("--config=gan/dense", "--model.generator=plain_parts.Net", "--model.discriminator=plain_parts.Score")


def test_plain_modules_train_are_sampled_from_and_resumed(here):
    main(["fit", *OWN, "--model.generator.width=9", "--name=own", *SHORT])
    checkpoint = "runs/own/checkpoints/last.ckpt"
    sys.modules.pop("plain_parts")
    main(["sample", checkpoint, "--import=plain_parts", "--n=4", "--out=samples.png"])
    module = GANModule.load_from_checkpoint(checkpoint)
    assert module.generator.network.layers[0].out_features == 9
    main(["fit", "--name=own", "--ckpt_path=last", "--import=plain_parts", "--max_images=128", *SHORT[1:]])
    assert GANModule.load_from_checkpoint(checkpoint).images_seen == 128
    main(["fit", "--config=runs/own/config.yaml", "--import=plain_parts", "--name=again", *SHORT])


def small(width):
    return (*OWN, f"--model.generator.width={width}", f"--name=w{width}", *SHORT)


def test_weights_to_start_from(here, capsys):
    main(["fit", *small(7)])
    start = "runs/w7/checkpoints/last.ckpt"
    stop = "--model.discriminator_optimizer.lr=0", "--model.generator_optimizer.lr=0"
    capsys.readouterr()
    main(["fit", *small(8), *stop, f"--init_from={start}"])
    said = capsys.readouterr().err
    assert f"start as in {start}; of another shape: generator.network.layers.0.weight (7 x 64, here 8 x 64)" in said
    theirs, ours = (
        GANModule.load_from_checkpoint(f"runs/{name}/checkpoints/last.ckpt").state_dict() for name in ("w7", "w8")
    )
    alike = [name for name in ours if torch.equal(ours[name], theirs[name]) and ours[name].numel() > 1]
    assert any(name.startswith("discriminator.") for name in alike)
    assert any(name.startswith("generator.") for name in alike)


def test_the_average_starts_from_weights_without_one(here, capsys):
    main(["fit", *small(7)])
    weights = GANModule.load_from_checkpoint("runs/w7/checkpoints/last.ckpt").state_dict()
    torch.save({name: each for name, each in weights.items() if name.startswith("generator.")}, "plain.pt")
    stop = "--model.discriminator_optimizer.lr=0", "--model.generator_optimizer.lr=0"
    main(["fit", *small(7), "--name=next", *stop, "--init_from=plain.pt"])
    assert "missing there: discriminator.network" in capsys.readouterr().err
    ours = GANModule.load_from_checkpoint("runs/next/checkpoints/last.ckpt").state_dict()
    assert torch.equal(ours["generator_ema.network.layers.0.weight"], weights["generator.network.layers.0.weight"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            {"a.weight": torch.zeros(2)},
            "has no weights of this GANModule: its names begin with a, those",
        ),
        ({"a.weight": torch.zeros(2)}, "generator, discriminator, generator_ema: give weights of such a model"),
        ({"state_dict": {}}, "holds no weights: give a checkpoint, or a file"),
        ([torch.zeros(2)], "holds no weights: give a checkpoint, or a file"),
        (None, "other.pt does not exist"),
    ],
)
def test_weights_of_something_else(here, capsys, content, sentence):
    if content is not None:
        torch.save(content, "other.pt")
    with pytest.raises(SystemExit) as left:
        main(["fit", *OWN, "--name=no", *SHORT, "--init_from=other.pt"])
    assert left.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_plain_generator_says_how_wide_its_latents_are(here, capsys):
    (here / "plain_parts.py").write_text(PARTS.replace("self.latent_dim = ", "_ = "))
    with pytest.raises(SystemExit):
        main(["fit", *OWN, "--name=no", *SHORT])
    assert "the generator is a Net, which does not say how wide its latents are" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--model.generator=plain_parts.Nope"],
            "there is no class 'plain_parts.Nope': the classes are DCGANGen",
        ),
        (
            ["--model.generator=plain_parts.Nett"],
            "there is no class 'plain_parts.Nett'; did you mean 'plain_parts.Net'?",
        ),
        (["--model.generator=no_parts.Net"], "there is no class 'no_parts.Net': the classes are DCGANGenerator, Dense"),
        (["--model.generator=plain_parts.math"], "there is no class 'plain_parts.math': the classes are DCGANG"),
        (["--model.generator=DCGANDiscriminator"], "there is no class 'DCGANDiscriminator': the classes are DCGANG"),
        (["--model.discriminator=torchvision.models.resnet18"], "the function torchvision.models.resnet18 cannot take"),
        (["--model.generator=plain_parts.Needy"], "Needy needs 'more', which was not given"),
    ],
)
def test_what_is_no_class_for_a_network(here, capsys, words, sentence):
    with (here / "plain_parts.py").open("a") as file:
        file.write(
            "\n\nclass Needy(Net):\n    def __init__(self, shape, more, latent_dim=3):\n        raise KeyError(more)\n"
        )
    with pytest.raises(SystemExit) as left:
        main(["fit", "--config=gan/dense", *words, "--name=no", *SHORT])
    assert left.value.code == 2
    assert sentence in capsys.readouterr().err


def test_an_error_in_a_constructor_is_the_users_own(here):
    (here / "plain_parts.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        1 / 0\n"
    )
    with pytest.raises(ZeroDivisionError) as raised:
        main(["fit", "--config=gan/dense", "--model.generator=plain_parts.Net", "--name=no", *SHORT])
    assert raised.traceback[-1].path.name == "plain_parts.py"
