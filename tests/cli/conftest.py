"""What tests of the command line share."""

import pytest

from lightning_gen.cli import arguments


@pytest.fixture(autouse=True)
def _without_classes_of_other_tests(monkeypatch):
    """A process that runs several files of tests has their classes, which no user has."""
    every = arguments.below

    def below(base):
        return (kind for kind in every(base) if "test" not in kind.__module__)

    monkeypatch.setattr(arguments, "below", below)
