"""The command ``compare``: the files that it writes, and its checks."""

import json
from pathlib import Path

import pytest
import torch

from lightning_gen.cli import main
from lightning_gen.commands.compare import compare
from lightning_gen.errors import InputError
from lightning_gen.media.files import save


@pytest.fixture
def evaluations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (("one", 0.5), ("two", 0.25)):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        report = {"figures": {"mse": value}, "card": {"meanings": {"mse": "error, lower is better"}}}
        (tmp_path / name / "evaluation.json").write_text(json.dumps(report, indent=2))
    save(torch.zeros(3, 4, 4, dtype=torch.uint8), tmp_path / "two" / "samples.png")
    return ["one", "two"]


def test_words_follow_each_other_at_a_shell(evaluations, capsys):
    main(["compare", *evaluations, "--baseline", "one"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["mse", "↓"],
        ["one", "(baseline)", "0.5"],
        ["two", "0.25", "(-0.25)"],
    ]


@pytest.mark.parametrize("ending", [".md", ".csv", ".html"])
def test_a_table_is_replaced_only_where_asked(evaluations, ending):
    out = f"table{ending}"
    compare(evaluations, out)
    first = Path(out).read_text()
    with pytest.raises(InputError, match="exists: give another --out, or add --overwrite"):
        compare(evaluations, out)
    compare(evaluations, out, overwrite=True)
    assert Path(out).read_text() == first


def test_a_page_holds_the_samples_and_needs_no_other_file(evaluations):
    compare(evaluations, "page.html")
    page = Path("page.html").read_text()
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 1
    assert page.index("two") < page.index("<img")
    assert "http" not in page


@pytest.mark.parametrize(("out", "sentence"), [("table.txt", "ends in .md, .csv, .html"), ("own.md", "is no table in")])
def test_other_files_are_kept(evaluations, out, sentence):
    Path("own.md").write_text("# mine")
    with pytest.raises(InputError, match=sentence):
        compare(evaluations, out, overwrite=True)
    assert Path("own.md").read_text() == "# mine"
