"""The pages show the recipes and the stored results."""

import json

import gallery
import pytest

FOLDERS = ("autoencoder", "gan", "translation")
RECIPES = [path for folder in FOLDERS for path in sorted((gallery.CONFIGS / folder).glob("*.yaml"))]


@pytest.mark.parametrize("page", gallery.PAGES, ids=lambda page: page.relative_to(gallery.ROOT).as_posix())
def test_a_page_is_what_the_program_writes(page):
    assert gallery.written(page) == page.read_text(), "run `python tests/benchmarks/gallery.py`"
    assert "<!-- table: " in page.read_text()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.relative_to(gallery.CONFIGS).with_suffix("").as_posix())
def test_a_recipe_says_what_it_is(path):
    header = gallery.Header.read(path)
    assert header.title
    assert header.purpose, "a line `# For: ...`"
    assert header.papers or header.no_paper, "a line `# Paper: AUTHORS YEAR, ADDRESS`, or `# No paper: REASON`"
    assert all(address.startswith("https://") for _, address in header.papers)


def test_every_measured_row_of_the_gallery_is_a_recipe():
    for folder, table in gallery.MEASURED.items():
        measured = [name for name, row in gallery.results(table)["rows"].items() if "options" in row]
        assert set(measured) <= {path.stem for path in RECIPES if path.parent.name == folder}


def test_every_row_says_how_it_was_measured():
    for path in gallery.RESULTS.glob("*.json"):
        for label, row in json.loads(path.read_text())["rows"].items():
            assert row.get("setting") or row.get("source"), f"{path.name}: {label}"


@pytest.mark.parametrize(
    ("template", "figures", "expected"),
    [
        ("{a:.1f} ({b:.1f})", {"a": 1.0, "b": 2.0}, "1.0 (2.0)"),
        ("{a:.1f} ({b:.1f})", {"a": 1.0}, "1.0"),
        ("{a:.1f}, {b:.1f}", {}, "–"),
        ("{a:.2f}", {"a": [1.0, 3.0]}, "2.00 ± 1.41"),
        ("{a:.2f}", {"a": [1.0]}, "1.00"),
        ("{a:each}", {"a": [25.0, 24.0]}, "25, 24"),
        ("{a:each}", {"a": [8, 8]}, "8"),
        ("{a:each}", {"a": {"mean": 7.9, "sd": 0.1}}, "7.9 ± 0.1"),
        ("{a:.2f}", {"a": {"median": 1.0, "low": 0.5, "high": 2.0}}, "1.00 (0.50-2.00)"),
        ("{a:.0%}", {"a": 0.97}, "97%"),
        ("{a}", {"a": "at most 2"}, "at most 2"),
    ],
)
def test_cells(template, figures, expected):
    assert gallery.cell(template, figures) == expected


def test_what_is_recorded_replaces_the_row_and_keeps_its_aim(tmp_path, monkeypatch):
    row = {"options": "", "setting": "before", "aim": "fast", "figures": {"a": 1}}
    (tmp_path / "some.json").write_text(json.dumps({"command": "x", "columns": {"A": "{a}"}, "rows": {"one": row}}))
    monkeypatch.setattr(gallery, "RESULTS", tmp_path)
    monkeypatch.setattr(gallery, "PAGES", ())
    gallery.record("some", {"one": {"a": [2]}, "two": {"a": [3]}}, {"two": "--config gan/dcgan"}, "one thread")
    rows = gallery.results("some")["rows"]
    assert rows["one"]["figures"] == {"a": [2]}
    assert rows["one"]["aim"] == "fast"
    assert "one thread" in rows["one"]["setting"]
    assert rows["two"]["options"] == "--config gan/dcgan"
