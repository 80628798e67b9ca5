"""Words: how often each word of a vocabulary occurs in a text, weighed in models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.feature_extraction.text import CountVectorizer
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from lightning_gen.errors import InputError
from lightning_gen.media.base import Medium

MOST = 255
"""A word that occurs more often in a text counts so many times."""
SHOWN, MARGIN = 12, 4


@dataclass(frozen=True)
class Words(Medium):
    """Texts as counts of words ``(words,)``, stored as uint8; model values are weighed and of Euclidean length 1.

    With the weights of scikit-learn's ``TfidfTransformer`` model values are tf-idf; a text without any word of the
    vocabulary is 0.

    Attributes:
        words: The vocabulary, in lower case.
        weights: A factor for the count of each word.

    Raises:
        InputError: There is no word, or another number of weights.
    """

    noun: ClassVar[str] = "texts"
    values: ClassVar[str] = "counts"
    unit: ClassVar[str] = "weighed counts of words"
    error_unit: ClassVar[str] = "of weighed counts of words"
    compared_as: ClassVar[str] = "weighed counts as they are"
    dimensions: ClassVar[int] = 0
    bounded: ClassVar[bool] = False

    words: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.words or len(self.words) != len(self.weights):
            raise InputError(
                f"counts of words need a vocabulary and a weight for each word, not {len(self.words)} words and "
                f"{len(self.weights)} weights"
            )

    def to_model(self, stored: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Weighed counts of length 1, ``(n, words)``, of counts; floats are only cast."""
        if stored.is_floating_point():
            return stored.to(dtype)
        weighed = stored.float() * torch.tensor(self.weights, device=stored.device)
        return torch.nn.functional.normalize(weighed).to(dtype)

    def to_stored(self, x: Tensor) -> Tensor:
        """The weighed counts as they are: the length of a text cannot be told from them."""
        return x.detach().cpu()

    def counted(self, texts: Sequence[str]) -> Tensor:
        """The counts of the words of texts, uint8 ``(n, words)``."""
        counts = counter(self.words).transform(texts).toarray()
        return torch.from_numpy(counts.clip(0, MOST).astype("uint8"))

    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """The heaviest words of each text, a line each, black on white."""
        font = ImageFont.load_default()
        lines = [" ".join(self.heaviest(row)) for row in samples.detach().float().cpu()]
        boxes = [font.getbbox(line or " ") for line in lines]
        width, height = int(max(box[2] for box in boxes)), int(max(box[3] for box in boxes)) + MARGIN
        image = Image.new("L", (width + 2 * MARGIN, height * len(lines) + 2 * MARGIN), 255)
        draw = ImageDraw.Draw(image)
        for index, line in enumerate(lines):
            draw.text((MARGIN, MARGIN + index * height), line, fill=0, font=font)
        return pil_to_tensor(image)

    def heaviest(self, row: Tensor) -> list[str]:
        """The words of the largest model values of one text, heaviest first; words that do not occur are left out."""
        values, places = row.topk(min(SHOWN, len(row)))
        return [self.words[place] for place, value in zip(places.tolist(), values.tolist(), strict=True) if value > 0]


def counter(vocabulary: Sequence[str] | None = None, **options: int) -> CountVectorizer:
    """What counts words, runs of two or more letters or digits in lower case; common English words are left out."""
    return CountVectorizer(vocabulary=vocabulary, stop_words="english", **options)
