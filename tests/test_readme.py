"""What README points at is there."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
PAGES = [HERE / "README.md", HERE / "configs" / "cluster" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HERE)))
def test_files_exist(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_tests_that_are_named_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGES[0].read_text())
    assert any(test for _, test in named)
    missing = [f"{file}::{test}" for file, test in named if f"def {test}" not in (HERE / file).read_text()]
    assert missing == []
