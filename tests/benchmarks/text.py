"""Text: typos that are mended, bits a letter, and summaries, each beside what needs no network.

    python tests/benchmarks/text.py typos --folder runs/text --seeds 3
    python tests/benchmarks/text.py letters --folder runs/text --seeds 3
    python tests/benchmarks/text.py summaries --folder runs/text --seeds 3

The text is the documentation of the running Python, whose version and checksum are printed and recorded: other versions
give other numbers. All is held out but what is said to be not.

``typos`` mistypes the lines of the test split as ``autoencoder/typos`` does in training, and gives the character error
before and after: by the model; and by a dictionary, in which each word that the training split does not have becomes
the most frequent one of it at edit distance 1. ``of clean lines`` is what each changes in lines without typos.

``letters`` gives the bound of ``autoencoder/letters_vae`` in bits a letter of the test split, the END of a line counted
as one, and those of Witten and Bell's interpolated n-grams of the training split, which know the letters before.

``summaries`` chooses one sentence of each docstring of at least three, its first line left out, and compares it with
that first line: by ``autoencoder/words``, by the centroid of tf-idf, the first sentence, any (the mean over all), and
the one that is best for each score. The model was trained on sentences of the same docstrings, but never told which
belong together; ``--text numpy`` takes the docstrings of numpy, which it has not seen.

Runs that are in the folder are not trained again. With ``--record`` the figures go into ``results/`` and the pages.
"""

import argparse
import importlib
import json
import math
import platform
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean

import gallery
import torch
from tables import call

from lightning_gen import GenerativeModule
from lightning_gen.applications.summary import chosen, codes_of
from lightning_gen.applications.trained import Trained
from lightning_gen.augmentations import Typos
from lightning_gen.data import TextLines, WordCounts
from lightning_gen.data.corpus import docstrings, documented, sentences
from lightning_gen.evaluation.likelihoods import active_units, bound, divergence
from lightning_gen.media import Letters
from lightning_gen.metrics import character_error
from lightning_gen.metrics.text import rouge_each

Rows = dict[str, list[dict[str, float]]]
"""Rows of a table, with the figures of each seed."""

RATE, SEED = 0.1, 7
"""Share of the letters that are mistyped, and the seed of the typos."""
CONTEXTS = (2, 4, 6)
"""Letters that an n-gram knows."""
FEWEST = 3
"""Fewest sentences of a docstring that is summarised."""
WORD = re.compile(r"[A-Za-z]+")


def trained(recipe: str, folder: Path, seed: int) -> tuple[Path, float]:
    """The checkpoint of a trained model, and the CPU seconds that it took."""
    run = folder / f"{recipe}_seed_{seed}"
    if not (run / "trained.json").exists():
        options = ["--config", f"autoencoder/{recipe}", "--seed_everything", str(seed), "--trainer.accelerator", "cpu"]
        place = ["--name", run.name, "--runs_dir", str(folder)]
        seconds = call([sys.executable, "-m", "lightning_gen", "fit", *options, *place], folder / "log")
        (run / "trained.json").write_text(json.dumps({"cpu_seconds": seconds}))
    return run / "checkpoints" / "last.ckpt", json.loads((run / "trained.json").read_text())["cpu_seconds"]


# typos ---------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def typo_rows(options: argparse.Namespace, data: TextLines) -> Rows:
    """The rows of ``typos``."""
    medium, clean = data.medium, data.scaled(data.test_set[:]).x
    typed = Typos(RATE)(clean, torch.Generator().manual_seed(SEED))
    assert isinstance(medium, Letters)
    known = Dictionary(medium.lines_of(data.train_set[:].x))

    def corrected(x: torch.Tensor) -> torch.Tensor:
        lines = [known.mended(line)[: medium.length] for line in medium.lines_of(medium.to_stored(x))]
        return medium.to_model(medium.stored_of(lines))

    rows = {
        "nothing": [errors_of(lambda x: x, clean, typed)],
        "a dictionary at edit distance 1": [errors_of(corrected, clean, typed)],
        "`autoencoder/typos`": [],
    }
    for seed in range(options.seeds):
        path, seconds = trained("typos", options.folder, seed)
        module = GenerativeModule.load_from_checkpoint(path).eval()
        found = errors_of(lambda x: torch.cat([module.reconstruct(part) for part in x.split(256)]), clean, typed)  # noqa: B023
        rows["`autoencoder/typos`"].append({**found, "cpu_seconds": seconds})
    return rows


