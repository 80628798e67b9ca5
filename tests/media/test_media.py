"""What a sample is: guessed at one place, said by data, kept in checkpoints."""

from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from lightning_gen import GANModule, GenerativeModule
from lightning_gen import checkpoint as checkpoints
from lightning_gen.data import Digits, ImageFolder, Ring
from lightning_gen.errors import InputError
from lightning_gen.media import Images, Medium, Points, Series, Sound, Volumes, medium_of, preview
from lightning_gen.media.descriptions import described, rebuilt
from lightning_gen.networks import DenseDiscriminator, DenseGenerator
from lightning_gen.objectives import NonSaturating

MEDIA = (Images(), Points())


@dataclass(frozen=True)
class Levels(Points):
    """Whole numbers from 0 to `highest`, which models see in [0, 1]."""

    highest: int = 15

    def to_model(self, stored, dtype=torch.float32):
        return stored.to(dtype) if stored.is_floating_point() else stored.to(dtype) / self.highest

    def to_stored(self, x):
        return (x.detach().cpu() * self.highest).round().clamp(0, self.highest).to(torch.int16)


class Told(Digits):
    """Digits that say another medium."""

    @property
    def medium(self):
        return Levels(255)


@pytest.mark.parametrize(("shape", "medium"), [((1, 8, 8), Images()), ((5,), Points())])
def test_a_shape_tells_images_and_points(shape, medium):
    assert medium_of(shape) == medium
    samples = torch.rand(7, *shape)
    assert torch.equal(preview(samples), medium.preview(samples))


@pytest.mark.parametrize("shape", [(), (2, 4096), (1, 8, 8, 8)])
def test_other_shapes_tell_nothing(shape):
    with pytest.raises(InputError, match=r"do not show what they are: .* module.medium = Points\(\).* has Images"):
        medium_of(shape)


@pytest.mark.parametrize(("medium", "bits"), [(Images(), 8), (Sound(8000), 16), (Volumes(), 8)], ids=repr)
def test_values_are_rounded_to_as_many_bits_as_a_protocol_says(medium, bits):
    x = torch.linspace(-1, 1, 2**18)[None, None]
    levels = medium.to_model(medium.to_stored(x)).unique()
    assert len(levels) == 2**bits
    assert medium.rounding == f"rounded to {bits} bits"


def test_values_that_files_keep_are_as_they_are():
    medium, x = Series(("a",), (0.0,), (1.0,)), torch.randn(5, 1, 8)
    assert torch.equal(medium.to_model(medium.to_stored(x)), x)
    assert medium.rounding == "as they are"


@pytest.mark.parametrize("medium", [*MEDIA, Levels(7)], ids=repr)
def test_a_medium_is_plain_data(medium):
    assert isinstance(medium, Medium)
    kept = described(medium)
    assert kept.keys() == {"class_path", "init_args"}
    assert rebuilt(kept) == medium
    assert rebuilt(described(None)) is None


def test_a_medium_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Levels(7).highest = 3


@pytest.mark.parametrize("medium", MEDIA, ids=repr)
def test_a_medium_knows_its_files(medium):
    assert all(medium.kind_of(Path(f"samples{ending}")).ending == ending for ending in medium.endings)
    assert medium.kind_of(Path("folder")) == medium.single
    assert medium.kind_of(Path("samples.jpg")) is None


def test_data_say_what_they_are(tmp_path):
    assert (Digits().medium, Digits().classes) == (Images(), tuple("0123456789"))
    assert (Ring().medium, Ring().classes) == (Points(), None)
    for name in ("dog", "cat"):
        (tmp_path / name).mkdir()
        Images().write(torch.zeros(1, 3, 8, 8), tmp_path / name)
    assert ImageFolder(str(tmp_path), size=8).classes == ("cat", "dog")
    assert torch.equal(Told(size=8).scaled(torch.tensor([[0, 255]])).x, torch.tensor([[0.0, 1.0]]))
    data = Digits(size=8)
    data.medium = Levels(3)
    assert data.medium == Levels(3)


