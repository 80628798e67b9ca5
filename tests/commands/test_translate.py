"""The command ``translate``: every picture at its own size, and tiles that equal the whole."""

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen import InputError, TranslationModule
from lightning_gen.applications.tiling import Tiles
from lightning_gen.augmentations import Downsampling, GaussianNoise
from lightning_gen.commands.embed import embed
from lightning_gen.commands.translate import translate
from lightning_gen.data import Digits
from lightning_gen.evaluation import assess
from lightning_gen.modules.padding import translated
from lightning_gen.networks import SRResNet, Translator, UNet
from lightning_gen.objectives import AbsoluteError

SHAPE = (1, 16, 16)


class Same(Translator):
    """Returns its sources."""

    multiple_of = 1

    def __init__(self):
        super().__init__(SHAPE)
        self.gain = torch.nn.Parameter(torch.ones(1))

    def translate(self, x):
        return x * self.gain


def module_of(network, degradation=None):
    return TranslationModule(network, {"l1": AbsoluteError()}, degradation=degradation or GaussianNoise(0.1))


@pytest.fixture
def saved(trainer, tmp_path):
    def save(network):
        once = trainer(max_steps=1, limit_val_batches=0)
        once.fit(module_of(network), Digits(size=16))
        once.save_checkpoint(tmp_path / "model.ckpt")
        return str(tmp_path / "model.ckpt")

    return save


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (40, 23)), ("a.jpg", (9, 50)), ("sub/tiny.png", (3, 3)), ("one.png", (1, 1))):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(tmp_path / "in" / name)
    return tmp_path / "in"


def read(folder):
    return {f.relative_to(folder).as_posix(): np.asarray(Image.open(f)) for f in folder.rglob("*.png")}


def test_each_picture_keeps_its_size_and_its_name(saved, pictures, tmp_path):
    translate(saved(UNet(SHAPE, width=4)), [str(pictures)], out=str(tmp_path / "out"))
    found = {name: x.shape for name, x in read(tmp_path / "out").items()}
    assert found == {"a.png": (40, 23), "a.jpg.png": (9, 50), "sub/tiny.png": (3, 3), "one.png": (1, 1)}


def test_a_picture_is_translated_as_if_it_were_alone(saved, pictures, tmp_path):
    path = saved(UNet(SHAPE, width=4))
    translate(path, [str(pictures)], out=str(tmp_path / "all"))
    translate(path, [str(pictures / "a.png")], out=str(tmp_path / "alone"))
    assert np.array_equal(read(tmp_path / "all")["a.png"], read(tmp_path / "alone")["a.png"])


def test_draws_differ_and_follow_from_the_seed(saved, pictures, tmp_path):
    path = saved(UNet(SHAPE, width=4))
    for out in ("x", "y"):
        translate(path, [str(pictures / "a.png")], out=str(tmp_path / out), draws=2)
    x, y = read(tmp_path / "x"), read(tmp_path / "y")
    assert sorted(x) == ["a_1.png", "a_2.png"]
    assert not np.array_equal(x["a_1.png"], x["a_2.png"])
    assert all(np.array_equal(x[name], y[name]) for name in x)


def test_draws_need_dropout(saved, pictures, tmp_path):
    with pytest.raises(InputError, match="leave out --draws"):
        translate(saved(UNet(SHAPE, width=4, dropout=0.0)), [str(pictures)], out=str(tmp_path / "o"), draws=2)


@pytest.mark.parametrize("tile", [1, 5, 16, 100])
def test_tiles_equal_the_whole_where_the_radius_is_known(tile):
    network = SRResNet((1, 8, 8), width=4, blocks=1).eval()
    x = torch.rand(2, 1, 19, 33) * 2 - 1
    with torch.no_grad():
        whole = translated(network, x)
        parts = Tiles(network, tile).translate(lambda part: translated(network, part), x)
    assert torch.allclose(whole, parts, rtol=0, atol=1e-5)


@pytest.mark.parametrize("tile", [7, 40])
def test_blended_tiles_of_the_identity_are_the_identity(tile):
    network = Same()
    x = torch.rand(1, 1, 150, 91)
    assert torch.allclose(Tiles(network, tile).translate(network.translate, x), x, atol=1e-6)


def test_another_command_names_translate(saved):
    with pytest.raises(InputError, match="use the command translate"):
        embed(saved(UNet(SHAPE, width=4)), ["test"])


def test_the_identity_scores_as_its_copied_source_does():
    report = assess(module_of(Same()).eval(), Digits(size=16))
    found = {each.name: each.value for each in report.measurements}
    for name in ("mae", "psnr_db", "ssim", "sliced_wasserstein"):
        assert found[name] == pytest.approx(found[f"copy_{name}"], rel=1e-4)


def test_the_mean_target_has_the_variance_around_the_training_mean():
    data = Digits(size=16)
    found = {each.name: each.value for each in assess(module_of(Same()).eval(), data).measurements}
    train, test = (split[:].x.double() / 255 for split in (data.train_set, data.test_set))
    assert found["mean_mse"] == pytest.approx(float((test - train.mean(0)).square().mean()), rel=1e-5)


def test_super_resolution_is_compared_with_a_bicubic_source():
    module = module_of(SRResNet((1, 4, 4), width=4, blocks=1), Downsampling()).eval()
    found = {each.name for each in assess(module, Digits(size=16)).measurements}
    assert {"mae", "copy_mae", "copy_psnr_db"} <= found


def test_a_network_that_changes_nothing_gives_every_level_back(saved, tmp_path):
    """Rounded, not cut off; and 16 bits by the range of their type, however dark the picture is."""
    folder = tmp_path / "in"
    folder.mkdir()
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    dark = np.arange(0, 512, 2, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(levels).save(folder / "levels.png")
    Image.fromarray(dark).save(folder / "dark.png")
    translate(saved(Same()), [str(folder)], out=str(tmp_path / "out"))
    found = read(tmp_path / "out")
    assert np.array_equal(found["levels.png"], levels)
    assert np.array_equal(found["dark.png"], np.round(dark / 257).astype(np.uint8))


def test_pictures_much_larger_than_those_of_training_are_told_of(saved, tmp_path, capsys):
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / "large.png")
    translate(saved(UNet(SHAPE, width=4)), [str(tmp_path / "large.png")], out=str(tmp_path / "out"))
    assert "1 of 1 pictures are more than 2 times as large as those of training, 16 x 16" in capsys.readouterr().err


def test_super_resolution_takes_any_size(trainer, tmp_path, capsys):
    once = trainer(max_steps=1, limit_val_batches=0)
    once.fit(module_of(SRResNet((1, 4, 4), width=4, blocks=1), Downsampling()), Digits(size=16))
    once.save_checkpoint(tmp_path / "model.ckpt")
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / "large.png")
    translate(str(tmp_path / "model.ckpt"), [str(tmp_path / "large.png")], out=str(tmp_path / "out"))
    assert "as large as" not in capsys.readouterr().err
    assert read(tmp_path / "out")["large.png"].shape == (160, 200)
