"""Maps, sheets of neighbours and the projector of TensorBoard."""

import sys

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from lightning_gen.applications import Trained
from lightning_gen.applications.embedding import Embedding
from lightning_gen.applications.inputs import Inputs
from lightning_gen.applications.maps import MAPPED, METHODS, chosen_method, drawn_map
from lightning_gen.applications.neighbours import LINE, nearest, neighbour_sheet
from lightning_gen.applications.projector import SHEET, check_projector, side_of, write_projector
from lightning_gen.applications.thumbnails import squared
from lightning_gen.data.base import ArrayDataset
from lightning_gen.errors import InputError


@pytest.fixture
def made(autoencoder):
    """Make samples, a level of grey each, with codes."""

    def make(count, shape=(1, 8, 8), labels=None, classes=None, width=3):
        levels = np.linspace(0, 255, count).astype(np.uint8)
        x = np.broadcast_to(levels.reshape(-1, *[1] * len(shape)), (count, *shape)).copy()
        names = tuple(f"p{index}.png" for index in range(count))
        trained = Trained(autoencoder(shape=shape), "model.ckpt", {}, torch.device("cpu"))
        codes = np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)
        inputs = Inputs(names, ArrayDataset(x), None, None, trained)
        return Embedding(codes, names, labels, classes, {}), inputs

    return make


# maps ---------------------------------------------------------------------------------------------------------------


def test_pca_places_codes_in_their_principal_plane():
    flat = np.random.default_rng(0).standard_normal((50, 2)) * [3, 1]
    turned = np.linalg.qr(np.random.default_rng(1).standard_normal((5, 5)))[0][:2]
    points, said = METHODS["pca"].place((flat @ turned).astype(np.float32), 0)
    distances = [np.linalg.norm(each[:, None] - each[None], axis=2) for each in (flat, points)]
    assert np.allclose(*distances, atol=1e-4)
    shares = np.linalg.eigvalsh(np.cov(flat.T))[::-1] / np.cov(flat.T).trace()
    assert f"{100 * shares[0]:.0f} % to the right and {100 * shares[1]:.0f} % upwards" in said


@pytest.mark.parametrize("count", [4, 60])
def test_tsne_keeps_clusters_repeats_and_warns(count):
    group = np.arange(count) % 2
    codes = (np.random.default_rng(0).standard_normal((count, 4)) + 30 * group[:, None]).astype(np.float32)
    points, said = METHODS["tsne"].place(codes, 3)
    assert np.array_equal(points, METHODS["tsne"].place(codes, 3)[0])
    assert "Distances between clusters and their sizes mean nothing" in said
    if count == 60:
        assert (group[nearest(points.astype(np.float32), np.arange(count), 1)[:, 0]] == group).all()


def test_umap_is_a_package_of_its_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match="--by umap needs umap-learn: pip install umap-learn, or take --by tsne"):
        chosen_method("umap")
    with pytest.raises(InputError, match=r"there is no --by tsn; did you mean 'tsne'.: give one of pca, tsne, umap"):
        chosen_method("tsn")


def test_a_map_shows_classes_or_pictures_of_a_bounded_number(made, monkeypatch):
    seen = []
    monkeypatch.setattr("lightning_gen.applications.maps.scatter", lambda *given: seen.append(given))
    monkeypatch.setattr("lightning_gen.applications.maps.scattered", lambda *given: seen.append(given))
    labels = np.arange(MAPPED + 1) % 3
    drawn_map(*made(MAPPED + 1, labels=labels, classes=("a", "b", "c")), METHODS["pca"], seed=-1)
    points, classes, names, caption = seen.pop()
    assert len(points) == len(classes) == MAPPED
    assert names == ("a", "b", "c")
    assert "5,000 of 5,001 samples, chosen at random" in caption
    drawn_map(*made(6), METHODS["pca"])
    _, pictures, _ = seen.pop()
    assert pictures[:, 0, 0, 0].tolist() == np.linspace(0, 255, 6).astype(np.uint8).tolist()


@pytest.mark.parametrize(
    ("options", "sentence"), [({"count": 3}, "at least 4 samples"), ({"count": 9, "width": 1}, "at least 2 numbers")]
)
def test_too_little_for_a_map_gets_a_sentence(made, options, sentence):
    with pytest.raises(InputError, match=sentence):
        drawn_map(*made(**options), METHODS["pca"])


# neighbours ---------------------------------------------------------------------------------------------------------


def test_neighbours_are_the_nearest_and_never_the_sample_itself():
    codes = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    codes[7] = codes[3]
    rows = np.array([3, 7, 20])
    distance = np.linalg.norm(codes[rows][:, None] - codes[None], axis=2)
    distance[np.arange(3), rows] = np.inf
    found = nearest(codes, rows, 5)
    assert np.array_equal(found, distance.argsort(axis=1)[:, :5])
    assert found[0, 0] == 7, "a copy is a neighbour"
    assert nearest(np.zeros((4, 2), np.float32), np.arange(4), 3).shape == (4, 3), "all equal"


