"""Paths are taken as users mean them, on this machine, or refused in one sentence."""

import pwd
from pathlib import Path

import pytest

from lightning_gen import paths
from lightning_gen.errors import InputError


def test_home_is_put_in_its_place(monkeypatch):
    monkeypatch.setenv("HOME", "/some/where")
    assert paths.local("~/runs") == "/some/where/runs"


def test_without_a_home_it_is_said(monkeypatch):
    def nobody(user):
        raise KeyError(user)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(InputError, match="there is none: set HOME"):
        paths.expanded(Path("~/.cache"))


@pytest.mark.parametrize("path", ["httpruns", "memory://x", "a::b"])
def test_an_address_is_no_path(path):
    with pytest.raises(InputError, match="read as a URL"):
        paths.local(path)


def test_what_is_written_lies_on_this_machine(monkeypatch):
    monkeypatch.setenv("HOME", "/some/where")
    assert paths.written("~/out.png") == Path("/some/where/out.png")
    assert paths.written("https.png") == Path("https.png")
    with pytest.raises(InputError, match=r"s3://bucket/x\.json is a URL: give a path on this machine"):
        paths.written("s3://bucket/x.json")


@pytest.mark.parametrize("name", ["..", "../x", "/x", ".", " ", "a::b", "x" * 256])
def test_a_name_stays_in_the_folder_of_all_runs(name):
    with pytest.raises(InputError, match="--name"):
        paths.run_name(name)


@pytest.mark.parametrize("read", [paths.local, paths.written, paths.expanded])
def test_an_empty_path_is_not_the_current_folder(read):
    """It comes from a variable of the shell that is not set."""
    with pytest.raises(InputError, match="a path is empty: give one, or leave out the option that it belongs to"):
        read("")


def test_names_may_have_folders():
    assert paths.run_name("vae/first") == "vae/first"