def gan(shape):
    return GANModule(DenseGenerator(shape, 4, (8,)), DenseDiscriminator(shape, (8,)), NonSaturating())


def saved(trainer, module, data, path):
    fitted = trainer(max_steps=2)
    fitted.fit(module, data)
    fitted.save_checkpoint(path)
    return GenerativeModule.load_from_checkpoint(path)


def test_a_medium_and_the_names_of_classes_survive_a_checkpoint(trainer, tmp_path):
    loaded = saved(trainer, gan((1, 8, 8)), Digits(size=8, batch_size=16), tmp_path / "a.ckpt")
    assert (loaded.medium, loaded.class_names) == (Images(), tuple("0123456789"))
    loaded = saved(trainer, gan((1, 8, 8)), Told(size=8, batch_size=16), tmp_path / "b.ckpt")
    assert loaded.medium == Levels(255)
    content = torch.load(tmp_path / "b.ckpt", weights_only=True)["lightning_gen"]
    assert content["medium"]["init_args"] == {"highest": 255}


class Pets(TensorDataset):
    """As torchvision's datasets say their classes."""

    classes = ("cat", "dog")


def pets():
    return Pets(torch.rand(32, 1, 8, 8) * 2 - 1, torch.arange(32) % 2)


@pytest.mark.parametrize("dataset", [pets(), Subset(pets(), range(16)), Subset(Subset(pets(), range(20)), range(16))])
def test_the_names_of_classes_are_those_of_the_dataset_of_a_plain_loader(trainer, tmp_path, dataset):
    loaded = saved(trainer, gan((1, 8, 8)), DataLoader(dataset, 16), tmp_path / "a.ckpt")
    assert loaded.class_names == ("cat", "dog")


def test_a_dataset_without_names_leaves_those_of_an_earlier_training(trainer):
    module, plain = gan((1, 8, 8)), TensorDataset(torch.rand(32, 1, 8, 8) * 2 - 1)
    for dataset, names in ((plain, None), (pets(), ("cat", "dog")), (plain, ("cat", "dog"))):
        trainer(max_steps=2).fit(module, DataLoader(dataset, 16))
        assert module.class_names == names


def test_checkpoints_of_version_0_1_say_nothing_and_the_shape_is_asked(trainer, tmp_path):
    saved(trainer, gan((1, 8, 8)), Digits(size=8, batch_size=16), tmp_path / "a.ckpt")
    content = torch.load(tmp_path / "a.ckpt", weights_only=True)
    for key in ("medium", "classes"):
        content["lightning_gen"].pop(key)
    torch.save(content, tmp_path / "old.ckpt")
    loaded = GenerativeModule.load_from_checkpoint(tmp_path / "old.ckpt")
    assert (loaded.medium, loaded.class_names) == (Images(), None)


def test_signals_of_a_plain_loader_need_a_medium(trainer, tmp_path):
    loader = DataLoader(torch.rand(32, 2, 16), batch_size=16)
    with pytest.raises(InputError, match="do not show what they are"):
        trainer(max_steps=2).fit(gan((2, 16)), loader)
    module = gan((2, 16))
    module.medium = Points()
    assert saved(trainer, module, loader, tmp_path / "a.ckpt").medium == Points()


def test_a_medium_that_no_checkpoint_could_keep_is_refused_at_the_start(trainer):
    @dataclass(frozen=True)
    class Local(Points):
        call: object = print

    data = Digits(size=8, batch_size=16)
    data.medium = Local()
    with pytest.raises(InputError, match="the medium of the data cannot be stored in checkpoints"):
        trainer(max_steps=2).fit(gan((1, 8, 8)), data)


def test_a_medium_of_another_kind_in_a_checkpoint_is_refused():
    with pytest.raises(InputError, match="is not an imported Medium"):
        rebuilt({"class_path": "torch.nn.Linear", "init_args": {}})


def test_a_record_is_its_fields_and_a_medium_is_named():
    @dataclass
    class Record:
        medium: Medium
        size: int

    assert checkpoints.describe(Record(Images(), 3)) == {
        "medium": {"class_path": "lightning_gen.media.Images", "init_args": {}},
        "size": 3,
    }
