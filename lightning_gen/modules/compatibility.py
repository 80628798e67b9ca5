"""Checks that the parts of a module fit each other."""

from collections.abc import Mapping, Sequence

from torch import nn

from lightning_gen import private
from lightning_gen.adversaries import AdaptiveWeight, DistributionMatching
from lightning_gen.augmentations import Degradation
from lightning_gen.bottlenecks import Bottleneck, GradientDescent
from lightning_gen.bottlenecks.vector_quantizer import CodebookQuantizer
from lightning_gen.errors import InputError
from lightning_gen.networks import AuxiliaryClassifier, Decoder, Discriminator, Encoder, Generator, Translator
from lightning_gen.objectives import (
    AdversarialObjective,
    AuxiliaryTerm,
    Classification,
    FeatureReconstruction,
    ImportanceWeightedBound,
    Likelihood,
    TranslationTerm,
)
from lightning_gen.records import Shape
from lightning_gen.regularizers import CodebookDistance, KLDivergence
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term
from lightning_gen.training.phases import check_apart


def likelihood_of(objective: Mapping[str, Term]) -> Likelihood:
    """The first likelihood of an objective: it defines how a decoder's output becomes a sample.

    Raises:
        InputError: There is none.
    """
    for term in objective.values():
        if isinstance(term, Likelihood):
            return term
    raise InputError(
        "no term of the objective defines how the decoder's output becomes a sample: add one of the likelihoods, such "
        "as reconstruction: BernoulliLikelihood (an objective in a file replaces all terms of the recipe below it, so "
        "name all there; --model.objective.kl.weight 4 changes a single one)"
    )


def check_autoencoder(
    encoder: Encoder, bottleneck: Bottleneck, decoder: Decoder, objective: Mapping[str, Term]
) -> None:
    """Check that encoder, bottleneck, decoder and objective fit each other.

    Raises:
        InputError: They are not.
    """
    name = type(bottleneck).__name__
    if tuple(encoder.shape) != tuple(decoder.shape):
        raise InputError(
            f"the encoder reads samples of shape {tuple(encoder.shape)} and the decoder gives {tuple(decoder.shape)}: "
            "build both for the shape of the data"
        )
    if encoder.features != bottleneck.features:
        raise InputError(
            f"the encoder gives {encoder.features} features and {name} with latent_dim {bottleneck.latent_dim} takes "
            f"{bottleneck.features}: set the encoder's features to that"
        )
    if decoder.latent_dim != bottleneck.latent_dim:
        raise InputError(
            f"{name} gives codes of {bottleneck.latent_dim} and the decoder reads {decoder.latent_dim}: set the "
            "decoder's latent_dim to that"
        )
    if encoder.map_size != decoder.map_size:
        raise InputError(
            f"the encoder gives features {encoder.map_size or 'without a map'} and the decoder reads codes "
            f"{decoder.map_size or 'without a map'}: take an encoder and a decoder of one family and one depth"
        )
    if encoder.num_classes != decoder.num_classes:
        raise InputError(
            f"the encoder is conditioned on {encoder.num_classes or 'no'} classes and the decoder on "
            f"{decoder.num_classes or 'no'}: give both a conditioning with the same num_classes, or neither"
        )
    check_likelihood(likelihood_of(objective), decoder)
    check_objective(objective, bottleneck)


def check_likelihood(likelihood: Likelihood, decoder: Decoder) -> None:
    """Check that a decoder's output has the channels that a likelihood reads.

    Raises:
        InputError: It does not.
    """
    if likelihood.pixels_only and len(decoder.shape) == 1:
        raise InputError(
            f"{type(likelihood).__name__} is for images between black and white and the data are points: use "
            "GaussianLikelihood, --model.objective.reconstruction GaussianLikelihood"
        )
    wanted = likelihood.outputs(decoder.shape[0])
    if decoder.output_shape[0] != wanted:
        raise InputError(
            f"{type(likelihood).__name__} reads {wanted} channels of the decoder's output and it has "
            f"{decoder.output_shape[0]}: set the decoder's outputs to {wanted}"
        )


