import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from lightning_gen.data import Digits
from lightning_gen.data.resizing import resized
from lightning_gen.errors import InputError


def everything(digits):
    digits.setup()
    parts = [part.__getitems__(list(range(len(part)))) for part in (digits.train_set, digits.val_set, digits.test_set)]
    return torch.cat([part.x for part in parts]), torch.cat([part.labels for part in parts])


@pytest.mark.parametrize("size", [8, 9, 32, 64])
def test_shape_and_splits(size):
    digits = Digits(size=size)
    x, labels = everything(digits)
    assert digits.shape == (1, size, size) == tuple(x.shape[1:])
    assert (len(digits.train_set), len(digits.val_set), len(digits.test_set)) == (1437, 180, 180)
    assert x.dtype == torch.uint8
    assert torch.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_at_8_pixels_they_are_those_of_scikit_learn():
    x, labels = everything(Digits(size=8))
    ours = sorted(zip((x.flatten(1) / 255 * 16).round().int().tolist(), labels.tolist(), strict=True))
    pixels, classes = load_digits(return_X_y=True)
    assert ours == sorted(zip(pixels.astype(int).tolist(), classes.tolist(), strict=True))


def test_enlarging_agrees_with_pillow():
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for ours, image in zip(resized(images, 32), images, strict=True):
        theirs = np.asarray(Image.fromarray(image[0].numpy()).resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
        assert np.abs(ours[0].numpy() - theirs).max() <= 1


def test_shrinking_is_antialiased():
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    assert (resized(stripes, 16)[..., 2:-2].int() - 127).abs().max() <= 2


def test_seed_decides_the_splits_and_the_global_state_is_left_alone():
    before = torch.get_rng_state()
    first, again, other = (everything(Digits(size=8, seed=seed))[1] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [7, 65])
def test_sizes_that_show_nothing_are_refused(size):
    with pytest.raises(InputError, match=r"set --data.size to 8 \.\.\. 64"):
        Digits(size=size)
