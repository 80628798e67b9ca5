"""Ranks in the environment that are empty are none."""

import os
import subprocess
import sys

import pytest

from lightning_gen.environment import RANKS, forget_empty_ranks


def test_empty_ranks_are_unset_and_others_stay(monkeypatch):
    for name in RANKS:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("RANK", "3")
    forget_empty_ranks()
    assert {name: os.environ[name] for name in RANKS if name in os.environ} == {"RANK": "3"}


@pytest.mark.slow
@pytest.mark.parametrize("name", RANKS)
def test_lightning_is_imported_without_them(name):
    done = subprocess.run([sys.executable, "-c", "import lightning_gen"], env={**os.environ, name: ""}, check=False)
    assert done.returncode == 0
