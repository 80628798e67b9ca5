"""Data sets: `shape` and `num_classes` known before loading, uint8 in memory, scaled on the device, exact resume."""

from lightning_gen.data.audio_folder import AudioFolder
from lightning_gen.data.base import ArrayDataset, DataModule, Splits
from lightning_gen.data.digits import Digits
from lightning_gen.data.folder import ImageFolder
from lightning_gen.data.loader import Loader, Samples
from lightning_gen.data.mixture import GaussianMixture, Grid, Ring
from lightning_gen.data.mnist import EMNIST, KMNIST, MNIST, FashionMNIST
from lightning_gen.data.paired_folder import PairedFolder
from lightning_gen.data.photographs import CIFAR10, CIFAR100, STL10, SVHN, CelebA
from lightning_gen.data.plucks import Plucks
from lightning_gen.data.published import PublishedData, PublishedImages
from lightning_gen.data.series_file import SeriesFile
from lightning_gen.data.sines import Sines
from lightning_gen.data.solids import Solids
from lightning_gen.data.sprites import Sprites
from lightning_gen.data.stacked import StackedDigits, StackedImages, StackedMNIST
from lightning_gen.data.tensors import Tensors
from lightning_gen.data.text_lines import TextLines
from lightning_gen.data.unpaired_folder import UnpairedFolder
from lightning_gen.data.volume_folder import VolumeFolder
from lightning_gen.data.word_counts import WordCounts

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "MNIST",
    "STL10",
    "SVHN",
    "ArrayDataset",
    "AudioFolder",
    "CelebA",
    "DataModule",
    "Digits",
    "FashionMNIST",
    "GaussianMixture",
    "Grid",
    "ImageFolder",
    "Loader",
    "PairedFolder",
    "Plucks",
    "PublishedData",
    "PublishedImages",
    "Ring",
    "Samples",
    "SeriesFile",
    "Sines",
    "Solids",
    "Splits",
    "Sprites",
    "StackedDigits",
    "StackedImages",
    "StackedMNIST",
    "Tensors",
    "TextLines",
    "UnpairedFolder",
    "VolumeFolder",
    "WordCounts",
]
