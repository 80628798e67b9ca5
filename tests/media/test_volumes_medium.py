"""Volumes: files with their spacing and the order of their axes, 8 bits, slices."""

import gzip
import sys

import numpy as np
import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.media import Volumes
from lightning_gen.media.descriptions import described, rebuilt
from lightning_gen.media.volumes import slice_grid

nibabel = pytest.importorskip("nibabel")

MEDIUM = Volumes((1.0, 2.0, 3.5), low=-100.0, high=900.0)


def asymmetric():
    """A volume of unequal sides in which no two axes, and no two directions of an axis, are alike."""
    values = np.zeros((8, 10, 12), np.float32)
    values[1, 2:5, 3:10] = 900
    values[6, 8, 1] = 400
    return values


def written(path, values, spacing=(1.0, 2.0, 3.5)):
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*spacing, 1.0])), path)
    return path


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".npy"])
def test_an_asymmetric_solid_survives_its_files(tmp_path, ending):
    stored = MEDIUM.quantized(torch.from_numpy(asymmetric()))[None]
    MEDIUM.write_file(MEDIUM.to_model(stored[None])[0], tmp_path / "new" / f"a{ending}")
    assert torch.equal(MEDIUM.read_file(tmp_path / "new" / f"a{ending}"), stored)


def test_a_file_of_another_program_keeps_its_axes_and_what_is_written_its_spacing(tmp_path):
    stored = MEDIUM.read_file(written(tmp_path / "a.nii.gz", asymmetric()))
    assert stored.shape == (1, 8, 10, 12)
    assert stored[0, 1, 2, 3] == 255
    assert stored[0, 0, 0, 0] == round(100 / 1000 * 255)
    MEDIUM.write_file(MEDIUM.to_model(stored[None])[0], tmp_path / "b.nii.gz")
    image = nibabel.load(tmp_path / "b.nii.gz")
    assert image.header.get_zooms() == (1.0, 2.0, 3.5)
    assert np.abs(image.get_fdata() - asymmetric()).max() <= 1000 / 255 / 2 + 1e-3
    assert gzip.decompress((tmp_path / "b.nii.gz").read_bytes())


def test_what_became_of_a_volume_lies_where_that_does(tmp_path):
    x = MEDIUM.to_model(MEDIUM.quantized(torch.from_numpy(asymmetric()))[None, None])[0]
    place = np.array([[-1.0, 0, 0, 90], [0, 0, 3.5, -126], [0, -2, 0, 72], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(asymmetric(), place), tmp_path / "a.nii.gz")
    MEDIUM.write_like(x, tmp_path / "b.nii.gz", tmp_path / "a.nii.gz")
    assert (nibabel.load(tmp_path / "b.nii.gz").affine == place).all()
    for source in (None, tmp_path / "a.npy"):
        MEDIUM.write_like(x, tmp_path / "b.nii.gz", source)
        assert (nibabel.load(tmp_path / "b.nii.gz").affine == np.diag([1.0, 2.0, 3.5, 1.0])).all()


def test_integers_are_scaled_as_the_header_says(tmp_path):
    image = nibabel.Nifti1Image(asymmetric().astype(np.int16) // 2, np.diag([1.0, 2.0, 3.5, 1.0]))
    image.header.set_slope_inter(2, 0)
    nibabel.save(image, tmp_path / "a.nii")
    assert MEDIUM.read_file(tmp_path / "a.nii").max() == 255


def test_a_volume_with_a_fourth_side_of_1_is_a_volume(tmp_path):
    assert MEDIUM.read_file(written(tmp_path / "a.nii.gz", asymmetric()[..., None])).shape == (1, 8, 10, 12)


def test_slices_go_through_the_middle_of_each_axis():
    volume = torch.full((1, 1, 64, 64, 64), -1.0)
    volume[0, 0, 32, 5, 7] = 1  # across the first axis: row 5, column 7
    volume[0, 0, 9, 32, 11] = 0
    volume[0, 0, 13, 15, 32] = -0.5
    grid = slice_grid(volume)
    assert grid.shape == (1, 64, 3 * 64)
    (cells,) = grid
    assert (cells == 255).nonzero().tolist() == [[5, 7]]
    assert (cells == 128).nonzero().tolist() == [[9, 64 + 11]]
    assert (cells == 64).nonzero().tolist() == [[13, 128 + 15]]


def test_volumes_of_unequal_sides_and_several_channels_are_drawn():
    assert Volumes().preview(torch.zeros(3, 2, 8, 10, 12), 2).shape == (1, 2 * (60 + 2) + 2, 2 * (180 + 2) + 2)
    assert Volumes().preview(torch.zeros(1, 3, 8, 8, 8)).shape[0] == 3


def test_its_description_is_plain_data():
    assert rebuilt(described(MEDIUM)) == MEDIUM


@pytest.mark.parametrize("arguments", [((1.0, 2.0),), ((1.0, 0.0, 1.0),), ((1.0, 1.0, 1.0), 5.0, 5.0)])
def test_impossible_volumes_are_refused(arguments):
    with pytest.raises(InputError, match=r"no spacing|cannot range"):
        Volumes(*arguments)


def holed():
    values = asymmetric()
    values[3, 3, 3] = np.nan
    return values


@pytest.mark.parametrize(
    ("values", "spacing", "message"),
    [
        (np.zeros((8, 8, 8, 5), np.float32), (1.0, 2.0, 3.5), "the sides 8 x 8 x 8 x 5 and a volume has three"),
        (np.zeros((8, 8, 1, 1, 3), np.float32), (1.0, 2.0, 3.5), "and a volume has three"),
        (asymmetric(), (1.0, 1.0, 1.0), "spacing 1 x 1 x 1 and the model was trained on 1 x 2 x 3.5: resample"),
        (holed(), (1.0, 2.0, 3.5), "not finite"),
    ],
)
def test_unfit_volumes_are_refused_in_a_sentence(tmp_path, values, spacing, message):
    with pytest.raises(InputError, match=message):
        MEDIUM.read_file(written(tmp_path / "a.nii.gz", values, spacing))


def test_files_that_are_no_volumes_are_refused(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"\x1f\x8b no")
    np.save(tmp_path / "b.npy", np.zeros((4, 4)))
    for name, message in (("a.nii.gz", "cannot be read as NIfTI"), ("b.npy", "no volume"), ("c.nii", "cannot be read")):
        with pytest.raises(InputError, match=message):
            MEDIUM.read_file(tmp_path / name)
    with pytest.raises(InputError, match="cannot hold volumes of 2 channels"):
        MEDIUM.write_file(torch.zeros(2, 8, 8, 8), tmp_path / "d.nii.gz")


def test_without_nibabel_a_sentence_says_how_to_install_it(tmp_path, monkeypatch):
    path = written(tmp_path / "a.nii.gz", asymmetric())
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(InputError, match=r"pip install .*volumes"):
        MEDIUM.read_file(path)
