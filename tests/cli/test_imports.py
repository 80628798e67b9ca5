"""``--import`` of a module that does not exist or whose code fails is a sentence that says where and why."""

import sys
from pathlib import Path

import pytest

from lightning_gen import signals
from lightning_gen.cli.imports import import_named
from lightning_gen.errors import InputError

UNREADABLE = "/proc/self/mem"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder, whose modules no other test sees."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        (
            "nowhere",
            "",
            "--import nowhere: No module named 'nowhere'; run from the folder that holds it, or install it",
        ),
        ("mine", "import nowhere", "No module named 'nowhere'; mine imports it: install it, or run from the folder"),
        (
            "mine",
            "x = 1\ny = x.z",
            "mine.py, line 2, with AttributeError: 'int' object has no attribute 'z'; correct it,",
        ),
        ("mine", "def f(:", "mine.py, line 1, with SyntaxError: invalid syntax; correct it, `python -c 'import mine'`"),
        ("mine", "raise SystemExit(3)", "mine.py, line 1, with SystemExit: 3; correct it"),
        ("mine", "open('data.csv')", "with FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'"),
        ("mine", "def f(): f()\nf()", "with RecursionError"),
        ("mine", "from os import nothing", "with ImportError: cannot import name 'nothing' from 'os'"),
        ("mine.py", "x = 1", "is no name of a module: give mine"),
        ("./mine.py", "x = 1", "--import './mine.py' is no name of a module: give mine"),
        ("parts/mine.py", "x = 1", "--import 'parts/mine.py' is no name of a module: give parts.mine"),
        (".mine", "x = 1", "--import '.mine' is no name of a module: give mine"),
        ("", "x = 1", "is no name of a module: give my_parts for my_parts.py"),
    ],
)
def test_a_module_that_cannot_be_imported_is_a_sentence(here, name, code, expected):
    (here / "mine.py").write_text(code)
    with pytest.raises(InputError) as refused:
        import_named(["fit", f"--import={name}"])
    assert expected in str(refused.value)


@pytest.mark.skipif(not Path(UNREADABLE).exists(), reason="needs a file that nobody can read from its start")
def test_a_module_that_cannot_be_read_has_no_line(here):
    (here / "mine.py").symlink_to(UNREADABLE)
    with pytest.raises(InputError, match=r"^--import mine fails with OSError: \[Errno 5\].*; correct it, `python -c"):
        import_named(["fit", "--import=mine"])


def test_a_name_must_follow():
    with pytest.raises(InputError, match="--import needs the name of a module after it"):
        import_named(["fit", "--import"])


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("from lightning_gen import InputError\nraise InputError('give more')", InputError),
        ("from lightning_gen import signals\nraise signals.LeftEarly(75)", signals.LeftEarly),
    ],
)
def test_errors_that_say_all_are_not_changed(here, code, error):
    (here / "mine.py").write_text(code)
    with pytest.raises(error) as raised:
        import_named(["fit", "--import=mine"])
    assert str(raised.value) in ("give more", "75")