def check_objective(objective: Mapping[str, Term], bottleneck: Bottleneck) -> None:
    """Check that the terms are for autoencoders, the codebook is trained, and those with a weight count nothing twice.

    Raises:
        InputError: They do not.
    """
    for name, term in objective.items():
        if not term.of_reconstructions:
            raise InputError(
                f"the term '{name}', {type(term).__name__}, is for translations, and an autoencoder translates none: "
                "leave it out"
            )
    terms = {name: term for name, term in objective.items() if term.weight != 0}
    bounds = [name for name, term in terms.items() if isinstance(term, ImportanceWeightedBound)]
    divergences = [name for name, term in terms.items() if isinstance(term, KLDivergence)]
    if bounds and divergences:
        raise InputError(
            f"the divergence from the prior is part of ImportanceWeightedBound and '{divergences[0]}' counts it again: "
            f"leave that term out, or only log it, --model.objective.{divergences[0]}.weight 0"
        )
    by_gradient = isinstance(bottleneck, CodebookQuantizer) and isinstance(bottleneck.learning, GradientDescent)
    if by_gradient and not any(isinstance(term, CodebookDistance) for term in terms.values()):
        raise InputError(
            "nothing trains a codebook that learns by GradientDescent: add the term CodebookDistance, "
            "--model.objective.codebook CodebookDistance, or take --model.bottleneck.learning MovingAverage"
        )


def check_generator(generator: Generator, discriminator: Discriminator) -> None:
    """Check that a generator and a discriminator can be trained against each other.

    Raises:
        InputError: They are built for different shapes or classes, or share weights.
    """
    if tuple(generator.shape) != tuple(discriminator.shape):
        raise InputError(
            f"the generator draws {tuple(generator.shape)} and the discriminator reads {tuple(discriminator.shape)}: "
            "build both for the same shape"
        )
    drawn, expected = generator.num_classes, discriminator.num_classes
    if drawn != expected:
        raise InputError(
            f"the generator is conditioned on {drawn or 'no'} classes and the discriminator on {expected or 'no'}: "
            "give both a conditioning with the same num_classes, or neither"
        )
    check_apart({"generator": generator, "discriminator": discriminator})


def check_adversarial_terms(discriminator: Discriminator, terms: Mapping[str, AuxiliaryTerm]) -> None:
    """Check that a discriminator with a classifier has the term that trains it, and no other has.

    Raises:
        InputError: It is not.
    """
    guesses = isinstance(discriminator.conditioning, AuxiliaryClassifier)
    learns = any(isinstance(term, Classification) for term in terms.values())
    if guesses and not learns:
        raise InputError(
            "AuxiliaryClassifier learns nothing without its term: add "
            "--model.terms '{classification: {class_path: Classification}}'"
        )
    if learns and not guesses:
        raise InputError(
            "the term Classification needs a discriminator with a classifier: set "
            "--model.discriminator.conditioning AuxiliaryClassifier, on data with labels"
        )


def check_discriminator(
    autoencoder: nn.Module,
    encoder: Encoder,
    bottleneck: Bottleneck,
    discriminator: Discriminator,
    matching: DistributionMatching,
) -> None:
    """Check that a discriminator reads the samples or codes that a matching compares.

    Raises:
        InputError: It does not, the prior is missing, or networks share weights.
    """
    name = type(matching).__name__
    wanted = matching.discriminator_shape(tuple(encoder.shape), bottleneck.latent_dim)
    if tuple(discriminator.shape) != wanted:
        raise InputError(
            f"{name} gives the discriminator {'codes' if matching.matches_codes else 'samples'} of shape {wanted} and "
            f"it reads {tuple(discriminator.shape)}: build it for that shape"
        )
    if matching.needs_prior and not bottleneck.has_prior:
        raise InputError(
            f"{name} draws codes from the prior and {type(bottleneck).__name__} has none: give the bottleneck one, "
            "such as IdentityBottleneck(prior=Normal()), or use GaussianBottleneck"
        )
    if discriminator.packing > 1:
        raise InputError(
            f"{name} needs one logit for each {'code' if matching.matches_codes else 'sample'} and the discriminator "
            f"packs {discriminator.packing} of them: set its packing to 1"
        )
    if discriminator.num_classes not in (None, encoder.num_classes):
        raise InputError(
            f"the discriminator is conditioned on {discriminator.num_classes} classes and the autoencoder on "
            f"{encoder.num_classes or 'none'}: give encoder and decoder a conditioning with the same num_classes, or "
            "leave the discriminator's out"
        )
    check_apart({"autoencoder": autoencoder, "discriminator": discriminator})


