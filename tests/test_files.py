"""Files appear whole or not at all, over nothing but files, and what others are writing is left alone."""

import os
import stat
import subprocess
import sys

import pytest

from lightning_gen import files
from lightning_gen.errors import InputError
from lightning_gen.files import hold, hold_folder, opened, replacing, require_free

WRITES = """
import sys
from lightning_gen.files import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"theirs")
    file.flush()
    print("writing", flush=True)
    sys.stdin.readline()
"""


def write(path, content):
    with replacing(path) as file:
        file.write(content)


@pytest.fixture
def writer(tmp_path):
    """Another process that has begun to write a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, tmp_path / "file"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"writing\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_file_that_another_process_is_writing_is_left_to_it(tmp_path, writer):
    write(tmp_path / "file", b"ours")
    assert len(list(tmp_path.glob(".file.*.partial"))) == 1
    writer.communicate(b"\n")
    assert writer.returncode == 0
    assert (tmp_path / "file").read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.slow
def test_what_a_dead_process_left_is_removed(tmp_path, writer):
    writer.kill()
    writer.wait()
    assert len(list(tmp_path.glob(".file.*.partial"))) == 1
    write(tmp_path / "other", b"ours")
    assert len(list(tmp_path.glob(".file.*.partial"))) == 1, "it is of another file"
    write(tmp_path / "file", b"ours")
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]


def test_an_error_leaves_the_older_file(tmp_path):
    write(tmp_path / "file", b"older")
    with pytest.raises(TypeError):
        write(tmp_path / "file", "not bytes")
    assert (tmp_path / "file").read_bytes() == b"older"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("precious")
    write(tmp_path / "link", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "link").read_bytes() == b"new"


def test_neither_a_folder_nor_a_pipe_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(InputError, match=name):
            write(tmp_path / name, b"new")
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_a_process_leaves_alone_what_it_is_writing_itself(tmp_path):
    with replacing(tmp_path / "file") as outer:
        write(tmp_path / "file", b"inner")
        outer.write(b"outer")
    assert (tmp_path / "file").read_bytes() == b"outer"


def can_lock(path):
    """Whether another process can lock a file."""
    child = os.fork()
    if not child:
        with path.open("r+b") as file:
            os._exit(hold(file))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_a_file_is_locked_until_it_has_its_name(tmp_path, monkeypatch):
    locked = []

    def replace(partial, target):
        locked.append(not can_lock(partial))
        rename(partial, target)

    rename = os.replace
    monkeypatch.setattr(os, "replace", replace)
    write(tmp_path / "file", b"ours")
    assert locked == [True]
    assert (tmp_path / "file").read_bytes() == b"ours"
    assert can_lock(tmp_path / "file")


def test_a_file_that_another_process_removes_before_it_is_locked_is_created_again(tmp_path, monkeypatch):
    removed = []

    def late(file, **options):
        if not removed:
            removed.append(file.name)
            os.unlink(file.name)
        return hold(file, **options)

    monkeypatch.setattr(files, "hold", late)
    write(tmp_path / "file", b"ours")
    assert (tmp_path / "file").read_bytes() == b"ours"
    assert len(removed) == 1
    assert os.listdir(tmp_path) == ["file"]


def test_names_may_be_long_and_may_hold_anything(tmp_path):
    for name in ("[a-z]*?" + "x" * 240, "ä" * 120):
        write(tmp_path / name, b"first")
        write(tmp_path / name, b"second")
        assert (tmp_path / name).read_bytes() == b"second"
    assert len(os.listdir(tmp_path)) == 2


def test_a_lock_is_of_one_process(tmp_path, writer):
    (partial,) = tmp_path.glob(".file.*.partial")
    with partial.open("r+b") as file:
        assert not hold(file)
        writer.kill()
        writer.wait()
        assert hold(file)


LOOKS = """
import sys
from pathlib import Path
from lightning_gen import files
folder = Path(sys.argv[1])
with (folder / files.LOCK).open("rb") as file:
    assert files.hold(file, shared=True)
    print("looking", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_processes_that_look_at_a_folder_do_not_take_each_other_for_its_owner(tmp_path):
    """As the processes of one run do that start at the same time."""
    hold_folder(tmp_path).close()
    with subprocess.Popen(
        [sys.executable, "-c", LOOKS, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"looking\n"
        require_free(tmp_path)
        other.stdin.close()


def test_a_file_is_opened_for_reading(tmp_path):
    write(tmp_path / "file", b"content")
    (tmp_path / "link").symlink_to("file")
    with opened(tmp_path / "link") as file:
        assert file.read() == b"content"


def test_nobody_waits_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link", "."):
        with pytest.raises(OSError, match="it is a folder, a pipe or a device and no file"):
            opened(tmp_path / name)


def test_nobody_waits_for_a_pipe_that_has_just_come(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(stat, "S_ISREG", lambda mode: True)
    with opened(tmp_path / "pipe") as file:
        assert file.read() == b""
