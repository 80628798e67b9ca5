"""The files of a run as TensorBoard reads them; and TensorBoard itself in a browser."""

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
import recorded
import torch
import yaml
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

GAN_TAGS = {
    *("train/discriminator_loss", "train/generator_loss", "train/r1", "train/real_logit", "train/fake_logit"),
    *(
        "train/gradient_norm_discriminator",
        "train/gradient_norm_generator",
        "train/learning_rate_discriminator",
        "train/learning_rate_generator",
    ),
    *("train/images_per_second", "val/sliced_wasserstein", "val/real_logit", "val/fake_logit"),
}
VAE_TAGS = {
    *("train/loss", "train/reconstruction", "train/kl", "val/loss", "val/reconstruction", "val/kl", "val/mse"),
    *("train/gradient_norm", "train/learning_rate", "train/images_per_second"),
}
IMAGES = 320


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of two runs, a GAN and a variational autoencoder."""
    folder = tmp_path_factory.mktemp("runs")
    recorded.fit(folder, "gan", "gan/dcgan", IMAGES, recorded.PENALTY)
    recorded.fit(folder, "vae", "autoencoder/vae", IMAGES)
    return folder


@pytest.fixture(scope="module")
def gan(runs):
    return recorded.events(runs / "gan")


@pytest.fixture(scope="module")
def vae(runs):
    return recorded.events(runs / "vae")


def pixels(file):
    """The colours of an image, ``(height, width, 3)``."""
    return np.asarray(Image.open(file).convert("RGB"))


def colours(image):
    """The number of different colours in an image."""
    return len(np.unique(image.reshape(-1, 3), axis=0))


@pytest.mark.parametrize(("name", "grids"), [("gan", ["samples"]), ("vae", ["reconstructions", "samples"])])
def test_a_run_leaves_all_that_is_promised(runs, name, grids):
    folder = runs / name
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    expected = [f"{grid}-{images:09d}.png" for grid in grids for images in (128, 256, 320)]
    assert sorted(path.name for path in (folder / "samples").iterdir()) == expected
    assert (folder / "config.yaml").is_file()
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1


def test_every_figure_has_one_chart_and_no_chart_is_useless(gan, vae):
    assert set(gan.Tags()["scalars"]) == GAN_TAGS
    assert set(vae.Tags()["scalars"]) == VAE_TAGS


@pytest.mark.parametrize(("run", "tags"), [("gan", GAN_TAGS), ("vae", VAE_TAGS)])
def test_the_axis_counts_images(run, tags, request):
    found = request.getfixturevalue(run)
    for tag in tags:
        first = IMAGES if tag.startswith("val/") else 128 if tag == "train/images_per_second" else 64
        assert recorded.steps(found, tag) == list(range(first, IMAGES + 1, 64)), tag


def test_the_axis_is_the_same_for_another_batch_size(gan, tmp_path):
    half = recorded.events(
        recorded.fit(tmp_path, "half", "gan/dcgan", IMAGES, recorded.PENALTY, "--data.batch_size=32")
    )
    first = {tag: [64] if tag == "train/images_per_second" else [32] for tag in GAN_TAGS if tag.startswith("train/")}
    expected = {tag: [*first.get(tag, []), *recorded.steps(gan, tag)] for tag in GAN_TAGS}
    assert {tag: recorded.steps(half, tag) for tag in GAN_TAGS} == expected


def test_the_last_point_is_where_the_run_ended(runs, gan):
    checkpoint = torch.load(runs / "gan" / "checkpoints" / "last.ckpt", weights_only=True)
    assert gan.Scalars("train/generator_loss")[-1].step == checkpoint["lightning_gen"]["images_seen"] == IMAGES


def test_figures_are_those_of_the_run(runs, gan):
    best = torch.load(runs / "gan" / "checkpoints" / "best.ckpt", weights_only=True)
    scores = [float(state["current_score"]) for state in best["callbacks"].values() if "current_score" in state]
    assert scores == [pytest.approx(gan.Scalars("val/sliced_wasserstein")[-1].value)]
    assert [event.value for event in gan.Scalars("train/learning_rate_generator")] == pytest.approx([4e-4] * 5)
    assert all(
        event.value > 0
        for tag in ("train/images_per_second", "train/gradient_norm_generator")
        for event in gan.Scalars(tag)
    )


def test_the_loss_is_the_weighted_sum_of_the_terms(vae):
    for stage in ("train", "val"):
        loss, reconstruction, kl = (
            vae.Scalars(f"{stage}/{name}")[-1].value for name in ("loss", "reconstruction", "kl")
        )
        assert loss == pytest.approx(reconstruction + kl, rel=1e-5)


@pytest.mark.parametrize(("run", "tags"), [("gan", {"samples"}), ("vae", {"samples", "reconstructions"})])
def test_grids_are_on_the_axis_of_images_and_equal_the_files(runs, run, tags, request):
    found = request.getfixturevalue(run)
    assert set(found.Tags()["images"]) == {f"pictures/{tag}" for tag in tags}
    for tag in tags:
        assert [event.step for event in found.Images(f"pictures/{tag}")] == [128, 256, 320]
        for event in found.Images(f"pictures/{tag}"):
            shown = pixels(io.BytesIO(event.encoded_image_string))
            assert np.array_equal(shown, pixels(runs / run / "samples" / f"{tag}-{event.step:09d}.png"))
            assert colours(shown) > 10, "the grid is blank"


def test_the_text_is_the_configuration(runs, gan):
    text = gan.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert all(line.startswith("    ") for line in text.splitlines()), "Markdown shows indented lines as they are"
    written = yaml.safe_load((runs / "gan" / "config.yaml").read_text())
    assert yaml.safe_load(text) == written
    assert written["model"]["init_args"]["generator"]["init_args"]["width"] == 4
    assert written["max_images"] == IMAGES


def test_hparams_are_the_settings_of_the_model_and_of_the_data(gan):
    settings = recorded.hparams(gan)
    expected = {"generator": "DCGANGenerator", "generator.width": 4, "objective": "NonSaturating", "penalties.r1": "R1"}
    expected |= {"penalties.r1.weight": 0.5, "generator_optimizer.lr": 4e-4, "discriminator.batch_norm": False}
    expected |= {"data": "Digits", "data.size": 8, "data.batch_size": 64}
    expected |= {"model": "GANModule", "penalties": "r1", "generator_clip": "none", "max_images": IMAGES}
    assert {name: settings.get(name) for name in expected} == expected
    assert "None" not in settings.values()
    assert not {"name", "runs_dir", "ckpt_path"} & settings.keys()
    assert not any("init_args" in name or "class_path" in name or name.startswith("_") for name in settings)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return recorded.hparams(recorded.events(recorded.fit(tmp_path_factory.mktemp("runs"), "usual", "gan/dcgan", 64)))


@pytest.mark.parametrize(
    ("words", "differing"),
    [
        (["--model.generator_optimizer.lr=0.1"], {"generator_optimizer.lr"}),
        (["--model.generator_optimizer=SGD", "--model.generator_optimizer.lr=4e-4"], {"generator_optimizer"}),
        (["--model.ema=null"], {"ema"}),
        (["--model.generator_clip=1"], {"generator_clip"}),
        ([recorded.PENALTY], {"penalties"}),
        (["--data.val_fraction=0.2"], {"data.val_fraction"}),
        (["--seed_everything=3", "--trainer.limit_val_batches=1"], {"seed_everything", "trainer.limit_val_batches"}),
    ],
)
def test_the_settings_in_which_two_runs_differ_have_columns_that_do(usual, tmp_path, words, differing):
    """TensorBoard opens HPARAMS on columns with several values among the runs that have the column."""
    other = recorded.hparams(recorded.events(recorded.fit(tmp_path, "other", "gan/dcgan", 64, *words)))
    assert {name for name in usual.keys() & other.keys() if usual[name] != other[name]} == differing


def test_what_an_interrupted_run_wrote_after_its_checkpoint_is_hidden(tmp_path):
    resumed = (tmp_path, "gan", "gan/dcgan")
    last = recorded.fit(*resumed, 128) / "checkpoints" / "last.ckpt"
    earlier = last.read_bytes()
    recorded.fit(*resumed, 320, "--ckpt_path=last")
    last.write_bytes(earlier)
    found = recorded.events(recorded.fit(*resumed, 256, "--ckpt_path=last"))
    assert recorded.steps(found, "train/generator_loss") == [64, 128, 192, 256]
    assert [event.step for event in found.Images("pictures/samples")][-1] == 256


# a browser ----------------------------------------------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=20000"),
    "--window-size=1400,1000",
)


@contextlib.contextmanager
def tensorboard(runs):
    """The address of a TensorBoard that shows the runs of a folder."""
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={runs}", "--host=127.0.0.1", "--port=0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stderr)
            address = next(match[0] for match in found if match)
            wait_for(lambda: {"gan", "vae"} <= set(get(f"{address}/data/runs")))
            yield address
        finally:
            process.terminate()


@pytest.fixture
def server(runs):
    """The address of a TensorBoard that shows the two runs."""
    with tensorboard(runs) as address:
        yield address


@pytest.fixture
def bare_server(tmp_path):
    """The address of a TensorBoard that shows two runs of the same names with nothing but a histogram."""
    for name in ("gan", "vae"):
        with SummaryWriter(tmp_path / "bare" / name) as writer:
            writer.add_histogram("weights", torch.arange(3))
    with tensorboard(tmp_path / "bare") as address:
        yield address


def get(url, **body):
    """The JSON at an address; a POST where there is a body."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if body else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def wait_for(condition, seconds=60):
    """Try until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "TensorBoard did not load the runs"
        time.sleep(0.5)


def browse(profile, *words):
    """Call the browser; returns what it prints."""
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def eventually(look, holds, looks=5):
    """Look again until it holds: a browser with a cold cache may stop before the page has its data."""
    for _ in range(looks):
        seen = look()
        if holds(seen):
            return seen
    raise AssertionError(f"it did not hold in {looks} looks")


def screenshot(folder, server, tab):
    """A tab as the browser paints it; the file stays in the folder for who wants to look."""
    file = folder / f"{tab}-{server.rsplit(':')[-1]}.png"
    browse(folder / "profile", f"--screenshot={file}", f"{server}/#{tab}")
    return pixels(file)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look with")
def test_tensorboard_shows_the_runs(server, bare_server, tmp_path):
    address = f"{server}/?tagFilter=^train/.*_loss|^train/kl|^pictures/samples#timeseries"
    wanted = {"train/discriminator_loss", "train/generator_loss", "train/kl", "pictures/samples"}
    page = eventually(
        lambda: browse(tmp_path / "profile", "--dump-dom", address),
        lambda page: wanted <= set(re.findall(r"[\w/]+", page)),
    )
    assert len(re.findall("<(?:image|scalar)-card-component", page)) == 5, "three charts, and the samples of two runs"
    for tab in ("timeseries", "scalars", "images", "hparams"):
        bare = screenshot(tmp_path, bare_server, tab)
        eventually(
            lambda tab=tab: screenshot(tmp_path, server, tab),
            lambda shown, bare=bare: colours(shown) > 100 and (shown != bare).any(axis=2).mean() > 0.03,
        )


@pytest.mark.slow
def test_hparams_shows_settings_and_latest_figures_of_both_runs(server, gan, vae):
    experiment = get(f"{server}/data/plugin/hparams/experiment", experimentName="")
    names = {info["name"] for info in experiment["hparamInfos"]}
    assert {"generator.width", "encoder.width", "data.batch_size"} <= names, (
        "the settings of one run hide those of no other"
    )
    first = [info["name"] for info in experiment["hparamInfos"] if info.get("differs")]
    assert first == [info["name"] for info in experiment["hparamInfos"][: len(first)]], "the page shows the first five"
    assert "model" in first
    columns = [{"metric": {"tag": "val/sliced_wasserstein"}}, {"metric": {"tag": "val/loss"}}]
    wanted = {"experimentName": "", "allowedStatuses": ["STATUS_SUCCESS"], "colParams": columns, "sliceSize": 10}
    groups = get(f"{server}/data/plugin/hparams/session_groups", **wanted)["sessionGroups"]
    shown = {value["name"]["tag"]: value["value"] for group in groups for value in group["metricValues"]}
    assert shown["val/sliced_wasserstein"] == pytest.approx(gan.Scalars("val/sliced_wasserstein")[-1].value)
    assert shown["val/loss"] == pytest.approx(vae.Scalars("val/loss")[-1].value)
