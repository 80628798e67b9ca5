"""Samples of all classes in sub-folders: read back by torchvision and by the library, whole or not at all."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import datasets

from lightning_gen import GANModule, InputError
from lightning_gen.applications import Trained, read_inputs, write_class_folders
from lightning_gen.cli import main
from lightning_gen.data import ImageFolder
from lightning_gen.media.images import to_uint8
from lightning_gen.networks import Concatenation, DenseDiscriminator, Generator
from lightning_gen.objectives import NonSaturating
from lightning_gen.training.sharding import NumberedSamples

NAMES = ("T-shirt/top", "ankle boot", "bag")


class Levels(Generator):
    """Draws images whose grey level tells the class, with a little noise of the latent."""

    def __init__(self, known=3, fails=False):
        super().__init__((1, 8, 8), 1)
        self.known, self.fails = known, fails
        self.weight = nn.Parameter(torch.zeros(1))
        self.asked = []

    @property
    def num_classes(self):
        return self.known

    def draw(self, latent, labels):
        self.asked.append(len(latent))
        grey = -0.8 + 0.5 * labels.view(-1, 1, 1, 1) + 0.02 * latent.view(-1, 1, 1, 1).clamp(-1, 1) + self.weight
        wrong = self.fails and len(self.asked) > 1
        return (grey / 0 if wrong else grey).expand(-1, *self.shape)


def drawing(known=3, names=NAMES, **options):
    discriminator = DenseDiscriminator((1, 8, 8), (4,), conditioning=Concatenation(known))
    module = GANModule(Levels(known, **options), discriminator, NonSaturating())
    module.class_names = names
    return module


def level(path):
    """The class of a picture by its grey level."""
    with Image.open(path) as image:
        return round(((np.asarray(image).mean() / 127.5 - 1) + 0.8) / 0.5)


def test_torchvision_reads_the_classes(tmp_path):
    folders = write_class_folders(drawing(), 70, tmp_path / "new" / "samples")
    assert folders == ("T-shirt_top", "ankle boot", "bag")
    found = datasets.ImageFolder(str(tmp_path / "new" / "samples"))
    assert (found.classes, len(found)) == (sorted(folders), 210)
    for path, label in found.samples:
        assert level(path) == folders.index(found.classes[label])
    names = sorted(path.name for path in (tmp_path / "new" / "samples" / "bag").iterdir())
    assert names == [f"{index:06d}.png" for index in range(70)]


def test_the_library_trains_on_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_class_folders(drawing(), 8, tmp_path / "samples")
    data = ImageFolder("samples", size=8, channels=1)
    data.setup()
    assert data.classes == ("T-shirt_top", "ankle boot", "bag")
    grey = data.scaled(data.train_set[:]).x.mean((1, 2, 3))
    assert torch.equal(((grey + 0.8) / 0.5).round().long(), data.train_set[:].labels)
    words = "fit --config gan/cgan --data ImageFolder --data.folder samples --data.size 8 --data.channels 1"
    small = "--model.generator.width 2 --model.discriminator.width 2 --data.batch_size 8 --max_images 8"
    main([*words.split(), *small.split(), "--trainer.logger", "false", "--name", "again"])
    again = Trained.open("runs/again")
    assert (again.module.num_classes, again.module.class_names) == (3, data.classes)


def test_commands_know_the_classes_by_the_names_of_the_folders(tmp_path):
    module = drawing()
    write_class_folders(module, 4, tmp_path / "samples")
    inputs = read_inputs(Trained(module, "model.ckpt", {}, torch.device("cpu")), str(tmp_path / "samples"))
    inputs.require_labels()
    assert inputs.classes == NAMES
    assert [NAMES[label] for label in inputs.labels] == [
        {"T-shirt_top": "T-shirt/top"}.get(name.split("/")[0], name.split("/")[0]) for name in inputs.names
    ]


def test_batches_are_drawn_and_written_one_after_another(tmp_path, monkeypatch):
    module, drawn, written = drawing(), [], []
    batch = NumberedSamples.batch

    def noted(samples, index):
        x = batch(samples, index)
        written.append(len(list(tmp_path.rglob("*.png"))))
        drawn.append(len(x))
        return x

    monkeypatch.setattr(NumberedSamples, "batch", noted)
    write_class_folders(module, 100, tmp_path / "samples")
    assert max(module.sampler.asked) == max(drawn) == 64
    assert sum(drawn) == 300
    assert written == [0, 64, 128, 192, 256], "each batch is in files before the next one is drawn"


def test_the_seed_alone_decides_and_classes_share_no_latents(tmp_path):
    module = drawing(names=None)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        torch.rand(5)
        write_class_folders(module, 40, tmp_path / name, seed)
    a, b, c = (
        np.stack([np.asarray(Image.open(path)) for path in sorted((tmp_path / name).rglob("*.png"))]) for name in "abc"
    )
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    labels = torch.arange(3).repeat_interleave(40)
    expected = torch.cat(list(NumberedSamples(module.sample, 120, 3, labels)))
    assert np.array_equal(a, to_uint8(expected)[:, 0].numpy())
    noise = a[:, 0, 0].reshape(3, 40) - a[:, 0, 0].reshape(3, 40).min(1, keepdims=True)
    assert not np.array_equal(noise[0], noise[1])


def test_only_classes_that_the_data_had_are_drawn(tmp_path):
    """Networks may know more classes than there were; what they draw of others has never been trained."""
    assert write_class_folders(drawing(known=5), 1, tmp_path / "samples") == ("T-shirt_top", "ankle boot", "bag")
    assert len(write_class_folders(drawing(known=5, names=None), 1, tmp_path / "all")) == 5


@pytest.mark.parametrize("existing", [False, True])
def test_a_folder_is_whole_or_not_there(tmp_path, existing):
    if existing:
        (tmp_path / "samples").mkdir()
    with pytest.raises(InputError, match="some samples are not finite"):
        write_class_folders(drawing(fails=True), 100, tmp_path / "samples")
    assert [path.name for path in tmp_path.iterdir()] == (["samples"] if existing else [])
    assert not existing or not any((tmp_path / "samples").iterdir())
    write_class_folders(drawing(), 2, tmp_path / "samples")
    assert len(list(tmp_path.rglob("*.png"))) == 6


def test_ctrl_c_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(samples, index):
        raise KeyboardInterrupt

    monkeypatch.setattr(NumberedSamples, "batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_class_folders(drawing(), 2, tmp_path / "samples")
    assert not list(tmp_path.iterdir())
