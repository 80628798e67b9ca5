"""A folder of volumes: windows, spacing, splits without a common voxel, bad files."""

import numpy as np
import pytest

from lightning_gen.data import VolumeFolder
from lightning_gen.data.base import split_rows
from lightning_gen.errors import InputError
from lightning_gen.media import Volumes

nibabel = pytest.importorskip("nibabel")


def save(path, values, spacing=(1.0, 1.0, 1.0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), np.diag([*spacing, 1.0])), path)


def noise(seed, sides=(20, 16, 18)):
    return np.random.default_rng(seed).normal(1000, 50, sides)


@pytest.fixture
def folder(tmp_path):
    for index in range(10):
        save(tmp_path / "scans" / f"{index}.nii.gz", noise(index), (1.0, 1.0, 2.0))
    return tmp_path / "scans"


def test_windows_of_files_are_samples_and_no_file_is_in_two_parts(folder):
    data = VolumeFolder(str(folder), size=[16, 8, 12], overlap=0.0)
    assert data.shape == (1, 16, 8, 12)
    data.setup()
    counts = [len(part) for part in (data.train_set, data.val_set, data.test_set)]
    assert counts == [8 * 8, 8, 8]
    seen = [{x.tobytes() for x in part[:].x.numpy()} for part in (data.train_set, data.val_set, data.test_set)]
    assert len(set.union(*seen)) == sum(map(len, seen))
    assert data.medium.spacing == (1.0, 1.0, 2.0)
    assert data.contents()[0].startswith("voxels from ")


def test_black_and_white_are_percentiles_of_training_alone(folder):
    save(folder / "9.nii.gz", noise(9) + 1e6, (1.0, 1.0, 2.0))
    found = {}
    for seed in range(8):
        medium = VolumeFolder(str(folder), size=8, seed=seed).medium
        found.setdefault(9 in split_rows(10, 1, 1, seed)[0].tolist(), []).append((medium.low, medium.high))
    assert all(800 < low < 900 and high > 1e6 for low, high in found[True])
    assert all(800 < low < 900 and 1100 < high < 1250 for low, high in found[False])


def test_a_single_file_is_cut_into_parts_without_a_common_voxel(tmp_path):
    place = np.broadcast_to((np.arange(100.0) * 37 % 100)[:, None, None], (100, 8, 8))
    np.save(tmp_path / "a.npy", place)
    data = VolumeFolder(str(tmp_path), size=8)
    data.setup()
    parts = [set(part[:].x.unique().tolist()) - {0, 255} for part in (data.train_set, data.val_set, data.test_set)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 98
    assert any("too few to split" in line for line in data.contents())


def test_volumes_of_another_spacing_are_refused_or_resampled(folder):
    ramp = np.broadcast_to(np.linspace(850, 1150, 36), (20, 16, 36))
    save(folder / "wide.nii.gz", ramp, (1.0, 1.0, 1.0))
    with pytest.raises(InputError, match=r"wide.nii.gz has the spacing 1 x 1 x 1 and 0.nii.gz 1 x 1 x 2: set --data"):
        VolumeFolder(str(folder), size=8).setup()
    data = VolumeFolder(str(folder), size=8, spacing=[1, 1, 2], val_fraction=0.0, test_fraction=0.0)
    wide = data.parts.train[data.names.index("wide.nii.gz")] if not data._by_place else data.parts.train[-1]
    assert any("1 of 11 volumes were resampled to the spacing 1 x 1 x 2" in line for line in data.contents())
    assert {tuple(each.shape) for each in data.parts.train} == {(1, 20, 16, 18)}
    assert data.medium == Volumes((1.0, 1.0, 2.0), data.medium.low, data.medium.high)
    assert wide.shape == (1, 20, 16, 18)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: save(path / "x.nii.gz", np.zeros((16, 16, 16, 3)), (1, 1, 2)), "and a volume has three"),
        (lambda path: save(path / "x.nii.gz", noise(0) * np.nan, (1, 1, 2)), "not finite"),
        (lambda path: save(path / "x.nii.gz", noise(0, (4, 16, 16)), (1, 1, 2)), "x.nii.gz has 4 x 16 x 16 voxels"),
        (lambda path: np.save(path / "x.npy", np.zeros((2, 16, 16, 16))), "2 channels, or is a series"),
        (lambda path: (path / "x.nii").write_bytes(b"nothing"), "cannot be read as NIfTI"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(folder, change, message):
    change(folder)
    with pytest.raises(InputError, match=message):
        VolumeFolder(str(folder), size=8).setup()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "--data.size must be at least 8"),
        ({"size": [8, 8]}, "one side, or three"),
        ({"overlap": 1.0}, "the overlap of windows"),
        ({"spacing": [1.0]}, "no spacing"),
        ({"val_fraction": 1.0}, "leave nothing to train on"),
    ],
)
def test_bad_options_of_a_folder_of_volumes_are_refused(folder, options, message):
    with pytest.raises(InputError, match=message):
        VolumeFolder(str(folder), **options)


def test_constant_volumes_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no volume in"):
        VolumeFolder(str(tmp_path))
    np.save(tmp_path / "a.npy", np.ones((40, 8, 8)))
    with pytest.raises(InputError, match="are constant, 1"):
        VolumeFolder(str(tmp_path), size=8).setup()
