"""Codes of samples: without noise, in order, of averaged weights, and their files."""

import csv
import json

import numpy as np
import pytest
import torch

from lightning_gen import AutoencoderModule
from lightning_gen.applications import Trained, embed, read_inputs
from lightning_gen.applications.embedding import Embedding
from lightning_gen.applications.embedding_files import FORMATS, check_files, names_beside, write
from lightning_gen.augmentations import Binarization
from lightning_gen.bottlenecks import IdentityBottleneck, VectorQuantizer
from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, DenseDecoder, DenseEncoder, ResidualDecoder, ResidualEncoder
from lightning_gen.objectives import BernoulliLikelihood
from lightning_gen.regularizers import Commitment

SHAPE = (1, 8, 8)


def of(module):
    return Trained(module, "model.ckpt", {}, torch.device("cpu"))


@pytest.fixture
def array(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (7, *SHAPE), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x, labels=np.array([0, 1, 2, 0, 1, 2, 0]))
    return x, str(tmp_path / "x.npz")


def scaled(x):
    return torch.from_numpy(x) / 127.5 - 1


def test_codes_of_a_variational_autoencoder_are_means_and_have_no_graph(autoencoder, array):
    x, path = array
    module = autoencoder(variational=True)
    module.train()
    first, second = (embed(read_inputs(of(module), path)) for _ in range(2))
    assert np.array_equal(first.codes, second.codes)
    with torch.no_grad():
        mean, _ = module.encoder(scaled(x)).chunk(2, dim=1)
    assert np.allclose(first.codes, mean, atol=1e-6)
    assert first.codes.dtype == np.float32
    assert module.training, "the mode is restored"


def test_batches_change_no_code(autoencoder, array, monkeypatch):
    whole = embed(read_inputs(of(autoencoder()), array[1])).codes
    monkeypatch.setattr("lightning_gen.applications.inputs.NUMBERS", 2 * 64)
    torch.manual_seed(0)
    assert np.allclose(embed(read_inputs(of(autoencoder()), array[1])).codes, whole, atol=1e-6)


@pytest.fixture
def quantizer():
    torch.manual_seed(0)
    return AutoencoderModule(
        ResidualEncoder(SHAPE, features=3, width=4, downsamplings=1),
        ResidualDecoder(SHAPE, latent_dim=3, width=4, downsamplings=1),
        VectorQuantizer(3, codes=5),
        {"reconstruction": BernoulliLikelihood(), "commitment": Commitment()},
    )


def test_codes_of_a_quantizer_are_in_its_codebook_and_flattened_channel_first(quantizer, array):
    found = embed(read_inputs(of(quantizer), array[1]))
    latent_dim, height, width = found.card["code_shape"]
    maps = torch.from_numpy(found.codes).reshape(-1, latent_dim, height, width)
    vectors = maps.movedim(1, -1).reshape(-1, latent_dim)
    with torch.no_grad():
        indices = [each.indices for each in quantizer.bottleneck(quantizer.encoder(scaled(array[0]))).quantizations]
    assert torch.equal(maps, quantizer.bottleneck.codes_of(indices)), "snapped to the codebook, to the bit"
    assert len(vectors.unique(dim=0)) <= 5


def test_averaged_weights_encode(autoencoder, array):
    from lightning_gen.training import EMA

    module = autoencoder(ema=EMA(half_life_images=100))
    with torch.no_grad():
        for weight in module.encoder.parameters():
            weight.zero_()
    assert np.abs(embed(read_inputs(of(module), array[1])).codes).max() > 0.01


