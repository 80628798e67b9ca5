"""Published data sets of colour photographs."""

from pathlib import Path

import torch
from torch import Tensor
from torchvision import datasets

from lightning_gen.data.base import ArrayDataset, Splits, at_least
from lightning_gen.data.cache import decode
from lightning_gen.data.published import PublishedData, PublishedImages
from lightning_gen.errors import InputError
from lightning_gen.system import explaining


class _CIFAR(PublishedImages):
    """Small photographs of 32x32 pixels, a training and a test part in one archive.

    Attributes:
        source: The class of torchvision that downloads and reads the files.
    """

    link = "https://www.cs.toronto.edu/~kriz/cifar.html"
    native_shape = (3, 32, 32)
    source: type[datasets.CIFAR10]

    def fetch(self, folder: Path) -> None:
        """Download with torchvision."""
        self.source(folder, download=True)

    def read(self, place: Path, train: bool) -> tuple[Tensor, Tensor]:
        """Read one part, and the names of the classes; torchvision checks the checksums."""
        data = self.source(place, train=train)
        self.classes = tuple(data.classes) or self.classes
        return torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(data.targets)


class CIFAR10(_CIFAR):
    """Small photographs: 60,000 colour images of 32x32 pixels in 10 classes, 10,000 of them for test.

    *Learning Multiple Layers of Features from Tiny Images* (Krizhevsky, 2009),
    https://www.cs.toronto.edu/~kriz/cifar.html. Arguments: see :class:`PublishedImages`.
    """

    title = "CIFAR-10"
    native_classes = 10
    files = (*(f"cifar-10-batches-py/data_batch_{part}" for part in range(1, 6)), "cifar-10-batches-py/test_batch")
    source = datasets.CIFAR10
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class CIFAR100(_CIFAR):
    """Small photographs: 60,000 colour images of 32x32 pixels in 100 classes, 10,000 of them for test.

    *Learning Multiple Layers of Features from Tiny Images* (Krizhevsky, 2009),
    https://www.cs.toronto.edu/~kriz/cifar.html. Arguments: see :class:`PublishedImages`.
    """

    title = "CIFAR-100"
    native_classes = 100
    files = ("cifar-100-python/train", "cifar-100-python/test")
    source = datasets.CIFAR100


class _InTwoFiles(PublishedImages):
    """Photographs whose training and test part are separate files of torchvision.

    Attributes:
        source: The class of torchvision that downloads and reads the files.
    """

    source: type[datasets.SVHN] | type[datasets.STL10]

    def fetch(self, folder: Path) -> None:
        """Download with torchvision."""
        self.source(folder, split="train", download=True)
        self.source(folder, split="test", download=True)

    def read(self, place: Path, train: bool) -> tuple[Tensor, Tensor]:
        """Read one part; torchvision checks the checksums."""
        data = self.source(place, split="train" if train else "test")
        return torch.from_numpy(data.data).contiguous(), torch.from_numpy(data.labels)


class SVHN(_InTwoFiles):
    """House numbers: 99,289 colour images of 32x32 pixels in 10 classes, 26,032 of them for test.

    *Reading Digits in Natural Images with Unsupervised Feature Learning* (Netzer et al., 2011),
    http://ufldl.stanford.edu/housenumbers. Arguments: see :class:`PublishedImages`.
    """

    title = "SVHN"
    link = "http://ufldl.stanford.edu/housenumbers"
    native_shape = (3, 32, 32)
    native_classes = 10
    files = ("train_32x32.mat", "test_32x32.mat")
    source = datasets.SVHN
    classes = tuple("0123456789")


class STL10(_InTwoFiles):
    """Photographs: 13,000 colour images of 96x96 pixels in 10 classes, 8,000 of them for test.

    *An Analysis of Single-Layer Networks in Unsupervised Feature Learning* (Coates et al., 2011),
    https://cs.stanford.edu/~acoates/stl10. The 100,000 images without labels are downloaded but not used.
    Arguments: see :class:`PublishedImages`.
    """

    title = "STL-10"
    link = "https://cs.stanford.edu/~acoates/stl10"
    native_shape = (3, 96, 96)
    native_classes = 10
    files = tuple(f"stl10_binary/{name}.bin" for name in ("train_X", "train_y", "test_X", "test_y", "unlabeled_X"))
    source = datasets.STL10
    classes = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


class CelebA(PublishedData):
    """Faces of celebrities: 202,599 colour images in the published splits of 162,770, 19,867 and 19,962.

    *Deep Learning Face Attributes in the Wild* (Liu et al., 2015), https://arxiv.org/abs/1411.7766. The aligned images
    of 178x218 pixels are cropped to their central square, resized and stored in a cache.

    Attributes:
        size: Side of the images in pixels.
        batch_size: Samples per optimizer step over all devices.
        data_dir: Folder that holds or gets the folder ``celeba`` in torchvision's layout.
        download: Whether to download the files if they are missing; needs the package ``gdown``, of
            ``pip install 'lightning_gen[celeba]'``.
        cache_dir: Folder of the cache; None: ``$XDG_CACHE_HOME/lightning_gen`` or ``~/.cache/lightning_gen``.
        seed: Seed of the order of the training samples.
        num_workers: Processes that load batches.
        mirror: Whether training images are flipped horizontally with probability 1/2, anew in each epoch.

    Raises:
        InputError: An argument is out of range. Later: files are missing, or the cache cannot be written.
    """

    title = "CelebA"
    link = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
    files = ("celeba/list_eval_partition.txt", "celeba/img_align_celeba")

    def __init__(
        self,
        size: int = 64,
        batch_size: int = 64,
        data_dir: str = "data",
        download: bool = True,
        cache_dir: str | None = None,
        seed: int = 0,
        num_workers: int = 0,
        mirror: bool = False,
    ) -> None:
        at_least(1, "size", size)
        super().__init__(
            shape=(3, size, size),
            num_classes=None,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
            mirror=mirror,
        )
        self.size = size
        self.data_dir = data_dir
        self.download = download
        self.cache_dir = cache_dir

    def fetch(self, folder: Path) -> None:
        """Download with torchvision."""
        datasets.CelebA(str(folder), download=True)

    def splits(self) -> Splits:
        """Decode the images, or map the cache, and split them as published."""
        self.prepare_data()
        folder = self.place() / "celeba"
        names, parts = read_partition(folder / "list_eval_partition.txt")
        pictures, remedy = folder / "img_align_celeba", "replace {them} by that of CelebA's archive"
        images = decode(pictures, names, self.shape, remedy=remedy, cache_dir=self.cache_dir).pixels
        train, val, test = (ArrayDataset(images, rows=(parts == part).nonzero().squeeze(1)) for part in range(3))
        return Splits(train, val, test)


def read_partition(path: Path) -> tuple[list[str], Tensor]:
    """Read CelebA's list of splits: lines such as ``000001.jpg 0``.

    Returns:
        Names of the images, and for each 0 (training), 1 (validation) or 2 (test).

    Raises:
        InputError: The file cannot be read or has another format.
    """
    with explaining():
        text = path.read_text(errors="replace")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if any(len(line) != 2 or line[1] not in ("0", "1", "2") for line in lines):
        raise InputError(f"{path} is not CelebA's list of splits: download it again")
    return [name for name, _ in lines], torch.tensor([int(part) for _, part in lines])
