"""What the pages point at is there, and what they show runs."""

import re
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from PIL import Image

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
