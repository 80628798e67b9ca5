"""What an objective must hold for the bottleneck beside it."""

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.augmentations import Masking
from lightning_gen.bottlenecks import GradientDescent, MovingAverage, ResidualQuantizer, VectorQuantizer
from lightning_gen.networks import DenseEncoder
from lightning_gen.objectives import BernoulliLikelihood, HiddenPart, ImportanceWeightedBound
from lightning_gen.regularizers import CodebookDistance, Commitment, KLDivergence
from lightning_gen.schedules import Constant


def quantizing(autoencoder, bottleneck, **terms):
    encoder = DenseEncoder((1, 8, 8), bottleneck.features, widths=(16,))
    objective = {"reconstruction": BernoulliLikelihood(), "commitment": Commitment(), **terms}
    return autoencoder(encoder=encoder, bottleneck=bottleneck, objective=objective)


@pytest.mark.parametrize("quantizer", [VectorQuantizer, ResidualQuantizer])
@pytest.mark.parametrize("terms", [{}, {"codebook": CodebookDistance(0.0)}])
def test_a_codebook_that_nothing_would_train_is_refused(autoencoder, quantizer, terms):
    with pytest.raises(InputError, match=r"--model.objective.codebook CodebookDistance, or .* MovingAverage"):
        quantizing(autoencoder, quantizer(3, 8, GradientDescent()), **terms)


@pytest.mark.parametrize("learning", [None, MovingAverage()])
def test_a_codebook_of_averages_needs_no_term(autoencoder, learning):
    module = quantizing(autoencoder, VectorQuantizer(3, 8, learning))
    module.loss(module.reconstruction(torch.rand(4, 1, 8, 8), torch.Generator()))[0].backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@pytest.mark.parametrize("weight", [1.0, Constant(1.0, warmup_images=100)])
def test_a_codebook_has_a_gradient_from_its_term(autoencoder, weight):
    bottleneck = VectorQuantizer(3, 8, GradientDescent())
    module = quantizing(autoencoder, bottleneck, codebook=CodebookDistance(weight))
    module.loss(module.reconstruction(torch.rand(4, 1, 8, 8), torch.Generator()))[0].backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in bottleneck.parameters())


def bounded(autoencoder, weight):
    objective = {"bound": ImportanceWeightedBound(BernoulliLikelihood()), "divergence": KLDivergence(weight)}
    return autoencoder(variational=True, objective=objective)


@pytest.mark.parametrize("weight", [1.0, 0.1, Constant()])
def test_a_divergence_that_the_bound_holds_already_is_refused(autoencoder, weight):
    with pytest.raises(InputError, match=r"counts it again.*--model\.objective\.divergence\.weight 0"):
        bounded(autoencoder, weight)


def test_a_divergence_beside_the_bound_may_be_logged(autoencoder):
    module = bounded(autoencoder, 0.0)
    loss, terms = module.loss(module.reconstruction(torch.rand(4, 1, 8, 8), torch.Generator()))
    torch.testing.assert_close(loss, terms["bound"])


def test_other_wrapped_likelihoods_stand_beside_a_divergence(autoencoder):
    objective = {"hidden": HiddenPart(BernoulliLikelihood()), "kl": KLDivergence(0.5)}
    module = autoencoder(variational=True, objective=objective, corruption=Masking(0.5))
    loss, terms = module.loss(module.reconstruction(torch.rand(4, 1, 8, 8), torch.Generator()))
    torch.testing.assert_close(loss, terms["hidden"] + 0.5 * terms["kl"])


def test_without_a_likelihood_the_remedy_is_named_for_files_and_for_the_shell(autoencoder):
    with pytest.raises(InputError, match=r"reconstruction: BernoulliLikelihood .*--model\.objective\.kl\.weight 4"):
        autoencoder(variational=True, objective={"kl": KLDivergence(4.0)})
