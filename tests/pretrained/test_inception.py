"""Inception with random weights, against torch-fidelity's own reading of the same file."""

import pytest
import torch
from other_weights import inception_file

from lightning_gen.errors import InputError
from lightning_gen.pretrained import Inception, StoredWeights, read_weights
from lightning_gen.pretrained.weights import INCEPTION

fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return inception_file(tmp_path_factory.mktemp("weights"))


def test_features_and_logits_are_torch_fidelitys(file):
    pixels = torch.randint(0, 256, (2, 3, 20, 31), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    stored = read_weights(file, INCEPTION, others=True)
    assert not stored.published
    network = Inception(stored)
    theirs = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(file)).eval()
    assert torch.equal(network(pixels), torch.cat(theirs(pixels), 1))
    assert network(pixels).shape == (2, Inception.num_features + Inception.num_classes)
    assert not any(part.training for part in network.modules())
    assert not any(each.requires_grad for each in network.parameters())


def test_weights_of_another_network_are_refused_in_a_sentence():
    with pytest.raises(InputError, match=r"another network than the Inception network of FID: get pt_inception"):
        Inception(StoredWeights({"a": torch.zeros(3)}, "0" * 64, False))


@pytest.mark.parametrize(
    ("content", "kind"),
    [(lambda path: path.read_bytes()[:100_000], "is truncated"), (lambda path: b"x" * 2**27, "holds something else")],
    ids=("truncated", "other"),
)
def test_files_of_something_else_are_refused_in_a_sentence(file, tmp_path, content, kind):
    (tmp_path / "w.pth").write_bytes(content(file))
    with pytest.raises(InputError, match=rf"{kind} .*another SHA-256\): get it by https://github.com/mseitzer"):
        read_weights(tmp_path / "w.pth", INCEPTION, others=True)