def errors_of(mend: Callable[[torch.Tensor], torch.Tensor], clean: torch.Tensor, typed: torch.Tensor) -> dict:
    """The character errors of mended lines, with typos and without."""
    return {
        "error": character_error([(clean, mend(typed))]).mean,
        "clean_error": character_error([(clean, mend(clean))]).mean,
    }


class Dictionary:
    """The words of lines, and what unknown ones may be.

    Args:
        lines: The lines that words are taken from.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.counts = Counter(word for line in lines for word in WORD.findall(line))
        self.nearest = cache(self._nearest)

    def mended(self, line: str) -> str:
        """A line, each word of it that is unknown replaced by the most frequent one at edit distance 1, if any."""
        return WORD.sub(lambda found: self.nearest(found[0]), line)

    def _nearest(self, word: str) -> str:
        if word in self.counts:
            return word
        return max(self._neighbours(word), key=lambda each: self.counts[each], default=word)

    def _neighbours(self, word: str) -> Iterator[str]:
        """Known words that one letter inserted, dropped, replaced or swapped with the next makes of a word."""
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for place in range(len(word) + 1):
            before, after = word[:place], word[place:]
            candidates = [before + letter + after for letter in letters]
            if after:
                candidates += [before + after[1:], *(before + letter + after[1:] for letter in letters)]
            if len(after) > 1:
                candidates.append(before + after[1] + after[0] + after[2:])
            yield from (each for each in candidates if each in self.counts)


# letters -------------------------------------------------------------------------------------------------------------


def letter_rows(options: argparse.Namespace, data: TextLines) -> Rows:
    """The rows of ``letters``."""
    assert isinstance(data.medium, Letters)
    train, test = (indices_of(data.medium, part[:].x) for part in (data.train_set, data.test_set))
    rows: Rows = {}
    for context in (0, *CONTEXTS):
        model = WittenBell(train, context, data.shape[0])
        rows[f"letters before: {context}, Witten-Bell" if context else "letters alone"] = [{"bits": model.bits(test)}]
    rows["`autoencoder/letters_vae`"] = found = []
    for seed in range(options.seeds):
        path, seconds = trained("letters_vae", options.folder, seed)
        module = GenerativeModule.load_from_checkpoint(path).eval()
        with torch.no_grad():
            parts = bound(module, data, 0).measurements + active_units(module, data, 0).measurements
            batches = data.scaled(data.test_set[:]).x.split(256)
            rates = torch.cat([divergence(*module.bottleneck(module.encoder(x)).levels) for x in batches])
            copies = [(x, module.reconstruct(x)) for x in batches]
        named = {each.name: each.value for each in parts}
        found.append(
            {
                "bits": named["bits_per_dim"],
                "rate": float(rates.mean()) / math.log(2) / fmean(map(len, test)),
                "active": named["active_units"],
                "error": character_error(copies).mean,
                "cpu_seconds": seconds,
            }
        )
    return rows


def indices_of(medium: Letters, stored: torch.Tensor) -> list[list[int]]:
    """The letters of each line, its END the last one."""
    return [[*(medium.alphabet.find(letter) + 2 for letter in line), 0] for line in medium.lines_of(stored)]


class WittenBell:
    """Interpolated n-grams of letters.

    p(letter | context) = (count + kinds · p(letter | shorter context)) / (all counts + kinds), kinds being the number
    of different letters that followed the context in training; the shortest is uniform.

    The zero-frequency problem, Witten and Bell 1991 (https://doi.org/10.1109/18.87000), method C.

    Args:
        lines: Letters of the training lines, each with its END.
        context: Letters before that are known; before a line there is a sign of its own.
        letters: Number of letters.
    """

    def __init__(self, lines: Sequence[Sequence[int]], context: int, letters: int) -> None:
        self.context, self.letters = context, letters
        self.counts: dict[tuple[int, ...], Counter[int]] = {}
        for line in lines:
            for before, letter in self._places(line):
                for length in range(context + 1):
                    self.counts.setdefault(before[context - length :], Counter())[letter] += 1
        self.totals = {before: counts.total() for before, counts in self.counts.items()}

    def _places(self, line: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
        padded = [-1] * self.context + list(line)
        for place, letter in enumerate(line):
            yield tuple(padded[place : place + self.context]), letter

    def probability(self, before: tuple[int, ...], letter: int) -> float:
        """p(letter | context), with as many letters before as the model knows."""
        found = 1 / self.letters
        for length in range(self.context + 1):
            context = before[self.context - length :]
            if (counts := self.counts.get(context)) is None:
                break
            found = (counts[letter] + len(counts) * found) / (self.totals[context] + len(counts))
        return found

    def bits(self, lines: Sequence[Sequence[int]]) -> float:
        """Mean -log2 p of the letters of lines, their ENDs included."""
        return fmean(-math.log2(self.probability(*each)) for line in lines for each in self._places(line))


# summaries -----------------------------------------------------------------------------------------------------------


def summary_rows(options: argparse.Namespace, pairs: Sequence[tuple[str, list[str]]]) -> Rows:
    """The rows of ``summaries``."""
    scores = [[rouge_each(first, sentence) for sentence in body] for first, body in pairs]
    rows: Rows = {
        "any sentence": [means([[fmean(kind) for kind in zip(*each, strict=True)] for each in scores])],
        "the first sentence": [means([each[0] for each in scores])],
        "the best for each score": [means([[max(kind) for kind in zip(*each, strict=True)] for each in scores])],
        "centroid of tf-idf": [],
        "`autoencoder/words`": [],
    }
    flat = [sentence for _, body in pairs for sentence in body]
    for seed in range(options.seeds):
        path, seconds = trained("words", options.folder, seed)
        model = Trained.open(path)
        medium = model.medium
        if not seed:
            weighed = medium.to_model(medium.counted(flat)).numpy()
            rows["centroid of tf-idf"].append(picked(weighed, scores))
        rows["`autoencoder/words`"].append({**picked(codes_of(model, flat), scores), "cpu_seconds": seconds})
    return rows


def picked(codes: "torch.Tensor", scores: Sequence[Sequence[Sequence[float]]]) -> dict[str, float]:
    """The means of the scores of one sentence a text, chosen by the codes of the sentences of all texts."""
    found, start = [], 0
    for each in scores:
        (place,) = chosen(codes[start : start + len(each)], 1)
        found.append(each[place])
        start += len(each)
    return means(found)


def means(scores: Sequence[Sequence[float]]) -> dict[str, float]:
    """The means of ROUGE-1, -2 and -L."""
    return {name: fmean(each) for name, each in zip(("rouge_1", "rouge_2", "rouge_l"), zip(*scores, strict=True))}  # noqa: B905


def pairs_of(texts: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The first line of each docstring, and the sentences after it, of those with at least three."""
    found = []
    for text in dict.fromkeys(texts):
        first, _, rest = text.strip().partition("\n\n")
        body = sentences(rest)
        if "\n" not in first and len(body) >= FEWEST:
            found.append((first, body))
    return found


def docstrings_of(package: str) -> list[str]:
    """The docstrings of an installed package, without its tests."""
    root = Path(next(iter(importlib.import_module(package).__path__)))
    files = [each for each in sorted(root.rglob("*.py")) if not {"test", "tests"} & set(each.relative_to(root).parts)]
    return [text for file in files for text in documented(file)]


# the tables ----------------------------------------------------------------------------------------------------------


def main() -> None:
    """Train what is missing, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("typos", "letters", "summaries"))
    parser.add_argument("--folder", type=Path, default=Path("runs") / "text", help="folder of runs")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each model")
    parser.add_argument("--text", help="an installed package whose docstrings are summarised")
    parser.add_argument("--record", action="store_true", help="store the figures and write the pages")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = WordCounts() if options.table == "summaries" else TextLines()
    data.setup()
    said = data.contents()[0]
    print(said, flush=True)
    setting = f"one thread, seeds 0 to {options.seeds - 1}" if options.seeds > 1 else "one thread, seed 0"
    if options.table == "summaries":
        pairs = pairs_of(docstrings_of(options.text) if options.text else docstrings())
        where = options.text or "Python"
        print(f"{len(pairs):,} docstrings of {where} with at least {FEWEST} sentences")
        rows = {f"{where}: {name}": found for name, found in summary_rows(options, pairs).items()}
        setting += f", {len(pairs):,} docstrings of {where}"
    elif options.table == "letters":
        rows = letter_rows(options, data)
    else:
        rows = typo_rows(options, data)
    figures = {label: merged(found) for label, found in rows.items()}
    print(gallery.measured(options.table, figures))
    if options.record:
        version = f"{setting}, {said}" if options.text else f"{setting}, Python {platform.python_version()}: {said}"
        gallery.record(options.table, figures, {}, version)


def merged(found: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """The figures of each seed, by name."""
    return {name: [each[name] for each in found] for name in found[0]} if found else {}


if __name__ == "__main__":
    main()
