"""The command ``traverse``: the paths, the files that it writes, and its checks."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen import AutoencoderModule, GANModule, InputError
from lightning_gen.bottlenecks import FiniteScalarQuantizer
from lightning_gen.cli import main
from lightning_gen.commands.reconstruct import reconstruct
from lightning_gen.commands.sample import sample
from lightning_gen.commands.traverse import traverse
from lightning_gen.data import Digits, Ring, Tensors
from lightning_gen.media.images import to_uint8
from lightning_gen.networks import (
    Concatenation,
    DenseDecoder,
    DenseDiscriminator,
    DenseEncoder,
    DenseGenerator,
    ResidualDecoder,
    ResidualEncoder,
)
from lightning_gen.objectives import GaussianLikelihood


@pytest.fixture
def saved(trainer, tmp_path):
    """Write the checkpoint of a module that was trained for some batches."""

    def save(module, data=None):
        runner = trainer(max_epochs=-1, max_steps=2, limit_val_batches=0)
        runner.fit(module, data or Digits(size=8))
        runner.save_checkpoint(tmp_path / "model.ckpt")
        return str(tmp_path / "model.ckpt")

    return save


@pytest.fixture
def coder(saved, autoencoder):
    return saved(autoencoder(variational=True))


def conditional_gan(gan):
    generator = DenseGenerator((1, 8, 8), 4, (16,), conditioning=Concatenation(10))
    return gan(generator=generator, discriminator=DenseDiscriminator((1, 8, 8), (16,), conditioning=Concatenation(10)))


def conditional_autoencoder(autoencoder):
    return autoencoder(
        variational=True,
        encoder=DenseEncoder((1, 8, 8), 6, widths=(16,), conditioning=Concatenation(10)),
        decoder=DenseDecoder((1, 8, 8), 3, widths=(16,), conditioning=Concatenation(10)),
    )


def digits():
    data = Digits(size=8)
    data.setup()
    return data


def split(data, name):
    found = data.scaled(getattr(data, f"{name}_set").__getitems__(list(range(len(getattr(data, f"{name}_set"))))))
    return found.x, found.labels


def pictures(folder, count):
    """Files of the first test digits."""
    x, _ = split(digits(), "test")
    folder.mkdir()
    for index, each in enumerate(to_uint8(x[:count])):
        Image.fromarray(each[0].numpy()).save(folder / f"{index}.png")
    return [str(folder / f"{index}.png") for index in range(count)], to_uint8(x[:count])


# between --------------------------------------------------------------------------------------------------------------


def test_ends_of_seeds_are_what_sample_draws(saved, gan, tmp_path):
    path = saved(gan())
    main(["traverse", path, "--between", "5", "7", "5", "--steps", "4", "--out", str(tmp_path / "x.npy")])
    found = np.load(tmp_path / "x.npy")
    assert found.shape == (2, 4, 1, 8, 8)
    for seed, place in ((5, found[0, 0]), (7, found[0, -1]), (7, found[1, 0]), (5, found[1, -1])):
        sample(path, n=1, seed=seed, out=str(tmp_path / f"{seed}.npy"))
        assert np.array_equal(np.load(tmp_path / f"{seed}.npy")[0], place)
    assert np.array_equal(found[0], found[1, ::-1])


def test_ends_that_are_pictures_are_their_reconstructions(coder, tmp_path):
    files, x = pictures(tmp_path / "in", 2)
    main(["traverse", "--out", str(tmp_path / "x.npy"), coder, "--between", files[1], files[0], files[1], "--steps=3"])
    module = AutoencoderModule.load_from_checkpoint(coder).eval()
    expected = to_uint8(module.reconstruct(x)).numpy()
    found = np.load(tmp_path / "x.npy")
    assert np.array_equal(found[0][[0, -1]], expected[::-1])
    assert np.array_equal(found[1][[0, -1]], expected)
    code = module.encode(x).mean(0, keepdim=True)
    assert np.array_equal(found[0, 1], to_uint8(module.decode(code))[0].numpy()), "the straight middle of codes"


def test_an_end_is_never_replaced_by_the_path(coder, tmp_path):
    files, _ = pictures(tmp_path / "in", 2)
    before = Path(files[0]).read_bytes()
    for options in (
        {"between": files},
        {"between": [str(tmp_path / "in")]},
        {"along": "directions", "start": files[0]},
    ):
        with pytest.raises(InputError, match=r"0\.png is one of the inputs and would be lost"):
            traverse(coder, out=files[0], overwrite=True, **options)
    assert Path(files[0]).read_bytes() == before


def test_ends_of_a_gan_that_are_pictures_are_its_inversions_of_them(saved, gan, tmp_path, capsys):
    path = saved(gan())
    files, _ = pictures(tmp_path / "in", 2)
    main(["traverse", path, "--between", files[1], files[0], files[1], "--steps=3", "--out", str(tmp_path / "x.npy")])
    printed = capsys.readouterr()
    assert "a GAN has no encoder: the latents of 2 images are searched" in printed.err
    assert "along an arc" in printed.out
    found = np.load(tmp_path / "x.npy")
    reconstruct(path, files, out=str(tmp_path / "y.npy"))
    inverted = np.load(tmp_path / "y.npy").astype(int)
    assert np.abs(found[0][[-1, 0]] - inverted).max() <= 1
    assert np.array_equal(found[0, 0], found[1, -1])
    traverse(path, along="directions", start=files[0], rows=1, steps=3, out=str(tmp_path / "z.npy"))
    assert np.abs(np.load(tmp_path / "z.npy")[0, 1] - inverted[0]).max() <= 1, "the start is in the middle"


def test_pictures_of_a_conditional_gan_are_searched_with_the_class_that_is_named(saved, gan, tmp_path):
    path = saved(conditional_gan(gan))
    module = GANModule.load_from_checkpoint(path).eval()
    own = module.sample(2, torch.tensor([3, 3]), torch.Generator().manual_seed(0))
    np.save(tmp_path / "own.npy", to_uint8(own).numpy())
    traverse(path, between=[str(tmp_path / "own.npy")], label=3, steps=2, out=str(tmp_path / "x.npy"))
    errors = (np.load(tmp_path / "x.npy")[0] / 255.0 - to_uint8(own).numpy() / 255.0) ** 2
    assert errors.mean() < 0.05 * np.var(to_uint8(own).numpy() / 255.0)


def test_all_pictures_of_a_folder_are_ends_in_the_order_of_names(coder, tmp_path):
    files, _ = pictures(tmp_path / "in", 3)
    traverse(coder, between=[str(tmp_path / "in")], out=str(tmp_path / "folder.npy"))
    traverse(coder, between=files, out=str(tmp_path / "files.npy"))
    assert np.array_equal(np.load(tmp_path / "folder.npy"), np.load(tmp_path / "files.npy"))


def test_a_broken_picture_of_a_folder_is_named_or_left_out(coder, tmp_path, capsys):
    files, _ = pictures(tmp_path / "in", 2)
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"bad.png cannot be decoded .*--on_error skip"):
        traverse(coder, between=[str(tmp_path / "in")], out=str(tmp_path / "x.npy"))
    main(["traverse", coder, "--between", str(tmp_path / "in"), "--on_error=skip", "--out", str(tmp_path / "x.npy")])
    assert "left out 1 of 3 pictures" in capsys.readouterr().err
    traverse(coder, between=files, out=str(tmp_path / "y.npy"))
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.load(tmp_path / "y.npy"))


# along ----------------------------------------------------------------------------------------------------------------


def test_dimensions_are_ordered_by_divergence_and_span_quantiles_of_encoded_data(coder, tmp_path, capsys):
    traverse(coder, along="dimensions", out=str(tmp_path / "x.npy"))
    module, data = AutoencoderModule.load_from_checkpoint(coder).eval(), digits()
    train, test = split(data, "train")[0], split(data, "test")[0][:1]
    with torch.no_grad():
        mean, log_variance = module.encoder(train).chunk(2, 1)
        start = module.encode(test)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0)
    order = kl.argsort(descending=True).tolist()
    lines = capsys.readouterr().out.splitlines()[1:4]
    assert [line.split()[:2] for line in lines] == [["dim", str(index)] for index in order]
    found = np.load(tmp_path / "x.npy")
    middle = to_uint8(module.reconstruct(test)).numpy()[0]
    for row, index in enumerate(order):
        low, high = np.quantile(mean[:, index].numpy(), [0.05, 0.95])
        ends = start.repeat(2, 1)
        ends[:, index] = torch.tensor([min(low, float(start[0, index])), max(high, float(start[0, index]))])
        assert f"KL {float(kl[index]):.3g} nats, from {float(ends[0, index]):.3g} to " in lines[row]
        assert np.abs(found[row, [0, -1]].astype(int) - to_uint8(module.decode(ends)).numpy()).max() <= 1
        assert np.array_equal(found[row, 4], middle)


def test_codes_that_are_maps_are_traversed_along_their_components(saved, autoencoder, tmp_path, capsys):
    bottleneck = FiniteScalarQuantizer((5, 3))
    module = autoencoder(
        encoder=ResidualEncoder((1, 8, 8), 2, width=4, downsamplings=1),
        decoder=ResidualDecoder((1, 8, 8), 2, width=4, downsamplings=1),
        bottleneck=bottleneck,
    )
    assert len(module.latent_shape) == 3, "codes are maps"
    path = saved(module)
    for along in ("dimensions", "directions"):
        traverse(path, along=along, out=str(tmp_path / f"{along}.npy"), rows=4, steps=5)
        module = AutoencoderModule.load_from_checkpoint(path).eval()
        middle = to_uint8(module.reconstruct(split(digits(), "test")[0][:1]))[0].numpy()
        found = np.load(tmp_path / f"{along}.npy")
        assert found.shape == (4, 5, 1, 8, 8)
        assert np.array_equal(found[:, 2], np.stack([middle] * 4))
    said = capsys.readouterr().out
    assert "of the variance of maps of codes" in said
    assert "eigenvectors of the mean squared Jacobian at 64 latents" in said


def test_directions_of_a_gan_span_its_prior_and_have_the_seed_in_the_middle(saved, gan, tmp_path, capsys):
    path = saved(gan())
    traverse(path, along="directions", start=3, out=str(tmp_path / "x.npy"), rows=2)
    sample(path, n=1, seed=3, out=str(tmp_path / "3.npy"))
    found = np.load(tmp_path / "x.npy")
    assert found.shape == (2, 9, 1, 8, 8)
    assert np.array_equal(found[:, 4], np.load(tmp_path / "3.npy").repeat(2, 0))
    first = capsys.readouterr().out.splitlines()[1]
    low = float(first.split("from ")[1].split()[0])
    assert low == pytest.approx(-1.645, abs=0.1), "the 5 % quantile of N(0, 1) in any direction"


def test_classes_move_by_the_mean_of_a_class_minus_the_mean_of_all(coder, tmp_path):
    traverse(coder, along="classes", out=str(tmp_path / "x.npy"), start=1, steps=3)
    module = AutoencoderModule.load_from_checkpoint(coder).eval()
    x, labels = split(digits(), "train")
    with torch.no_grad():
        codes = module.encode(x)
        start = module.draw_codes(1, torch.Generator().manual_seed(1))
        ends = torch.stack([start[0] + codes[labels == each].mean(0) - codes.mean(0) for each in range(10)])
        expected = to_uint8(module.decode(ends)).numpy()
    found = np.load(tmp_path / "x.npy")
    assert found.shape == (10, 3, 1, 8, 8)
    assert np.abs(found[:, -1].astype(int) - expected).max() <= 1


def test_a_conditional_gan_draws_the_same_latents_with_each_class(saved, gan, tmp_path):
    path = saved(conditional_gan(gan))
    traverse(path, along="classes", start=4, steps=3, out=str(tmp_path / "x.npy"))
    module = GANModule.load_from_checkpoint(path).eval()
    latents = torch.cat([module.latents(1, torch.Generator().manual_seed(seed)) for seed in (4, 5, 6)])
    with torch.no_grad():
        expected = [to_uint8(module(latents, torch.full((3,), label))).numpy() for label in range(10)]
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.stack(expected))


def test_a_conditional_autoencoder_encodes_and_decodes_with_the_class(saved, autoencoder, tmp_path):
    path = saved(conditional_autoencoder(autoencoder))
    files, x = pictures(tmp_path / "in", 2)
    traverse(path, between=files, label=7, steps=2, out=str(tmp_path / "x.npy"))
    module = AutoencoderModule.load_from_checkpoint(path).eval()
    expected = to_uint8(module.reconstruct(x, torch.tensor([7, 7]))).numpy()
    assert np.array_equal(np.load(tmp_path / "x.npy")[0], expected)
    traverse(path, along="dimensions", steps=3, out=str(tmp_path / "y.npy"))
    first, label = (each[:1] for each in split(digits(), "test"))
    expected = to_uint8(module.reconstruct(first, label)).numpy()
    assert np.array_equal(np.load(tmp_path / "y.npy")[:, 1], expected.repeat(3, 0))


def test_a_direction_of_ones_own_is_added_and_subtracted(saved, gan, tmp_path):
    path = saved(gan())
    direction = np.array([0.5, 0, -2, 0])
    np.save(tmp_path / "mine.npy", direction)
    traverse(path, along=str(tmp_path / "mine.npy"), steps=5, scale=2, out=str(tmp_path / "x.npy"))
    module = GANModule.load_from_checkpoint(path).eval()
    start = module.latents(1, torch.Generator().manual_seed(0))
    times = torch.tensor([-2.0, -1, 0, 1, 2])[:, None]
    with torch.no_grad():
        expected = to_uint8(module(start + times * torch.from_numpy(direction).float())).numpy()
    assert np.array_equal(np.load(tmp_path / "x.npy")[0], expected)


# files ----------------------------------------------------------------------------------------------------------------


def test_a_folder_has_the_frames_of_the_path_in_order(coder, tmp_path, capsys):
    traverse(coder, between=["1", "2", "3"], steps=3, out=str(tmp_path / "x.npy"), loop=True)
    traverse(coder, between=["1", "2", "3"], steps=3, out=str(tmp_path / "frames"), loop=True)
    found = np.load(tmp_path / "x.npy")[:, :-1].reshape(6, 8, 8)
    files = sorted((tmp_path / "frames").iterdir())
    assert [file.name for file in files] == [f"{index:06d}.png" for index in range(6)]
    for file, expected in zip(files, found, strict=True):
        with Image.open(file) as image:
            assert np.array_equal(np.asarray(image), expected)
    with pytest.raises(InputError, match="holds files: give another --out, or add --overwrite"):
        traverse(coder, between=["1", "2"], steps=2, out=str(tmp_path / "frames"))
    traverse(coder, between=["1", "2"], steps=2, out=str(tmp_path / "frames"), overwrite=True)
    assert "4 files of an earlier path are left beside them" in capsys.readouterr().err


def test_rows_have_a_folder_each(coder, tmp_path):
    traverse(coder, along="classes", steps=3, rows=2, out=str(tmp_path / "frames"))
    names = sorted(file.relative_to(tmp_path / "frames").as_posix() for file in (tmp_path / "frames").rglob("*.png"))
    assert names == [f"{folder}/{index:06d}.png" for folder in ("00_0", "01_1") for index in range(3)]


def test_a_picture_has_rows_with_names_and_an_animation_a_frame_a_step(coder, tmp_path, capsys):
    main(["traverse", coder, "--along", "dimensions", "--out", str(tmp_path / "x.png")])
    with Image.open(tmp_path / "x.png") as image:
        assert image.height == 3 * 66 + 2
        assert image.width > 9 * 66 + 2, "the names stand beside the rows"
    assert "27 samples in 3 rows in" in capsys.readouterr().out
    main(["traverse", coder, "--between", "1", "2", "--out", str(tmp_path / "x.apng"), "--fps=20", "--loop"])
    with Image.open(tmp_path / "x.apng") as image:
        assert image.n_frames == 16
        assert image.size == (64, 64)
        assert image.info["duration"] == 50


# mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "give the ends of a path, such as --between 1 2, or what it follows"),
        ("--between 1 2 --along directions", "and not both"),
        ("--between 1", "a path has two ends or more"),
        ("--between 3 cat.png", "3 is a seed and cat.png a picture: give ends of one kind"),
        ("--between cat.png dog.png", "there is no .*cat.png: name a folder"),
        ("--between 1 99999999999999999999", "--seed must be a whole number"),
        ("--between 1 2 --steps 1", "--steps must be at least 2"),
        ("--between 1 2 --steps 200000", "400,000 samples are more than 100,000"),
        ("--between 1 2 --start 3", "--start and --data are for --along"),
        ("--between 1 2 --label 3", "trained without classes"),
        ("--between 1 2 --out x.mp4", r"ffmpeg -framerate 10 -i x/%06d.png -pix_fmt yuv420p x.mp4"),
        ("--between 1 2 --out x.jpg", "ends in .jpg: give a .png, .apng, .gif, .npy file, or a folder"),
        ("--between 1 2 --out there.png", "there.png exists: give another --out, or add --overwrite"),
        ("--between 1 2 --out x.gif --fps 90", "--fps must be from 1 to 50"),
        ("--between 1 2 --out x.gif --steps 900", "an animation may take 60"),
        ("--along dimension", "did you mean 'dimensions'.*: give dimensions, directions, classes"),
        ("--along dimensions --steps 8", "--steps must be odd"),
        ("--along dimensions --start in", "in holds 2 samples and the start is one"),
        ("--along dimensions --scale 0", "--scale above 0"),
        ("--along missing.npy", "missing.npy cannot be read"),
        ("--along wide.npy", r"wide.npy has shape \(5,\) and a latent of the model \(3,\)"),
        ("--along zero.npy", "0 everywhere"),
    ],
)
def test_a_mistake_gets_a_sentence_and_writes_nothing(coder, tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    np.save("wide.npy", np.ones(5))
    np.save("zero.npy", np.zeros(3))
    pictures(Path("in"), 2)
    Image.new("L", (3, 3)).save("there.png")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(SystemExit) as exit_info:
        main(["traverse", coder, *words.split()])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.search(sentence, error), error
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_a_gan_cannot_do_is_said(saved, gan, tmp_path):
    path = saved(gan())
    out = str(tmp_path / "x.png")
    for along in ("dimensions", "classes"):
        with pytest.raises(InputError, match=f"a GAN encodes no data, which --along {along} needs: take --along direc"):
            traverse(path, along=along, out=out)
    with pytest.raises(InputError, match=r"there is no .*a.png: name a folder, files"):
        traverse(path, between=["a.png", "b.png"], out=out)
    with pytest.raises(InputError, match="a GAN encodes no --data"):
        traverse(path, along="directions", data=Digits(size=8), out=out)


def test_data_without_the_classes_of_a_conditional_autoencoder_are_refused(saved, autoencoder, tmp_path):
    path = saved(conditional_autoencoder(autoencoder))
    np.save(tmp_path / "x.npy", np.zeros((40, 1, 8, 8), np.uint8))
    with pytest.raises(InputError, match="the data have no labels"):
        traverse(path, along="dimensions", data=Tensors(str(tmp_path / "x.npy")), out=str(tmp_path / "x.png"))


def test_what_other_models_cannot_do_is_said(saved, gan, autoencoder, tmp_path):
    out = str(tmp_path / "x.png")
    path = saved(autoencoder())
    with pytest.raises(InputError, match="no prior from which a seed could draw: give pictures"):
        traverse(path, between=["1", "2"], out=out)
    path = saved(conditional_gan(gan))
    with pytest.raises(InputError, match="trained with 10 classes: name that of the path, such as --label '0'"):
        traverse(path, between=["1", "2"], out=out)


def test_points_are_written_as_an_array(saved, gan, tmp_path):
    generator = DenseGenerator((2,), 4, (8,), bounded=False)
    path = saved(gan(generator=generator, discriminator=DenseDiscriminator((2,), (8,))), Ring(count=1000))
    with pytest.raises(InputError, match=r"points have no pictures of their own: give --out a name that ends in .npy"):
        traverse(path, between=["1", "2"], out=str(tmp_path / "x.png"))
    traverse(path, between=["1", "2"], out=str(tmp_path / "x.npy"))
    assert np.load(tmp_path / "x.npy").shape == (1, 9, 2)


def test_a_path_between_two_rows_of_a_table(saved, autoencoder, tmp_path):
    module = autoencoder(
        encoder=DenseEncoder((2,), 3, widths=(8,)),
        decoder=DenseDecoder((2,), 3, widths=(8,)),
        objective={"reconstruction": GaussianLikelihood()},
    )
    path = saved(module, Ring(count=1000))
    x = np.array([[0.5, 1], [-1, 0], [2, 2]], np.float32)
    np.save(tmp_path / "ends.npy", x)
    traverse(path, between=[str(tmp_path / "ends.npy")], steps=2, out=str(tmp_path / "x.npy"))
    expected = AutoencoderModule.load_from_checkpoint(path).reconstruct(torch.from_numpy(x)).detach().numpy()
    found = np.load(tmp_path / "x.npy")
    np.testing.assert_allclose(found[:, 0], expected[:2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, 1], expected[1:], rtol=1e-5, atol=1e-6)
