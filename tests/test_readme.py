"""What the pages point at is there, and what they show runs."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from PIL import Image
from scipy.io import wavfile

from lightning_gen.cli import main
from lightning_gen.data import FashionMNIST
from lightning_gen.data.decoder import EXTENSIONS

HERE = Path(__file__).parents[1]
PAGES = [
    HERE / page
    for page in ("README.md", "configs/README.md", "configs/cluster/README.md", "tests/benchmarks/README.md")
]
named = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(HERE).as_posix())


def anchors(page):
    """What the headings of a page are called in links."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@named
def test_files_and_headings_exist(page):
    links = re.findall(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)", page.read_text())
    assert links
    for file, heading in links:
        target = page.parent / file if file else page
        assert target.exists(), file
        assert not heading or heading in anchors(target), f"{file}#{heading}"


@named
def test_tests_that_are_named_exist(page):
    found = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text())
    missing = [f"{file}::{test}" for file, test in found if f"def {test}" not in (HERE / file).read_text()]
    assert missing == []


def test_the_exactness_of_each_promise_names_its_test():
    assert len(re.findall(r"`tests/[\w/]+\.py::\w+`", (HERE / "configs/cluster/README.md").read_text())) >= 10


def test_the_line_that_tests_is_the_only_one_of_its_kind():
    """`.ci/run` runs it."""
    lines = [line for line in PAGES[0].read_text().splitlines() if "pip install -e '.[test]'" in line]
    assert lines == [".venv/bin/pip install -e '.[test]' && .venv/bin/pytest -n auto"]


def test_the_first_page_names_the_formats_that_are_read():
    (said,) = re.findall(r"A folder holds ([^:]*):", PAGES[0].read_text())
    words = said.replace("JPEG 2000", "JPEG2000").upper()
    assert [kind for kind in EXTENSIONS if kind not in words] == ["PPM"], "which hardly anybody has"


@pytest.mark.slow
def test_the_code_of_the_first_page_runs(tmp_path, monkeypatch):
    """Its Python, as it stands: Pix2Pix, parts of one's own, a GAN that trains with them, and an autoencoder."""
    translation, parts, session = re.findall(r"```python\n(.*?)```", PAGES[0].read_text(), flags=re.DOTALL)
    (tmp_path / "my_parts.py").write_text(parts)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for side in "AB":
        (tmp_path / "facades" / side).mkdir(parents=True)
        for index in range(20):
            Image.effect_noise((70, 64), 50 + index).convert("RGB").save(tmp_path / "facades" / side / f"{index}.png")
    names = {}
    exec(translation, names)
    pix2pix = names["pix2pix"]
    Trainer(max_steps=2, logger=False, enable_checkpointing=False).fit(pix2pix, names["pairs"])
    assert pix2pix.translate(torch.zeros(2, 3, 70, 65)).shape == (2, 3, 70, 65)
    exec(session, names)
    assert names["samples"].shape == (8, 3, 32, 32)
    assert names["vae"].reconstruct(names["images"][:2]).shape == (2, 3, 32, 32)


LENGTHS = {
    r"--max_images [\d_]+": "--max_images 32",
    r"--n [\d_]+": "--n 6",
    r"--per_class \d+": "--per_class 2",
    r"^(fit(?!.*max_images).*)": r"\1 --max_images 32",
    r"^(fit.*latent_diffusion.*)": r"\1 --sampler.updates 2",
}
"""What stands for the lengths in the commands of the first page: a pattern, and what takes its place."""
ELSEWHERE = "--device cuda"
"""An option of the commands that need a GPU."""
SYLLABLES = [first + second + third for first in "bdfk" for second in "aeiou" for third in "lmn"]
"""Of which the words of texts are made, two each."""
OTHERS = ("gan/cgan", "autoencoder/convolutional", "autoencoder/vq_vae")
"""Recipes whose runs the first page uses, by their own names, and which it trains nowhere."""


def commands(page):
    """The commands of a page in their order, without the name of the program."""
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").replace(" && ", "\n")
    return re.findall(r"^(?:\.venv/bin/)?python -m lightning_gen (.*?)(?:  #.*)?$", lines, flags=re.MULTILINE)


def shortened(command):
    """The words of a command at a length for a test."""
    for pattern, short in LENGTHS.items():
        command = re.sub(pattern, short, command)
    return shlex.split(command)


def write_data(folder):
    """The files and folders that the commands name."""
    random = np.random.default_rng(0)
    places = ("images/cats", "images/dogs", "other_images", "facades/A", "facades/B", "horses", "zebras", "my_zebras")
    for place in (*places, "old_photographs", "node_modules/emoji-datasource-google/img/google/64", "."):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for name in "abc" if place == "." else range(300 if "images/" in place else 40):
            pixels = random.integers(0, 256, (9, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((72, 64)).save(folder / place / f"{name}.png")
    np.save(folder / "images.npy", random.integers(0, 256, (200, 3, 16, 16), dtype=np.uint8))
    np.save(folder / "table.npy", random.normal(size=(400, 6)).astype(np.float32))
    for place in ("sounds", "scans", "reports"):
        (folder / place).mkdir()
    for index in range(20):
        tone = np.sin(np.arange(32_000) * (0.02 + 0.005 * index)) / 2
        wavfile.write(folder / "sounds" / f"{index}.wav", 16_000, tone.astype(np.float32))
        np.save(folder / "scans" / f"{index}.npy", random.normal(size=(20, 20, 20)).astype(np.float32))
        words = random.permutation([first + second for first in SYLLABLES for second in SYLLABLES])
        text = "".join(f"{' '.join(words[start : start + 9])}.\n\n" for start in range(0, len(words), 9))
        (folder / "reports" / f"{index}.txt").write_text(text)
    wavfile.write(folder / "speech.wav", 16_000, tone.astype(np.float32))
    (folder / "long.txt").write_text(text)
    for name in ("sensors.csv", "today.csv"):
        rows = "".join(f"{n},{np.sin(n / 9):.3f},{np.cos(n / 7):.3f}\n" for n in range(4000))
        (folder / name).write_text(f"minute,heat,pressure\n{rows}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [each for each in commands(PAGES[1]) if each.startswith("fit") and "my_" not in each]
)
def test_the_runs_of_the_gallery_are_accepted(command, tmp_path, monkeypatch, capsys):
    """Their recipes, parts and options; most train for an hour."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main([*shlex.split(command), "--print_config"])
    assert not end.value.code, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not FashionMNIST.debian_folder.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_the_commands_of_the_first_page_run(tmp_path, monkeypatch, capsys):
    """In their order, at lengths for a test, on data of the kinds and names that they say."""
    for package in ("timm", "soundfile", "nibabel", "constriction", "onnx"):
        pytest.importorskip(package)
    write_data(tmp_path)
    (parts,) = re.findall(r"`my_parts.py`:\n\n```python\n(.*?)```", PAGES[0].read_text(), flags=re.DOTALL)
    (tmp_path / "my_parts.py").write_text(parts)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = [["fit", "--config", name, "--max_images", "32"] for name in OTHERS]
    found = [shortened(command) for command in commands(PAGES[0]) if ELSEWHERE not in command]
    assert len(found) > 40
    failed = []
    compared = ["evaluate", "runs/mine", "--output", "runs/mine/evaluation.json"]
    place = next(place for place, words in enumerate(found) if words[0] == "compare")
    for words in [*before, *found[:place], compared, *found[place:]]:
        try:
            main(words)
        except SystemExit as end:
            if end.code:
                failed.append(f"{shlex.join(words)}\n{capsys.readouterr().err[-300:]}")
    assert not failed, "\n".join(failed)
