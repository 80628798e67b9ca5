"""What the operating system refuses is one sentence that names the path and a remedy."""

import errno
import os
import socket

import pytest

from lightning_gen import system


def refusal(action):
    """The explanation of the error that the system raises itself."""
    with pytest.raises(OSError, match=r"^\[Errno") as raised:
        action()
    return system.explanation(raised.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing/x", "missing/x does not exist or cannot be made (No such file or directory): give another path"),
        (".", "is a folder (Is a directory): give the path of a file"),
        ("file/x", "file/x leads through a file, which is no folder (Not a directory): give another path"),
        ("loop", "loop is a link that leads back to itself"),
        ("n" * 3000, "is longer than the disk allows (File name too long): give a shorter name"),
    ],
)
def test_each_refusal_of_a_path_has_its_remedy(tmp_path, monkeypatch, name, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    sentence = refusal(lambda: os.open(name, os.O_WRONLY | os.O_APPEND))
    assert expected in sentence
    assert len(sentence) < 350


def test_a_path_of_a_real_folder_is_shown_whole():
    path = "/".join(["/nowhere", *["a folder with a long name"] * 8, "x.png"])
    assert path in refusal(lambda: os.open(path, os.O_RDONLY))


def test_a_path_that_exists_already(tmp_path):
    assert "exists and is no folder (File exists): give another path" in refusal(lambda: tmp_path.mkdir())


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            errno.EACCES,
            "runs/x may not be read or written (Permission denied): change its permissions, or give another",
        ),
        (errno.EPERM, "may not be read or written"),
        (errno.EROFS, "is on a disk that is read-only (Read-only file system): give another place"),
        (errno.ENOSPC, "is on a disk that is full (No space left on device): free some disk space"),
        (errno.EIO, "is on a disk that does not answer"),
        (errno.EMFILE, "raise the limit with ulimit -n"),
        (errno.EINVAL, "cannot be read or written (Invalid argument): give another path"),
    ],
)
def test_refusals_that_a_test_cannot_provoke(number, expected):
    assert expected in system.explanation(OSError(number, os.strerror(number), "runs/x"))


def test_an_error_without_a_path_is_known_by_its_number_alone():
    assert system.explanation(OSError(errno.ENOSPC, "No space left on device")).startswith("the disk is full (No space")
    assert system.explanation(OSError(errno.ENOMEM, "Cannot allocate memory")).startswith("no memory is left")
    assert system.explanation(OSError(errno.ENOENT, "No such file or directory")) is None


def test_an_error_that_is_not_of_the_system_is_not_explained():
    assert system.explanation(OSError("a library raised this")) is None
    with socket.socket() as unbound, pytest.raises(OSError, match="not connected") as raised:
        unbound.getpeername()
    assert system.explanation(raised.value) is None


def test_a_remedy_of_the_caller_replaces_the_general_one():
    error = OSError(errno.EACCES, "Permission denied", "x")
    assert system.explanation(error, "read on").endswith("(Permission denied): read on")
