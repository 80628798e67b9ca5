"""Scores of how abnormal a sample is to a model that was trained on normal ones."""

from abc import ABC, abstractmethod
from dataclasses import replace
from math import prod
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from lightning_gen.applications.inversion import Inversion
from lightning_gen.applications.trained import Trained, require_no_translator
from lightning_gen.augmentations import Dequantization
from lightning_gen.contexts import evaluating
from lightning_gen.data.decoder import MODES
from lightning_gen.errors import InputError
from lightning_gen.evaluation.likelihoods import dequantizes, elbos, features_of
from lightning_gen.media.png_size import png_bits
from lightning_gen.modules import Autoencoder
from lightning_gen.records import Batch
from lightning_gen.samplers import LatentDensity
from lightning_gen.spelling import suggest

SEED = 0
"""Seed of all noise, the same for each sample, so that no other sample changes its score."""


class AnomalyScore(ABC):
    """A number for each sample; higher means more abnormal.

    Attributes:
        meaning: What it is, with its unit, in words.
        uses_density: Whether it needs a density that was fitted to the codes of the training split.
        searches: Whether latents are searched for each sample, which takes seconds to minutes, and no encoder is asked.
    """

    meaning: ClassVar[str]
    uses_density: ClassVar[bool] = False
    searches: ClassVar[bool] = False

    def check(self, trained: Trained) -> None:
        """Check that a model has such a score.

        Raises:
            InputError: It has not.
        """
        require_no_translator(trained, "reconstructions to compare samples with")
        if not trained.module.reconstructs:
            raise InputError(
                f"{trained.path} holds a {type(trained.module).__name__}, and a GAN has no encoder to compare samples "
                "with: add --score inversion to search a latent for each sample, which is slow, or give the checkpoint "
                "of an autoencoder that was trained on normal samples"
            )

    @abstractmethod
    def of(self, module: Autoencoder, batch: Batch, density: LatentDensity | None) -> Tensor:
        """What the scores of samples are made of, float64 ``(n, parts)``, on the CPU.

        One part is the score. Several are added, each divided by its standard deviation over held-out samples.

        Args:
            module: The model, in evaluation mode.
            batch: Samples as the model sees them, on its device, without its input transform.
            density: The density of codes; None for scores that use none.
        """


class ReconstructionScore(AnomalyScore):
    """The mean squared error of the reconstruction, in the medium's `error_unit`: of pixels in [0, 1] for pictures."""

    meaning = "mean squared error of the reconstruction"

    def of(self, module: Autoencoder, batch: Batch, density: LatentDensity | None) -> Tensor:
        """The mean of `squared_errors` over the dimensions of each sample."""
        return squared_errors(module, batch).flatten(1).mean(1, keepdim=True).cpu()


class CodeScore(AnomalyScore):
    """The negative log-density of the code without noise, in nats, under a density of the training codes.

    The density is that of `CodeSampling.fit_sampler`, an estimate of q(z). Reconstructions do not matter to it, so it
    finds samples that the decoder rebuilds although none like them was trained on.
    """

    meaning = "negative log-density of the code in nats"
    uses_density = True

    def of(self, module: Autoencoder, batch: Batch, density: LatentDensity | None) -> Tensor:
        """-log q(z) of the codes without noise."""
        assert density is not None
        code = module.encode(transformed(module, batch).x, batch.labels)
        return -density.log_prob(code.flatten(1).cpu())[:, None]


class CombinedScore(AnomalyScore):
    """The sum of `ReconstructionScore` and `CodeScore`, each in its standard deviations over held-out samples.

    A sample may be abnormal by what the code leaves out, or by a code that no training sample has.
    """

    meaning = (
        "mean squared error of the reconstruction plus negative log-density of the code, each in its standard "
        "deviations over the held-out samples"
    )
    uses_density = True
    parts: ClassVar[tuple[AnomalyScore, ...]] = (ReconstructionScore(), CodeScore())

    def of(self, module: Autoencoder, batch: Batch, density: LatentDensity | None) -> Tensor:
        """Both scores side by side."""
        return torch.cat([part.of(module, batch, density) for part in self.parts], dim=1)


