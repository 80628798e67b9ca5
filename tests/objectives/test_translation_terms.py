"""The terms of translations against closed forms and an independent implementation."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from lightning_gen.errors import InputError
from lightning_gen.networks import ResNetTranslator, UNet
from lightning_gen.objectives import AbsoluteError, CycleConsistency, IdentityMapping, PatchContrast
from lightning_gen.records import Translated, Translation

SHAPE = (1, 8, 8)


def record(translate=lambda x: x + 0.5, back=lambda x: x - 0.25, features=None, target=None, names=()):
    """The translation of two images by given functions."""
    x = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    features = features or (lambda x, names: {})

    def made(x):
        return Translated(translate(x), features(x, names))

    target = x * 0 + 0.1 if target is None else target
    return Translation(x, made(x), made, features, target, back, torch.Generator().manual_seed(2))


def test_differences_are_means_over_all_numbers():
    of = record()
    assert float(CycleConsistency()(of)) == pytest.approx(0.25), "x + 0.5 - 0.25 is 0.25 from x"
    assert float(IdentityMapping()(of)) == pytest.approx(0.5), "G moves a target by 0.5"
    expected = sum(abs(float(v) + 0.5 - 0.1) for v in of.source.flatten()) / of.source.numel()
    assert float(AbsoluteError()(of)) == pytest.approx(expected, rel=1e-5)


def test_a_pass_is_made_when_a_term_asks_and_once():
    calls = []

    def translate(x):
        calls.append(x)
        return x

    of = record(translate)
    assert len(calls) == 1
    AbsoluteError()(of)
    assert len(calls) == 1
    IdentityMapping()(of), IdentityMapping()(of)
    assert len(calls) == 2
    assert torch.equal(calls[1], of.target), "it is the target that has to stay"


def test_what_lacks_is_named():
    with pytest.raises(InputError, match="use CycleTranslationModule, or leave CycleConsistency out"):
        CycleConsistency()(record(back=None))
    with pytest.raises(InputError, match=r"a target of shape \(3, 16, 16\) cannot be translated as a source"):
        IdentityMapping()(record(target=torch.zeros(2, 3, 16, 16)))


# PatchContrast --------------------------------------------------------------------------------------------------------


def contrast(**options):
    network = ResNetTranslator(SHAPE, width=4, blocks=2, antialias=True)
    term = PatchContrast(maps=["pixels", "down2", "block1"], width=8, **options)
    term.build(network.feature_channels)
    with torch.no_grad():  # far from the start, where all positions look alike
        for part in term.projections.parameters():
            part.normal_(generator=torch.Generator().manual_seed(part.numel()))
    return network, term


def of_network(network, term, translate=None):
    names = term.feature_names

    def features(x, asked):
        return dict(zip(asked, network.features(x, asked), strict=True))

    target = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(5))
    return record(translate or network, None, features, target, names)


@pytest.mark.parametrize("positions", [7, 10_000])
@pytest.mark.parametrize("identity", [False, True])
def test_it_is_the_cross_entropy_of_cosines_position_by_position(positions, identity):
    network, term = contrast(positions=positions, identity=identity)
    of = of_network(network, term)
    got = term(of).item()
    rng = torch.Generator().manual_seed(2)
    passes = [(of.samples, of.output.features)] + ([(of.same.samples, of.same.features)] if identity else [])
    values = []
    for samples, keys in passes:
        queries = network.features(samples, term.feature_names)
        for name, q in zip(term.feature_names, queries, strict=True):
            places = torch.randperm(q[0, 0].numel(), generator=rng)[:positions].tolist()
            project = term.projections[name]
            for image in range(2):
                columns = [divmod(place, q.shape[3]) for place in places]
                ours = [project(q[image, :, row, column]) for row, column in columns]
                theirs = [project(keys[name][image, :, row, column]) for row, column in columns]
                for index, query in enumerate(ours):
                    logits = [float(cosine_similarity(query, key, dim=0)) / term.temperature for key in theirs]
                    values.append((name, math.log(sum(math.exp(each) for each in logits)) - logits[index]))
    means = [sum(v for n, v in values if n == name) / sum(n == name for n, _ in values) for name in term.feature_names]
    assert got == pytest.approx(sum(means) / len(means), rel=1e-4)


def test_where_all_positions_look_alike_it_is_the_logarithm_of_their_number():
    network, term = contrast(positions=32, identity=False)

    def flat(x, asked):
        return {name: torch.ones(2, network.feature_channels[name], 8, 8) for name in asked}

    assert float(term(record(features=flat, names=term.feature_names))) == pytest.approx(math.log(32), rel=1e-5)


def test_keys_get_no_gradient_and_queries_and_projections_do():
    network, term = contrast(positions=16, identity=False)
    of = of_network(network, term)
    leaves = {name: each.detach().requires_grad_() for name, each in of.output.features.items()}
    queries = of.samples.detach().requires_grad_()
    term.of(of, queries, leaves).backward()
    assert all(each.grad is None for each in leaves.values())
    assert queries.grad.abs().sum() > 0
    assert all(each.grad.abs().sum() > 0 for each in term.projections.parameters() if each.dim() == 2)


def test_an_untouched_image_matches_itself_best():
    network, term = contrast(positions=64, identity=False, temperature=0.001)
    same = float(term(of_network(network, term, lambda x: x)))
    mixed = float(term(of_network(network, term, lambda x: x.flip(-1))))
    assert same < mixed / 2


def test_a_translator_without_the_maps_is_refused():
    with pytest.raises(InputError, match="has no maps of features, which PatchContrast compares: use ResNetTranslator"):
        PatchContrast().build(UNet(SHAPE, width=4).feature_channels)
    with pytest.raises(InputError, match="has no map 'layer9', which PatchContrast compares: name some of pixels"):
        PatchContrast(maps=["layer9"]).build(ResNetTranslator(SHAPE, width=4, blocks=1).feature_channels)
