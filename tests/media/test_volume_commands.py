"""Commands on volumes: sample, reconstruct, evaluate, with their spacing."""

import numpy as np
import pytest

from lightning_gen import GenerativeModule
from lightning_gen.cli import main
from lightning_gen.data import VolumeFolder

nibabel = pytest.importorskip("nibabel")


PLACE = np.array([[-1.0, 0, 0, 90], [0, 1.5, 0, -126], [0, 0, 2.0, -72], [0, 0, 0, 1]])
"""Where volumes lie: their first axis leads to the left, as in many scans."""


def test_a_person_s_volumes_are_reconstructed_with_their_axes_and_spacing(tmp_path, capsys):
    place = np.stack(np.meshgrid(np.arange(20), np.arange(14), np.arange(17), indexing="ij")).astype(np.float32)
    for index in range(10):
        values = 100 * place[0] + 10 * place[1] + place[2] + index
        image = nibabel.Nifti1Image(values, PLACE)
        (tmp_path / "scans").mkdir(exist_ok=True)
        nibabel.save(image, tmp_path / "scans" / f"{index}.nii.gz")
    data = ["--config", "data/volume_folder", f"--data.folder={tmp_path / 'scans'}", "--data.size=8"]
    small = ["--model.encoder.width=4", "--model.decoder.width=4", "--data.batch_size=16"]
    run = tmp_path / "runs" / "run"
    main(
        [
            *["fit", "--config", "autoencoder/volumes", *data, *small, "--trainer.accelerator=cpu"],
            *[f"--runs_dir={run.parent}", "--name=run", "--max_images=3200"],
        ]
    )
    medium = GenerativeModule.load_from_checkpoint(run / "checkpoints/last.ckpt").medium
    assert medium == VolumeFolder(str(tmp_path / "scans"), size=8).medium
    source = tmp_path / "scans" / "3.nii.gz"
    main(["reconstruct", str(run), str(source), f"--out={tmp_path / 'copies'}"])
    (path,) = (tmp_path / "copies").glob("*.nii.gz")
    copy = nibabel.load(path)
    assert copy.shape == (20, 14, 17)
    assert copy.header.get_zooms() == (1.0, 1.5, 2.0)
    assert (copy.affine == PLACE).all(), "it lies where its source does, not mirrored"
    found = copy.get_fdata()
    slopes = [np.gradient(found, axis=axis)[4:-4, 4:-4, 4:-4].mean() for axis in range(3)]
    assert slopes[0] == pytest.approx(100, rel=0.3), "axes are not exchanged"
    assert slopes[0] > 3 * slopes[1] > 0


def test_volumes_are_sampled_and_compared_by_the_classifier_of_their_data(tmp_path, capsys):
    small = ["--model.generator.width=4", "--model.discriminator.width=4", "--data.count=700", "--data.size=8"]
    run = tmp_path / "run"
    main(
        [
            *["fit", "--config", "gan/volumes", *small, "--trainer.accelerator=cpu"],
            *[f"--runs_dir={tmp_path}", "--name=run", "--max_images=128"],
        ]
    )
    main(["sample", str(run), f"--out={tmp_path / 'out'}", "--n=2"])
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["000000.nii.gz", "000001.nii.gz"]
    assert nibabel.load(tmp_path / "out" / "000000.nii.gz").shape == (8, 8, 8)
    main(["sample", str(run), f"--out={tmp_path / 'all.png'}", "--n=6"])
    capsys.readouterr()
    main(["evaluate", str(run)])
    said = capsys.readouterr().out
    assert "frechet" in said
    assert "sliced_wasserstein" in said
