"""What version 0.1 had here; see `lightning_gen.media`."""

from lightning_gen.upgrades import aliases

__getattr__ = aliases(__name__)
