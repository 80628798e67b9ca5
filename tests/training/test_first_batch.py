"""Ranges, types and labels through a DataLoader of one's own: cast where they are clear, said where they are not."""

import warnings

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.modules import GANModule
from lightning_gen.networks import Concatenation, DenseDiscriminator, DenseGenerator
from lightning_gen.objectives import GaussianLikelihood, NonSaturating
from lightning_gen.records import Batch

SHAPE = (1, 8, 8)
PIXELS = torch.randint(0, 256, (64, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
PIXELS[::16, 0, 0, 0], PIXELS[1::16, 0, 0, 0] = 0, 255
SCALED = Batch.of(PIXELS).x
LABELS = torch.arange(64) % 10


def conditional():
    generator = DenseGenerator(SHAPE, 4, (8,), conditioning=Concatenation(10))
    return GANModule(
        generator, DenseDiscriminator(SHAPE, (8,), conditioning=Concatenation(10)), NonSaturating(), ema=None
    )


def trained(module, trainer, *tensors, **options):
    """The weights after two batches."""
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(*tensors), batch_size=16)
    trainer(max_steps=4, **options).fit(module, loader)
    return module.state_dict()


@pytest.fixture(params=["gan", "autoencoder"])
def build(request, gan, autoencoder):
    def make():
        torch.manual_seed(1)
        return gan() if request.param == "gan" else autoencoder()

    return make


@pytest.mark.parametrize(
    "x", [PIXELS, SCALED.double(), SCALED.half(), SCALED.bfloat16()], ids=("uint8", "float64", "float16", "bfloat16")
)
def test_what_is_clear_is_cast(build, trainer, x):
    expected = trained(build(), trainer, SCALED if x.dtype == torch.uint8 else x.float())
    torch.testing.assert_close(trained(build(), trainer, x), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    "x",
    [PIXELS.bool(), PIXELS.int(), PIXELS.long(), PIXELS.to(torch.int8), SCALED.to(torch.complex64)],
    ids=lambda x: str(x.dtype),
)
def test_samples_of_other_types_are_refused(build, trainer, x):
    with pytest.raises(InputError, match=r"samples of type \w+ are not understood: give images as uint8"):
        trained(build(), trainer, x)


def fits(trainer, module, good, bad):
    trainer(max_epochs=1).fit(module, bad, good)


def validates(trainer, module, good, bad):
    trainer(max_epochs=1).fit(module, good, bad)


def judges(trainer, module, good, bad):
    trainer().test(module, bad, verbose=False)


@pytest.mark.parametrize(("run", "split"), [(fits, "training"), (validates, "validation"), (judges, "test")])
def test_pictures_of_0_to_255_are_refused_in_each_split(build, trainer, run, split):
    good, bad = DataLoader(SCALED, batch_size=16), DataLoader(PIXELS.float(), batch_size=16)
    with pytest.raises(InputError, match=rf"\[-1, 1\] and batch 0 of the {split} data goes from 0 to 255: give them"):
        run(trainer, build(), good, bad)


def test_overshooting_pictures_of_a_gan_are_refused_and_points_are_not(gan, trainer):
    with pytest.raises(InputError, match=r"GANModule is for images .* or clip the result of a resizing filter"):
        trained(gan(), trainer, SCALED * 1.1)
    points = GANModule(DenseGenerator((2,), 4, (8,)), DenseDiscriminator((2,), (8,)), NonSaturating())
    trained(points, trainer, torch.randn(64, 2) * 100)


def test_pictures_without_a_dark_pixel_are_warned_of(build, trainer):
    with pytest.warns(UserWarning, match=r"no pixel of the first batch is below 0: if yours are in \[0, 1\]"):
        trained(build(), trainer, (SCALED + 1) / 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*no pixel of the first batch.*")
        trained(build(), trainer, SCALED)
        trained(build(), trainer, PIXELS)


def test_a_likelihood_of_any_numbers_is_warned_of_bytes(autoencoder, trainer):
    with pytest.warns(UserWarning, match="no pixel of the first batch is below 0"):
        trained(autoencoder(objective={"reconstruction": GaussianLikelihood()}), trainer, PIXELS.float())


def test_samples_of_another_shape_are_refused(build, trainer):
    with pytest.raises(InputError, match=r"holds samples of shape \(1, 6, 8\) and the model is of shape \(1, 8, 8\)"):
        trained(build(), trainer, SCALED[:, :, 1:-1])


@pytest.mark.parametrize(
    "labels",
    [LABELS.int(), LABELS.to(torch.uint8), LABELS.to(torch.int16), LABELS[:, None], LABELS[:, None].int()],
    ids=lambda labels: f"{labels.dtype} {labels.ndim}",
)
def test_labels_of_any_integer_are_class_indices(trainer, labels):
    torch.manual_seed(2)
    first, second = conditional(), conditional()
    second.load_state_dict(first.state_dict())
    expected = trained(first, trainer, SCALED, LABELS)
    torch.testing.assert_close(trained(second, trainer, SCALED, labels), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (torch.eye(10, dtype=torch.int64)[LABELS], r"are int64 of shape \(16, 10\): let the DataLoader yield a class"),
        (LABELS.float(), r"are float32 of shape \(16,\): let .* from 0 to 9 for each sample"),
        (LABELS > 4, r"are bool of shape \(16,\)"),
        (LABELS + 1, "holds labels from 1 to 10 and the networks know the classes 0 to 9: number the classes from 0"),
        (LABELS - 1, "holds labels from -1 to 8"),
    ],
    ids=("one-hot", "floats", "bool", "from 1", "negative"),
)
def test_labels_that_are_no_classes_are_refused_where_they_are_looked_at(gan, trainer, labels, sentence):
    with pytest.raises(InputError, match=sentence):
        trained(conditional(), trainer, SCALED, labels)
    trained(gan(), trainer, SCALED, labels)


def test_a_second_part_that_is_no_tensor_is_refused():
    with pytest.raises(InputError, match="the second part of a batch is of type list: let the DataLoader yield class"):
        Batch.of((SCALED, ["a.png"] * 64))
    assert Batch.of((SCALED, None)).labels is None


def test_batches_that_are_as_they_should_be_are_not_touched():
    batch = Batch(SCALED, LABELS)
    assert Batch.of(batch) is batch
    assert Batch.of([SCALED, LABELS]).x is SCALED


def test_codes_of_a_batch_are_those_of_its_samples(autoencoder):
    module = autoencoder().eval()
    with torch.no_grad():
        codes, drawn = module.encode(SCALED), module.reconstruct(SCALED)
        for given in (PIXELS, Batch(PIXELS, LABELS), (SCALED, LABELS), [SCALED.double()], Batch(SCALED)):
            assert torch.equal(module.encode(given), codes)
            assert torch.equal(module.reconstruct(given), drawn)
            assert torch.equal(module(given), drawn)
        assert torch.equal(torch.cat([module.encode(batch) for batch in DataLoader(PIXELS, 64)]), codes)
        assert module.double().encode(SCALED.double()).dtype == torch.float64
    with pytest.raises(InputError, match="a batch of type str is not understood"):
        module.encode("x")


def test_a_data_module_that_yields_batches_is_encoded_batch_by_batch(autoencoder):
    data, module = Digits(8), autoencoder()
    data.setup()
    batch = next(iter(data.val_dataloader()))
    assert batch.x.dtype == torch.uint8
    assert torch.equal(module.encode(batch), module.encode(data.scaled(batch).x))