def check_adversarial_losses(
    discriminator: Discriminator,
    matching: DistributionMatching,
    weight: float | Schedule | AdaptiveWeight,
    terms: Mapping[str, AuxiliaryTerm],
) -> None:
    """Check that the adversarial losses of an autoencoder are defined for what the discriminator reads.

    Raises:
        InputError: It is not.
    """
    check_adversarial_terms(discriminator, terms)
    if matching.matches_codes and isinstance(weight, AdaptiveWeight):
        raise InputError(
            f"AdaptiveWeight compares gradients at the decoder and {type(matching).__name__} compares codes, which do "
            "not depend on it: give adversarial_weight a number or a schedule"
        )
    if matching.matches_codes and any(isinstance(term, FeatureReconstruction) for term in terms.values()):
        raise InputError(
            f"FeatureReconstruction compares samples with their reconstructions and {type(matching).__name__} compares "
            "codes: leave it out, or use GenerationMatching"
        )


def check_terms_of_translations(objective: Mapping[str, Term], translators: Sequence[Translator]) -> None:
    """Check that the terms of an objective are for translations, and that the translators bear more than one pass.

    Raises:
        InputError: They are not.
    """
    for name, term in objective.items():
        if not term.of_translations:
            raise InputError(
                f"the term '{name}', {type(term).__name__}, is for autoencoders, and a translation has no code and no "
                "likelihood: take AbsoluteError, CycleConsistency, IdentityMapping, PatchContrast or a perceptual term"
            )
    passed_again = any(isinstance(term, TranslationTerm) and term.weight != 0 for term in objective.values())
    if passed_again and any(private.batch_norms(network.modules()) for network in translators):
        raise InputError(
            "terms of the objective pass images of both domains through a translator, and BatchNorm would mix their "
            "statistics: use instance normalization, batch_norm false"
        )


def check_degradation(degradation: Degradation | None, translator: Translator) -> None:
    """Check that a translator reads what a degradation makes of the samples that it gives.

    Raises:
        InputError: It does not.
    """
    if degradation is None:
        return
    made, read = degradation.source_shape(tuple(translator.target_shape)), tuple(translator.shape)
    if tuple(made) != read:
        raise InputError(
            f"{type(degradation).__name__} makes sources of shape {tuple(made)} from images of shape "
            f"{tuple(translator.target_shape)} and the generator reads {read}: build it for these, with the scale of "
            "the degradation"
        )


def check_translator(
    translator: Translator,
    discriminator: Discriminator | None,
    shape: Shape,
    adversarial: AdversarialObjective | None,
) -> None:
    """Check that a translator and a discriminator can be trained against each other.

    Args:
        translator: The translator.
        discriminator: The discriminator, or None.
        shape: Shape of what the discriminator is shown.
        adversarial: Their losses.

    Raises:
        InputError: The discriminator is built for another shape, reads classes or several samples at a time, or one of
            discriminator and losses is missing.
    """
    if (discriminator is None) != (adversarial is None):
        lacks = "the adversarial losses have no discriminator"
        lacks = lacks if discriminator is None else "the discriminator has no adversarial losses"
        raise InputError(f"{lacks}: give both --model.discriminator and --model.adversarial, or neither")
    if discriminator is None:
        return
    if tuple(discriminator.shape) != tuple(shape):
        raise InputError(
            f"the discriminator is shown samples of shape {tuple(shape)} and reads {tuple(discriminator.shape)}: build "
            "it for that shape"
        )
    if discriminator.num_classes is not None:
        raise InputError("translations have no classes: leave out the discriminator's conditioning")
    if discriminator.packing > 1:
        raise InputError(
            f"a translation is judged alone and the discriminator packs {discriminator.packing}: set its packing to 1"
        )
    check_apart({"generator": translator, "discriminator": discriminator})