def test_a_random_input_transform_is_seeded(autoencoder, array):
    module = autoencoder(input_transform=Binarization())
    one, same, other = (embed(read_inputs(of(module), array[1]), seed).codes for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_conditional_model_needs_classes_and_reads_them(array, tmp_path):
    module = AutoencoderModule(
        DenseEncoder(SHAPE, 3, (8,), conditioning=Concatenation(3)),
        DenseDecoder(SHAPE, 3, (8,), conditioning=Concatenation(3)),
        IdentityBottleneck(3),
        {"reconstruction": BernoulliLikelihood()},
    )
    x, path = array
    with torch.no_grad():
        expected = module.encode(scaled(x), torch.tensor([0, 1, 2, 0, 1, 2, 0]))
    assert np.allclose(embed(read_inputs(of(module), path)).codes, expected, atol=1e-6)
    np.save(tmp_path / "bare.npy", x)
    with pytest.raises(InputError, match="was trained with 3 classes and these samples have none"):
        embed(read_inputs(of(module), str(tmp_path / "bare.npy")))


def test_a_gan_has_no_encoder(gan, array):
    with pytest.raises(InputError, match="a GAN has no encoder to embed with"):
        embed(read_inputs(of(gan()), array[1]))


def test_a_code_that_is_not_finite_is_named(autoencoder, array):
    module = autoencoder()
    with torch.no_grad():
        next(module.encoder.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="the code of 000000 is not finite"):
        embed(read_inputs(of(module), array[1]))


def made(codes, **options):
    names = tuple(f"p{index}.png" for index in range(len(codes)))
    return Embedding(
        **{"names": names, "labels": None, "classes": None, "card": {"order": "x"}, "codes": codes} | options
    )


def test_dimensions_that_do_not_vary_are_left_out():
    spread = np.array([0.0, 0.2, 0.0999, 3.0])  # of plus and minus these the variances are their squares
    codes = np.stack([spread, -spread]).astype(np.float32) + 5
    found = made(codes).active()
    assert found.dimensions.tolist() == [1, 3]
    assert np.array_equal(found.codes, codes[:, [1, 3]])
    with pytest.raises(InputError, match=r"none of the 1 dimensions has a variance of 0.01 or more"):
        made(codes[:, :1]).active()


HARD = ('a, "b".png', "ß/日本.png", "a\nb.png", "\udcff.png")
"""Names with what separates columns and rows, other scripts, and a byte that is no text."""


@pytest.fixture
def hard():
    codes = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32) * [1e-12, 1, 1e12]
    return made(codes.astype(np.float32), names=HARD, labels=np.array([1, 0, 1, 2]), classes=("x", "ÿ", "z"))


def test_an_archive_keeps_everything_without_pickles(hard, tmp_path):
    write(hard, tmp_path / "new" / "x.npz")
    with np.load(tmp_path / "new" / "x.npz", allow_pickle=False) as found:
        assert sorted(found) == ["card", "classes", "codes", "labels", "names"]
        assert found["codes"].dtype == np.float32
        assert np.array_equal(found["codes"], hard.codes)
        assert tuple(found["names"].tolist()) == HARD
        assert found["labels"].tolist() == [1, 0, 1, 2]
        assert found["classes"].tolist() == ["x", "ÿ", "z"]
        assert json.loads(str(found["card"])) == {"order": "x"}
    write(made(hard.codes), tmp_path / "bare.npz")
    with np.load(tmp_path / "bare.npz") as found:
        assert sorted(found) == ["card", "codes", "names"]


def test_a_table_gives_the_same_floats_names_and_labels_again(hard, tmp_path):
    write(hard, tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["filenames", "embedding_0", "embedding_1", "embedding_2", "labels"]
    assert [row[0] for row in rows] == [*HARD[:3], r"\udcff.png"]
    assert np.array_equal(np.array([row[1:-1] for row in rows], np.float32), hard.codes)
    assert [int(row[-1]) for row in rows] == [1, 0, 1, 2]


def test_a_table_without_classes_has_whole_numbers_as_labels(tmp_path):
    write(made(np.zeros((9000, 1), np.float32)), tmp_path / "x.csv")
    rows = (tmp_path / "x.csv").read_text().splitlines()
    assert rows[0] == "filenames,embedding_0,labels"
    assert rows[9000] == "p8999.png,0.0,-1"
    assert len(rows) == 9001


def test_an_array_has_its_names_beside_it_a_line_each(hard, tmp_path):
    write(hard, tmp_path / "x.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), hard.codes)
    names = (tmp_path / "x.names.txt").read_text("utf-8").splitlines()
    assert names == ['a, "b".png', "ß/日本.png", r"a\nb.png", r"\udcff.png"]


@pytest.mark.parametrize("ending", FORMATS)
def test_nothing_is_replaced_unasked(hard, tmp_path, ending):
    target = tmp_path / f"x{ending}"
    check_files(target, overwrite=False)
    write(hard, target)
    with pytest.raises(InputError, match=r"exists: give another --out, or add --overwrite"):
        check_files(target, overwrite=False)
    check_files(target, overwrite=True)
    target.write_bytes(b"something else")
    with pytest.raises(InputError, match="would be lost"):
        check_files(target, overwrite=True)


def test_names_of_other_codes_are_not_replaced(tmp_path):
    names_beside(tmp_path / "x.npy").write_text("mine")
    with pytest.raises(InputError, match=r"x.names.txt exists"):
        check_files(tmp_path / "x.npy", overwrite=False)


@pytest.mark.parametrize("name", ["x.parquet", "x.txt", "x"])
def test_another_ending_gets_a_sentence(tmp_path, name):
    with pytest.raises(InputError, match=r"ends in .npz, .csv, .npy, and for parquet pandas"):
        check_files(tmp_path / name, overwrite=False)
