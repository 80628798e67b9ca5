"""What a user asks to be written takes the place of nothing else, and of nothing before it is whole."""

import errno
import os
import re
from pathlib import Path

import pytest

from lightning_gen.errors import InputError
from lightning_gen.outputs import ARRAY, PNG, REPORT, check_place, writing

STARTS = {
    "a.png": b"\x89PNG\r\n\x1a\n...",
    "a.npy": b"\x93NUMPY...",
    "a.json": b'{\n  "figures": {}',
    "v.ckpt": b"PK\x03\x04...",
    "other.json": b'{"name": "mine"}',
    "notes.txt": b"notes",
    "empty": b"",
}


@pytest.mark.parametrize(("kind", "own"), [(PNG, "a.png"), (ARRAY, "a.npy"), (REPORT, "a.json")])
def test_a_file_takes_the_place_of_its_kind_alone(tmp_path, kind, own):
    for name, start in STARTS.items():
        (tmp_path / name).write_bytes(start)
        (tmp_path / f"link to {name}").symlink_to(tmp_path / name)
        os.link(tmp_path / name, tmp_path / f"second {name}")
        for file in (name, f"link to {name}", f"second {name}"):
            if name in (own, "empty"):
                check_place(tmp_path / file, kind)
            else:
                with pytest.raises(InputError, match=f"{file} is no {kind.name} and would be lost"):
                    check_place(tmp_path / file, kind)
    check_place(tmp_path / "new" / "folders" / own, kind)
    assert not (tmp_path / "new").exists()


def test_a_place_without_a_folder_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for parent in ("file", "nowhere"):
        with pytest.raises(InputError, match=f"{parent} is no folder, and .*a.json cannot be written into it"):
            check_place(tmp_path / parent / "deep" / "a.json", REPORT)
    with pytest.raises(
        InputError, match=r"^/dev/null is no folder, and /dev/null/x\.png cannot be written into it: give"
    ):
        check_place(Path("/dev/null/x.png"), PNG)
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="is a device or a pipe"):
        check_place(tmp_path / "pipe.json", REPORT)


@pytest.mark.parametrize("place", ["x.png", "new/folder/x.png"])
def test_a_folder_that_may_not_be_written_to_is_refused_at_once(tmp_path, monkeypatch, place):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(
        InputError, match=f"you may not write into {tmp_path}: give another place than {tmp_path}/{place}"
    ):
        check_place(tmp_path / place, PNG)


def test_a_full_disk_is_said_and_leaves_the_older_file(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("older")

    def write():
        with writing(target) as file:
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"No space left.*: free some disk space .*; an older file is intact"):
        write()
    assert os.listdir(tmp_path) == ["a.json"]
    assert target.read_text() == "older"


def test_another_refusal_has_another_remedy(tmp_path):
    def write():
        with writing(tmp_path / "a.json"):
            raise OSError(errno.ENOENT, "No such file or directory", ".a.json.partial")

    sentence = "could not be written (No such file or directory): give another place"
    with pytest.raises(InputError, match=re.escape(sentence)):
        write()
