"""Figures of a trained model on the test split, each beside its floor or ceiling and with its protocol."""

from lightning_gen.commands.output import output_file, show
from lightning_gen.commands.samplers import chosen_sampler
from lightning_gen.commands.trained import Trained
from lightning_gen.data import DataModule
from lightning_gen.evaluation import assess
from lightning_gen.evaluation.assessment import check_numbers
from lightning_gen.evaluation.compatibility import check_shape


def evaluate(
    checkpoint: str,
    data: DataModule | None = None,
    output: str | None = None,
    seed: int = 0,
    samples: int | None = None,
    draws: int | None = None,
    extractor: bool = True,
    sampler: str | None = None,
) -> None:
    """Measure a trained model on the test split and print the figures with their protocol.

    Autoencoders, in one table beside PCA of the same width and raw pixels: error of reconstruction, bounds on the
    likelihood, use of the code and of codebooks, and how well classes can be told from codes; on Sprites also
    disentanglement. Models that can draw: distance of their samples from real ones, beside that of two real sets. On
    pictures with labels also Fréchet distance, precision and recall in the features of a small classifier that is
    trained on the data; on stacked digits, and on mixtures of Gaussians, which modes they found and how evenly they
    draw them.

    Args:
        checkpoint: A checkpoint, such as runs/dcgan/checkpoints/last.ckpt.
        data: What to evaluate on, such as Digits; that of the training if left out.
        output: A JSON file for the same figures and their card.
        seed: The same seed draws the same samples.
        samples: Samples drawn to count modes; 100,000 on mixtures of Gaussians and 26,000 on stacked digits if left
            out.
        draws: Codes of each test sample that log p(x) of a variational autoencoder is estimated with; at most 5,000 if
            left out.
        extractor: Whether to train a classifier of the data, some seconds to minutes the first time, for the figures
            that need one.
        sampler: What the codes of an autoencoder's samples are drawn from, as for ``sample``: prior, gmm or flow; its
            prior if left out. One that the checkpoint does not keep is fitted first.

    Raises:
        InputError: The checkpoint or the data cannot be read, or do not fit each other.
    """
    target = output_file(output, "evaluation.json")
    trained = Trained.open(checkpoint)
    data = data or trained.data()
    check_numbers(samples, draws)
    check_shape(trained.module, data)
    fitted = chosen_sampler(trained, sampler, data)
    show(assess(trained.module, data, seed, samples, draws, extractor, checkpoint, fitted), target)
