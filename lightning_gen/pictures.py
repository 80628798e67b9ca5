"""The module of version 0.1 that is `lightning_gen.media` now."""

from lightning_gen.upgrades import aliases

__getattr__ = aliases(__name__)