class BitsScore(AnomalyScore):
    """-ELBO in bits of the stored pixels, less the size of the picture as a PNG file in bits.

    A likelihood alone finds simple pictures normal whatever they are; the lossless size is what a model of all pictures
    would say. Each sample passes the model alone, with noise of the same seed.

    Input complexity and out-of-distribution detection with likelihood-based generative models, Serrà et al. 2020
    (https://arxiv.org/abs/1909.11480), equation 2
    """

    meaning = "-ELBO in bits less the size of the picture as PNG in bits"

    def check(self, trained: Trained) -> None:
        """Check that the model has a likelihood with a prior, of pictures.

        Raises:
            InputError: It has not.
        """
        super().check(trained)
        module, medium = cast(Autoencoder, trained.module), trained.medium
        if medium.dimensions != 2 or medium.step is None or module.data_shape[0] not in MODES:
            raise InputError(
                f"--score bits compares with the size of PNG files, and the model was trained on {medium.noun} of "
                f"shape {tuple(module.data_shape)}: take --score reconstruction or code"
            )
        labels = None if module.num_classes is None else torch.zeros(1, dtype=torch.int64, device=trained.device)
        example = Batch(torch.zeros(1, *module.data_shape, device=trained.device), labels, scaled=True)
        with torch.no_grad(), evaluating(module):
            levels = module.networks.bottleneck(features_of(module, example)).levels
        if not levels:
            raise InputError(
                f"--score bits needs a likelihood, and codes of {type(module.bottleneck).__name__} have no "
                "distribution: take --score reconstruction or code, or train autoencoder/vae"
            )

    def of(self, module: Autoencoder, batch: Batch, density: LatentDensity | None) -> Tensor:
        """-ELBO in bits less the lossless size."""
        shape, medium = tuple(module.data_shape), module.medium
        sizes = png_bits(medium.to_stored(batch.x))
        nats = torch.cat([-self._elbo(module, each) for each in batch.split(len(batch.x))]).double().cpu()
        return (module.likelihood.bits_per_dim(nats, shape, medium.step) * prod(shape) - sizes)[:, None]

    def _elbo(self, module: Autoencoder, sample: Batch) -> Tensor:
        """The ELBO of one sample ``(1,)``, in nats; of its dequantised pixels where the likelihood is a density."""
        generator = seeded(module)
        x = sample.x
        if not module.likelihood.discrete and not dequantizes(module):
            x = Dequantization()(x, generator)
        x = module.transform_input(x, generator)
        return elbos(module, replace(sample, x=x), generator)


class InversionScore(AnomalyScore):
    """The mean squared error of the nearest sample that a GAN makes, in the medium's `error_unit`; see `Inversion`.

    Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery, Schlegl et al. 2017
    (https://arxiv.org/abs/1703.05921), which adds the error of the discriminator's features to the score; here they
    only guide the search.
    """

    meaning = "mean squared error of the nearest sample of the GAN that was found"
    searches = True

    def check(self, trained: Trained) -> None:
        """Check that the model has latents to search.

        Raises:
            InputError: It has none.
        """
        require_no_translator(trained, "latents to search")
        if not trained.module.inverts:
            raise InputError(
                f"--score inversion searches latents of a GAN, and {trained.path} holds a "
                f"{type(trained.module).__name__}, which has an encoder: take --score reconstruction"
            )

    def of(self, module: Any, batch: Batch, density: LatentDensity | None) -> Tensor:
        """The error of the samples that were found, as the model makes them."""
        with torch.enable_grad():
            found = Inversion(module)(batch.x, batch.labels, "searching latents")
        x, output = module.medium.comparable(batch.x.double(), found.samples.double())
        return (output - x).square().flatten(1).mean(1, keepdim=True).cpu()


SCORES: dict[str, AnomalyScore] = {
    "reconstruction": ReconstructionScore(),
    "code": CodeScore(),
    "combined": CombinedScore(),
    "bits": BitsScore(),
    "inversion": InversionScore(),
}
"""The choices of ``detect --score``."""


def chosen_score(name: str) -> AnomalyScore:
    """The score of a name.

    Raises:
        InputError: There is none.
    """
    if name not in SCORES:
        raise InputError(f"there is no score '{name}'{suggest(name, SCORES)}: the scores are {', '.join(SCORES)}")
    return SCORES[name]


# a pass --------------------------------------------------------------------------------------------------------------


def squared_errors(module: Autoencoder, batch: Batch) -> Tensor:
    """The squared error of each value of the reconstructions, float64 ``(n, *shape)``, in the medium's `error_unit`."""
    seen = transformed(module, batch)
    output = module.reconstruct(seen.x, batch.labels)
    x, output = module.medium.comparable(seen.x.double(), output.double())
    return (output - x).square()


def transformed(module: Autoencoder, batch: Batch) -> Batch:
    """Samples after the model's input transform, which draws the same numbers for each of them."""
    if module.input_transform is None:
        return batch
    return replace(
        batch, x=torch.cat([module.transform_input(each.x, seeded(module)) for each in batch.split(len(batch.x))])
    )


def seeded(module: Autoencoder) -> torch.Generator:
    """A new source of random numbers on the device of a model, always in the same state."""
    return torch.Generator(module.device).manual_seed(SEED)
