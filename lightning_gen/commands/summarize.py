"""The command ``summarize``: the sentences of a text that stand for it."""

from lightning_gen.applications import Trained
from lightning_gen.applications.summary import RELEVANCE, summary
from lightning_gen.commands.output import check_apart
from lightning_gen.errors import InputError
from lightning_gen.outputs import TEXT, check_product, writing
from lightning_gen.paths import expanded, written
from lightning_gen.ranges import SHARE
from lightning_gen.terminal import say


def summarize(
    checkpoint: str,
    file: str,
    sentences: int = 3,
    out: str | None = None,
    relevance: float = RELEVANCE,
    device: str = "auto",
    overwrite: bool = False,
) -> None:
    """Print the sentences of a text that stand for it, in their order, by an autoencoder of counts of words.

    Each sentence is coded. Those are chosen whose codes are near the centroid of all, and not near each other. Nothing
    is rewritten, and a text is best summarised by a model of texts of its language and field.

    Args:
        checkpoint: A checkpoint of autoencoder/words, or the folder of its run, such as runs/words.
        file: A file of text in UTF-8; lines may be broken anywhere, and empty ones part paragraphs.
        sentences: Number of sentences.
        out: A .txt file for the sentences, a line each; they are printed if left out.
        relevance: Weight of the nearness to the centroid, in [0, 1]; the rest is that of the distance from each other.
        device: Where the network runs, such as cpu or cuda; auto is a GPU if there is one.
        overwrite: Whether an older file is replaced.

    Raises:
        InputError: The model is none of counts of words, or the file is no text or has too few sentences.
    """
    if sentences < 1:
        raise InputError(f"--sentences must be at least 1, not {sentences}")
    if relevance not in SHARE:
        raise InputError(f"--relevance must be {SHARE.words}, not {relevance}")
    target = None if out is None else written(out)
    if target is not None:
        if target.suffix != TEXT.ending:
            raise InputError(f"--out {target} is a text: give a name that ends in {TEXT.ending}")
        check_product(target, TEXT, overwrite)
        check_apart([target], [file])
    found = summary(Trained.open(checkpoint, device), expanded(file), sentences, relevance)
    text = "\n".join(found.sentences)
    if target is None:
        say(text)
        return
    with writing(target) as opened:
        opened.write(f"{text}\n".encode())
    unknown = f", not from {found.without:,} without a word that the model knows" if found.without else ""
    say(f"{sentences:,} of {found.among:,} sentences in {target}{unknown}")
