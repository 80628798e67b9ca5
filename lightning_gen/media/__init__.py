"""Media define what a sample is: its stored values and model values, its preview and its files."""

from lightning_gen.media.base import ErrorMeasure, Medium
from lightning_gen.media.guess import medium_of, preview
from lightning_gen.media.images import Images
from lightning_gen.media.letters import Letters
from lightning_gen.media.points import Points
from lightning_gen.media.series import Series
from lightning_gen.media.sound import Sound
from lightning_gen.media.volumes import Volumes
from lightning_gen.media.words import Words

__all__ = [
    "ErrorMeasure",
    "Images",
    "Letters",
    "Medium",
    "Points",
    "Series",
    "Sound",
    "Volumes",
    "Words",
    "medium_of",
    "preview",
]
