"""A folder into which a run could not write is refused before it trains."""

import os
from pathlib import Path

import pytest

from lightning_gen.cli.folders import check_folder
from lightning_gen.errors import InputError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)


def file_at(place):
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).write_text("")


def folder_at(place):
    Path(place).mkdir(parents=True)


def link_at(place):
    Path(place).symlink_to("/nowhere")


@pytest.mark.parametrize(
    ("make", "place", "expected"),
    [
        (file_at, "runs", "runs is a file, not a folder for runs: give another --runs_dir or --name"),
        (file_at, "runs/mine", "runs/mine is a file, not a folder for runs"),
        (file_at, "runs/mine/checkpoints", "runs/mine/checkpoints is a file, not a folder for runs"),
        (file_at, "runs/mine/samples", "runs/mine/samples is a file, not a folder for runs"),
        (link_at, "runs", "runs is a link that leads nowhere, not a folder for runs"),
        (
            folder_at,
            "runs/mine/config.yaml",
            "runs/mine/config.yaml is no file, and the run writes one there: remove it",
        ),
        (folder_at, "runs/mine/.lock", "runs/mine/.lock is no file, and the run writes one there"),
        (folder_at, "runs/mine/checkpoints/last.ckpt", "last.ckpt is no file, and the run writes one there"),
        (folder_at, "runs/mine/checkpoints/best.ckpt", "best.ckpt is no file, and the run writes one there"),
    ],
)
def test_what_is_in_the_way_is_named(make, place, expected):
    make(place)
    for ckpt_path in (None, "runs/mine/checkpoints/last.ckpt"):
        with pytest.raises(InputError) as refused:
            check_folder("runs", "mine", ckpt_path, False, "GANModule")
        assert expected in str(refused.value)


@pytest.mark.parametrize("place", ["runs", "runs/mine", "runs/mine/samples", "runs/mine/checkpoints"])
def test_a_folder_that_may_not_be_written_is_named(monkeypatch, place):
    folder_at(place)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).resolve() != Path(place).resolve())
    with pytest.raises(InputError, match=f"{place} may not be written to: give another --runs_dir or --name"):
        check_folder("runs", "mine", None, False, "GANModule")


@pytest.mark.parametrize("name", ["n" * 300, "/".join(["n" * 200] * 30)])
def test_a_name_that_the_disk_does_not_take_is_refused(name):
    folder_at("runs")
    with pytest.raises(
        InputError, match=r"\.\.\.n+ is longer than the disk allows \(File name too long\): give another"
    ):
        check_folder("runs", name, None, False, "GANModule")


def test_a_free_folder_is_taken():
    check_folder("runs", "mine", None, False, "GANModule")
    folder_at("runs/mine/samples")
    check_folder("runs", "mine", None, False, "GANModule")
