"""Tensors on the disk: made once, and made again where what is there is anything else."""

import hashlib
from pathlib import Path

import pytest
import torch

from lightning_gen.metrics.cache import cached, digest

LIKE = {"x": torch.empty(2, 3), "n": torch.empty((), dtype=torch.int64)}


@pytest.fixture
def made():
    return []


@pytest.fixture
def make(made):
    """Count how often the tensors are made; each time they are others."""

    def another():
        made.append({"x": torch.full((2, 3), float(len(made))), "n": torch.tensor(len(made))})
        return made[-1]

    return another


def test_they_are_made_once(made, make, tmp_path):
    first, again = (cached(tmp_path / "new" / "a.pt", LIKE, make) for _ in range(2))
    assert len(made) == 1
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.pt"]


@pytest.mark.parametrize(
    "other",
    [
        {"x": torch.zeros(2, 3)},
        {"x": torch.zeros(3, 2), "n": torch.tensor(0)},
        {"x": torch.zeros(2, 3).double(), "n": torch.tensor(0)},
        {"x": torch.zeros(2, 3), "n": 0},
        torch.zeros(2, 3),
        "text",
    ],
    ids=("names", "shape", "type", "number", "tensor", "text"),
)
def test_a_file_of_something_else_is_replaced(other, made, make, tmp_path):
    torch.save(other, tmp_path / "a.pt")
    found = cached(tmp_path / "a.pt", LIKE, make)
    torch.testing.assert_close(cached(tmp_path / "a.pt", LIKE, make), found, rtol=0, atol=0)
    assert len(made) == 1


@pytest.mark.parametrize("part", [0, 0.3, 0.9])
def test_a_file_that_was_cut_short_is_replaced(part, made, make, tmp_path):
    cached(tmp_path / "a.pt", LIKE, make)
    content = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(content[: int(part * len(content))])
    assert cached(tmp_path / "a.pt", LIKE, make)["n"] == 1
    assert cached(tmp_path / "a.pt", LIKE, make)["n"] == 1
    assert len(made) == 2


def test_a_folder_that_cannot_be_made_is_said_once(make, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert [cached(tmp_path / "file" / name, LIKE, make)["n"] for name in ("a.pt", "a.pt", "b.pt")] == [0, 1, 2]
    (line,) = capsys.readouterr().err.splitlines()
    assert f"cached in {tmp_path / 'file'} (" in line
    assert "set XDG_CACHE_HOME to a folder that you may write to" in line


def test_what_fails_leaves_nothing(tmp_path):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(Path(tmp_path / "a.pt"), LIKE, fail)
    assert not any(tmp_path.iterdir())


def test_a_digest_is_that_of_all_bytes_in_their_order():
    x = torch.arange(6, dtype=torch.uint8)
    assert digest("key", [x]) == hashlib.sha256(b"key" + bytes(range(6))).hexdigest()
    assert digest("key", x.split(4)) == digest("key", [x]) == digest("key", [x.flip(0).flip(0)])
    assert len({digest("key", [x]), digest("key", [x.flip(0)]), digest("", [x]), digest("key", [x.float()])}) == 4
