"""What a sample is: stored values to the models' tensors and back, to pictures that a person looks at, and to files."""

from lightning_gen.media.base import Medium
from lightning_gen.media.guess import medium_of, preview
from lightning_gen.media.images import Images
from lightning_gen.media.points import Points

__all__ = ["Images", "Medium", "Points", "medium_of", "preview"]
