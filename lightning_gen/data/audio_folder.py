"""A folder of sounds as a data set: flat, with a sub-folder for each class, or for each split."""

from functools import cached_property

from lightning.pytorch.utilities import rank_zero_warn

from lightning_gen.data.base import DataModule, Splits, at_least, check_fractions
from lightning_gen.data.cache import OnError
from lightning_gen.data.layout import Layout
from lightning_gen.data.listing import Listing
from lightning_gen.data.sorted_files import SortedFiles
from lightning_gen.data.sound_cache import Cutting, DecodedSounds, decode_sounds
from lightning_gen.errors import InputError
from lightning_gen.media.sound import Sound
from lightning_gen.media.sound_files import ENDINGS, LEAST_RATE, MOST_RATE, require_packages
from lightning_gen.paths import expanded


class AudioFolder(DataModule):
    """The sounds in a folder and its sub-folders, cut into windows of one length and kept in a cache outside of it.

    Files may be WAV, FLAC, OGG or MP3, of any length, rate and number of channels: rates are converted by soxr, and
    one channel is the mean of all. A file gives windows that begin at fixed places, the last of which ends where the
    file ends; one that is shorter than a window is padded with its last value. Windows of silence are left out. Files
    are split, and not windows, so that no part of a file of the test split is in the training split.

    Sub-folders are classes, or splits, as in `ImageFolder`. The extra ``sound`` installs the readers.

    Attributes:
        folder: Path of the folder.
        rate: Samples a second.
        length: Samples in a window.
        channels: 1 for the mean of all channels; more for files that have as many.
        overlap: Share of a window that the next one covers too, at least; in [0, 1). The cache holds each window.
        silence_db: Windows whose root mean square is below it are left out, in dB of full scale; None to keep all.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the files for the validation split, in [0, 1); at least one file unless 0. Ignored
            if the split has a folder.
        test_fraction: Fraction of the files for the test split, likewise.
        seed: Seed of the splits and of the order of the training samples.
        num_workers: Processes that load batches.
        cache_dir: Folder of the cache, 2 * channels * length bytes for each window; None:
            ``$XDG_CACHE_HOME/lightning_gen`` or ``~/.cache/lightning_gen``. It may be deleted at any time between runs.
        on_error: What happens if files cannot be read: "raise" raises an error that names them, after all others were
            decoded; "skip" leaves them out and warns.
        reasons: The files that were left out, each with the reason, after ``setup``.

    Raises:
        InputError: A number is out of range, or a package is missing. Later: the folder is missing or has no sound,
            there are sounds beside its splits, a file cannot be read, all are silent, or the cache cannot be written.
    """

    def __init__(
        self,
        folder: str,
        rate: int = 8000,
        length: int = 4096,
        channels: int = 1,
        overlap: float = 0.0,
        silence_db: float | None = -60.0,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
        cache_dir: str | None = None,
        on_error: OnError = "raise",
    ) -> None:
        for name, number in (("length", length), ("channels", channels)):
            at_least(1, name, number)
        if not LEAST_RATE <= rate <= MOST_RATE:
            raise InputError(f"--data.rate must be from {LEAST_RATE:,} to {MOST_RATE:,} samples a second, not {rate:,}")
        if not 0 <= overlap < 1:
            raise InputError(f"--data.overlap must be at least 0 and less than 1, not {overlap}")
        check_fractions(val_fraction, test_fraction)
        super().__init__(
            shape=(channels, length), num_classes=None, batch_size=batch_size, seed=seed, num_workers=num_workers
        )
        self.folder = folder
        self.rate = rate
        self.length = length
        self.channels = channels
        self.overlap = overlap
        self.silence_db = silence_db
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.cache_dir = cache_dir
        self.on_error = on_error
        self.medium = Sound(rate, channels)
        self.reasons: dict[str, str] = {}
        self._sounds: DecodedSounds | None = None
        self._names: list[str] = []

    @cached_property
    def files(self) -> SortedFiles:
        """The sounds of the folder, by split and class."""
        return SortedFiles(self.folder, ENDINGS, "sound")

    @property
    def listing(self) -> Listing:
        """The sounds and the other files in the folder."""
        return self.files.listing

    @property
    def layout(self) -> Layout:
        """The splits and classes of the files by their sub-folders.

        Raises:
            InputError: There are sounds beside the splits.
        """
        return self.files.layout

    @property
    def classes(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """Names of the class sub-folders, sorted; None if some training file is in none."""
        return tuple(self.layout.classes) or None

    @property
    def num_classes(self) -> int | None:
        """Number of class sub-folders, by listing the folder; None if there are none."""
        return len(self.layout.classes) or None

    @num_classes.setter
    def num_classes(self, value: int | None) -> None:
        """Ignored: the folder determines it."""

    def prepare_data(self) -> None:
        """Decode the files, unless they are in the cache."""
        _ = self.layout  # raises InputError before minutes of decoding
        self._decode()

    def splits(self) -> Splits:
        """Map the cache and split the files that have windows."""
        self._sounds = sounds = self._decode()
        self.reasons = sounds.skipped
        if self.reasons:
            reason = next(iter(self.reasons.values()))
            rank_zero_warn(
                f"left out {len(self.reasons)} of {len(sounds.files)} files that cannot be read, such as: {reason}"
            )
        self._names = [
            name if file.frames <= self.length else f"{name}@{start}"
            for name, file in sounds.files.items()
            for start in file.starts
        ]
        counts = [len(file.starts) for file in sounds.files.values()]
        if not any(count and place.split == "train" for count, place in zip(counts, self.layout.places, strict=True)):
            raise InputError(f"no training file in {self.folder} has a sound: look at them, or name another folder")
        return self.files.deal(sounds.windows, counts, self.val_fraction, self.test_fraction, self.seed)

    def sample_names(self, split: str) -> list[str]:
        """The file of each window of a split with its first sample, as in ``speech.wav@4096``, in its order; after
        ``setup``.
        """
        return [self._names[row] for row in getattr(self, f"{split}_set").rows.tolist()]

    def contents(self) -> list[str]:
        """What was found: files, classes, and all that was left out, padded, converted or shorter than stated."""
        assert self._sounds is not None
        files = [file for file in self._sounds.files.values() if file.problem is None]
        seconds = sum(file.frames for file in files) / self.rate
        lines = [f"{len(files):,} files of {seconds / 60:,.1f} minutes"]
        lines += self.files.classes_of(self.train_set)
        rates = self._sounds.rates
        if set(rates) != {self.rate}:
            found = ", ".join(f"{count:,} of {rate:,} Hz" for rate, count in sorted(rates.items()))
            lines.append(f"files are converted to {self.rate:,} Hz: {found}")
        counted = {
            f"windows are left out, as they are below {self.silence_db} dB": sum(file.silent for file in files),
            f"files are shorter than {self.length:,} samples and padded": sum(
                file.frames < self.length for file in files
            ),
            # resampling rounds a length down or up, and what headers state is rounded up
            "files are shorter than their headers state": sum(file.frames + 1 < file.stated for file in files),
        }
        lines += [f"{count:,} {what}" for what, count in counted.items() if count]
        return lines + self.files.others()

    def _decode(self) -> DecodedSounds:
        require_packages()
        cutting = Cutting(self.rate, self.length, self.channels, self.overlap, self.silence_db)
        return decode_sounds(
            expanded(self.folder), self.listing.names, cutting, on_error=self.on_error, cache_dir=self.cache_dir
        )
