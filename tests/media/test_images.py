"""Images: rounding, geometry of grids, channels, files."""

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen.errors import InputError
from lightning_gen.media import Images
from lightning_gen.media.files import save
from lightning_gen.media.images import displayable, image_grid, to_uint8

PADDING, BORDER = 2, 32


def test_the_range_is_mapped_to_0_to_255_and_rounded():
    images = torch.tensor([-1.0, 1.0, 0.0, -3.0, 7.0, -1 + 1.4 / 127.5, -1 + 1.6 / 127.5])
    assert to_uint8(images).tolist() == [0, 255, 128, 0, 255, 1, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stored_values_come_back_unchanged(dtype):
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    seen = Images().to_model(every, dtype)
    assert seen.dtype == dtype
    assert (seen.min(), seen.max()) == (-1, 1)
    assert torch.equal(Images().to_stored(seen), every)


def test_floats_are_the_models_own_values():
    x = torch.randn(2, 1, 3, 3)
    assert Images().to_model(x) is x
    assert torch.equal(Images().to_model(x, torch.float64), x.double())
    with pytest.raises(InputError, match="samples of type int32 are not understood"):
        Images().to_model(x.int())


def test_errors_are_those_of_pixels_in_0_to_1():
    x, output = torch.rand(5, 3, 4, 4).double() * 2 - 1, torch.randn(5, 3, 4, 4).double().clamp(-1, 1)
    pixels, others = Images().comparable(x, output)
    assert float((x - output).square().mean() * Images.error_scale) == pytest.approx(
        float((pixels - others).square().mean())
    )
    assert Images().comparable(x, 3 + output)[1].eq(1).all()
    assert Images().comparable(x, -3 + output)[1].eq(0).all()


def test_a_step_is_the_distance_of_two_stored_values():
    seen = Images().to_model(torch.arange(256, dtype=torch.uint8))
    assert Images.step == pytest.approx(float(seen.diff().mean()), rel=0.005)  # 256 cells of a scale have 255 steps


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (2, 1), (3, 3), (4, 3), (5, 3)])
def test_a_screen_shows_one_or_three_channels(channels, shown):
    images = torch.rand(2, channels, 4, 4) * 2 - 1
    assert torch.equal(displayable(images), images[:, :shown])
    assert Images().preview(images).shape[0] == shown


@pytest.mark.parametrize(
    ("n", "columns", "size", "shape"),
    [
        (64, None, (28, 28), (8 * 58 + 2, 8 * 58 + 2)),  # as square as can be; small images twice as large
        (10, None, (64, 64), (3 * 66 + 2, 4 * 66 + 2)),  # the last row is not full
        (10, 5, (8, 8), (2 * 66 + 2, 5 * 66 + 2)),
        (3, 8, (100, 80), (102 + 2, 3 * 82 + 2)),  # no more columns than images; large ones stay
        (1, None, (16, 12), (64, 48)),  # torchvision leaves a single image without a frame
    ],
)
def test_the_geometry_of_a_grid(n, columns, size, shape):
    grid = image_grid(torch.zeros(n, 1, *size), columns)
    assert grid.dtype == torch.uint8
    assert grid.shape == (1, *shape)


def test_every_image_is_in_its_cell_enlarged_without_smoothing():
    images = torch.rand(6, 3, 8, 8) * 2 - 1
    grid, side = image_grid(images, columns=3), 64
    assert (grid[:, :PADDING] == BORDER).all()
    for index, image in enumerate(to_uint8(images)):
        top, left = (PADDING + place * (side + PADDING) for place in divmod(index, 3))
        cell = grid[:, top : top + side, left : left + side]
        assert torch.equal(cell, image.repeat_interleave(8, 1).repeat_interleave(8, 2))


def test_half_precision_and_gradients_do_no_harm():
    images = torch.rand(4, 1, 8, 8, dtype=torch.bfloat16).requires_grad_()
    assert Images().preview(images).shape == (1, 134, 134)


@pytest.mark.parametrize("channels", [1, 3])
def test_files_hold_what_was_drawn(tmp_path, channels):
    image = torch.randint(0, 256, (channels, 5, 7), dtype=torch.uint8)
    path = save(image, tmp_path / "new" / "folder" / "a.png")
    read = np.asarray(Image.open(path)).reshape(5, 7, channels)
    assert np.array_equal(read, image.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("channels", [1, 3])
def test_files_of_samples_are_read_back(tmp_path, channels):
    samples = torch.rand(12, channels, 5, 7) * 2 - 1
    for target in (tmp_path / "a.npy", tmp_path / "new" / "folder"):
        Images().write(samples, target)
        assert torch.equal(Images().read(target), to_uint8(samples))
    names = [f"{index:06d}.png" for index in range(12)]
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == names
    read = Images().read(tmp_path / "new" / "folder" / names[7])
    assert torch.equal(read, to_uint8(samples[7:8]))


def test_a_preview_is_written_as_one_image(tmp_path):
    samples = torch.rand(6, 3, 8, 8) * 2 - 1
    Images().write(samples, tmp_path / "a.png", columns=2)
    assert torch.equal(Images().read(tmp_path / "a.png")[0], image_grid(samples, 2))


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"GIF89a")
    (tmp_path / "b.npy").write_bytes(b"no array")
    np.save(tmp_path / "c.npy", np.array([{}]), allow_pickle=True)
    for name in ("a.png", "b.npy", "c.npy", "none.png", "none.npy"):
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            Images().read(tmp_path / name)
    with pytest.raises(InputError, match=r"a\.jpg is no file of images: give a name that ends in \.npy"):
        Images().read(tmp_path / "a.jpg")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        Images().read(tmp_path / "folder")
    for index, side in enumerate((4, 5)):
        save(torch.zeros(1, side, 4, dtype=torch.uint8), tmp_path / "folder" / f"{index}.png")
    with pytest.raises(InputError, match="holds unlike images"):
        Images().read(tmp_path / "folder")