def test_a_sheet_shows_each_sample_left_of_its_neighbours(made):
    embedding, inputs = made(12)
    codes = np.zeros((12, 3), np.float32)
    codes[:, 0] = np.arange(12) ** 1.01
    sheet = neighbour_sheet(Embedding(codes, embedding.names, None, None, {}), inputs, 2, shown=2)
    cells = sheet[0, :, -(3 * 66 + 2 + LINE) :]
    x = [2 + 32, 2 + 66 + LINE + 32, 2 + 2 * 66 + LINE + 32]
    levels = np.linspace(0, 255, 12).astype(np.uint8)
    assert [cells[34, at].item() for at in x] == levels[[0, 1, 2]].tolist()
    assert [cells[34 + 66, at].item() for at in x] == levels[[11, 10, 9]].tolist()


def test_samples_without_pictures_or_too_few_get_a_sentence(made):
    with pytest.raises(InputError, match="--neighbours 5 needs more than 5 samples and these are 5: give at most 4"):
        neighbour_sheet(*made(5), 5)


# the projector ------------------------------------------------------------------------------------------------------


def read(folder):
    """The thumbnails of a folder in the order of samples, its codes and its lines of names."""
    (info,) = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings
    codes = np.loadtxt(folder / info.tensor_path, delimiter="\t", ndmin=2)
    lines = (folder / info.metadata_path).read_text("utf-8").splitlines()
    width, height = info.sprite.single_image_dim
    with Image.open(folder / info.sprite.image_path) as sheet:
        pixels = np.asarray(sheet)
    columns = pixels.shape[1] // width
    cells = [
        pixels[row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row, column in (divmod(index, columns) for index in range(len(codes)))
    ]
    return np.stack(cells), codes, lines, pixels.shape


@pytest.mark.parametrize(("count", "shape"), [(65, (1, 8, 8)), (1, (1, 8, 8)), (7, (3, 10, 32)), (10, (1, 32, 10))])
def test_each_sample_has_its_own_square_thumbnail_on_a_square_sheet(made, tmp_path, count, shape):
    embedding, inputs = made(count, shape)
    write_projector(embedding, inputs, tmp_path / "new" / "p")
    cells, codes, lines, (height, width, _) = read(tmp_path / "new" / "p")
    assert height == width
    assert cells.shape[1] == cells.shape[2]
    middle = cells.shape[1] // 2
    levels = np.linspace(0, 255, count).astype(np.uint8)
    assert np.abs(cells[:, middle, middle].astype(int) - levels[:, None]).max() <= 1
    assert np.allclose(codes.reshape(count, -1), embedding.codes, atol=1e-6)
    assert lines == list(embedding.names), "one column has no header, which would count as a sample"
    assert not [each for each in (tmp_path / "new").iterdir() if each.name != "p"], "nothing is left beside it"


def test_names_and_classes_are_columns_without_tabs(made, tmp_path):
    embedding, inputs = made(2, labels=np.array([1, 0]), classes=("a\tb", "c"))
    write_projector(
        Embedding(embedding.codes, ("x\ny", "z"), embedding.labels, embedding.classes, {}), inputs, tmp_path
    )
    assert read(tmp_path)[2] == ["name\tclass", "x\\ny\tc", "z\ta\\tb"]


@pytest.mark.parametrize("count", [1, 65, 3902, 60_000, 262_144])
def test_the_sheet_is_no_larger_than_browsers_show(count):
    side = side_of(count, (3, 64, 64))
    assert 8 <= side <= 64
    assert side * np.ceil(np.sqrt(count)) <= SHEET <= 8192


def test_too_many_samples_get_a_sentence():
    with pytest.raises(InputError, match="at most 262,144 samples and these are 262,145"):
        side_of(262_145, (3, 64, 64))


def test_another_folder_is_left_alone_and_an_older_projector_replaced(made, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").touch()
    with pytest.raises(InputError, match="holds files"):
        check_projector(mine, overwrite=False)
    with pytest.raises(InputError, match="holds other files than codes for the projector"):
        check_projector(mine, overwrite=True)
    write_projector(*made(9), tmp_path / "p")
    check_projector(tmp_path / "p", overwrite=True)
    write_projector(*made(5), tmp_path / "p")
    assert len(read(tmp_path / "p")[1]) == 5


def test_thumbnails_keep_proportions():
    found = squared(torch.full((1, 1, 10, 32), 90, dtype=torch.uint8), 16)
    assert found.shape == (1, 3, 16, 16)
    assert (found[0, 0] == 90).sum().item() == 5 * 16
    assert (found[0, 0] == 255).sum().item() == 11 * 16
