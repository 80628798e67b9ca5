"""Media define what a sample is: its stored values and model values, its preview and its files."""

from lightning_gen.media.base import Medium
from lightning_gen.media.guess import medium_of, preview
from lightning_gen.media.images import Images
from lightning_gen.media.letters import Letters
from lightning_gen.media.points import Points
from lightning_gen.media.words import Words

__all__ = ["Images", "Letters", "Medium", "Points", "Words", "medium_of", "preview"]
