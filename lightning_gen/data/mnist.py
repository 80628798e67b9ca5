"""MNIST and data sets in its format, read from any folder with the four files."""

from pathlib import Path

import torch
from torch import Tensor
from torchvision import datasets

from lightning_gen.data.idx import find_idx, read_idx
from lightning_gen.data.published import PublishedImages
from lightning_gen.errors import InputError
from lightning_gen.paths import expanded

EMNIST_CLASSES = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}
"""Parts of EMNIST and their numbers of classes."""


class _MNISTLike(PublishedImages):
    """Grey images of 28x28 pixels in IDX files, compressed or not.

    It looks for the files in ``data_dir/<folder_name>/raw``, where torchvision stores them, and in `data_dir` itself.

    Attributes:
        folder_name: Name of the folder in `data_dir`.
        source: The class of torchvision that downloads the files.
    """

    folder_name: str
    source: type[datasets.MNIST]
    native_shape = (1, 28, 28)
    native_classes = 10
    files: tuple[str, ...] = (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )

    def places(self) -> list[Path]:
        """Folders that are searched: torchvision's, and `data_dir` itself."""
        return [expanded(self.data_dir) / self.folder_name / "raw", expanded(self.data_dir)]

    def has(self, place: Path, name: str) -> bool:
        """Whether the folder has the file, compressed or not."""
        return find_idx(place, name) is not None

    def fetch(self, folder: Path) -> None:
        """Download with torchvision."""
        self.source(folder, download=True)

    def read(self, place: Path, train: bool) -> tuple[Tensor, Tensor]:
        """Read one part."""
        images, labels = (self._read(place, name) for name in (self.files[:2] if train else self.files[2:]))
        return images.unsqueeze(1), labels

    @staticmethod
    def _read(place: Path, name: str) -> Tensor:
        path = find_idx(place, name)
        assert path is not None
        return torch.from_numpy(read_idx(path))


class MNIST(_MNISTLike):
    """Handwritten digits: 70,000 grey images of 28x28 pixels in 10 classes, 10,000 of them for test.

    *Gradient-Based Learning Applied to Document Recognition* (LeCun et al., 1998), http://yann.lecun.com/exdb/mnist.
    Arguments: see :class:`PublishedImages`.
    """

    title = "MNIST"
    link = "https://ossci-datasets.s3.amazonaws.com/mnist"
    folder_name = "MNIST"
    source = datasets.MNIST
    classes = tuple("0123456789")


class FashionMNIST(_MNISTLike):
    """Articles of clothing: 70,000 grey images of 28x28 pixels in 10 classes, 10,000 of them for test.

    *Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms* (Xiao et al., 2017),
    https://arxiv.org/abs/1708.07747. It also looks in the folder of Debian's package ``dataset-fashion-mnist``.
    Arguments: see :class:`PublishedImages`.
    """

    title = "Fashion-MNIST"
    link = "https://github.com/zalandoresearch/fashion-mnist"
    folder_name = "FashionMNIST"
    source = datasets.FashionMNIST
    classes = (
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    )  # fmt: skip
    debian_folder = Path("/usr/share/datasets/fashion-mnist")

    def places(self) -> list[Path]:
        """Folders that are searched: torchvision's, `data_dir` itself, and Debian's."""
        return [*super().places(), self.debian_folder]

    def remedy(self) -> str:
        """How to get the files."""
        return f"on Debian or Ubuntu run `apt-get install dataset-fashion-mnist`, elsewhere {super().remedy()}"


class KMNIST(_MNISTLike):
    """Kuzushiji, cursive Japanese: 70,000 grey images of 28x28 pixels in 10 classes, 10,000 of them for test.

    *Deep Learning for Classical Japanese Literature* (Clanuwat et al., 2018), https://arxiv.org/abs/1812.01718.
    Arguments: see :class:`PublishedImages`.
    """

    title = "KMNIST"
    link = "http://codh.rois.ac.jp/kmnist"
    folder_name = "KMNIST"
    source = datasets.KMNIST
    classes = tuple(datasets.KMNIST.classes)


class EMNIST(_MNISTLike):
    """Handwritten letters and digits: up to 814,255 grey images of 28x28 pixels.

    *EMNIST: an extension of MNIST to handwritten letters* (Cohen et al., 2017), https://arxiv.org/abs/1702.05373.
    The files hold every image transposed; here they are upright. The labels of letters are 0 ... 25 instead of 1 ...
    26. Further arguments: see :class:`PublishedImages`.

    Attributes:
        split: Which part: "byclass" (62 classes), "bymerge" and "balanced" (47), "letters" (26), "digits" or
            "mnist" (10).
    """

    title = "EMNIST"
    link = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
    folder_name = "EMNIST"

    def __init__(
        self,
        split: str = "balanced",
        batch_size: int = 64,
        data_dir: str = "data",
        download: bool = True,
        size: int | None = None,
        val_size: int | None = None,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        if split not in EMNIST_CLASSES:
            raise InputError(f"EMNIST has no part {split!r}: set --data.split to one of {', '.join(EMNIST_CLASSES)}")
        super().__init__(batch_size, data_dir, download, size, val_size, seed, num_workers)
        self.split = split
        self.num_classes = EMNIST_CLASSES[split]
        self.classes = tuple(
            datasets.EMNIST.classes_split_dict[split][-EMNIST_CLASSES[split] :]
        )  # letters count from 1
        self.files = tuple(
            f"emnist-{split}-{part}-{kind}-ubyte"
            for part in ("train", "test")
            for kind in ("images-idx3", "labels-idx1")
        )

    def read(self, place: Path, train: bool) -> tuple[Tensor, Tensor]:
        """Read one part."""
        images, labels = super().read(place, train)
        return images.mT.contiguous(), labels - 1 if self.split == "letters" else labels

    def fetch(self, folder: Path) -> None:
        """Download with torchvision."""
        datasets.EMNIST(folder, split=self.split, download=True)
