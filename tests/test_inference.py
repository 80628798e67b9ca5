"""How networks run that are applied: precision, compilation, and their pace."""

import contextlib
import math
import time
from types import SimpleNamespace

import pytest
import torch
from small_features import small_features
from torch import nn

from lightning_gen import GANModule, InputError
from lightning_gen.data import Digits
from lightning_gen.evaluation.samples import Source
from lightning_gen.inference import Inference, Pace
from lightning_gen.metrics import trained_extractor
from lightning_gen.networks import DCGANGenerator, DenseDiscriminator
from lightning_gen.objectives import NonSaturating

BF16 = Inference(precision="bf16-mixed")
COMPILED = Inference(compiled=True)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return GANModule(
        DCGANGenerator((1, 16, 16), 4, 8), DenseDiscriminator((1, 16, 16), widths=(8,)), NonSaturating(), ema=None
    ).eval()


def seeded():
    return torch.Generator().manual_seed(1)


def test_a_pace_counts_the_images_that_passed_but_those_of_the_first_batches(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    pace = Pace(left_out=1)
    assert math.isnan(pace.rate)
    for images, seconds in ((16, 30.0), (16, 0.5), (8, 0.3)):
        with pace.timed(images):
            clock.now += seconds
    assert (pace.images, pace.rate) == (24, pytest.approx(30))


def test_a_source_draws_what_its_model_draws_to_the_bit_and_in_bfloat16_nearly(module):
    drawn = module.sample(6, generator=seeded())
    assert torch.equal(Source(module).sample(6, None, seeded()), drawn)
    rounded = Source(module, inference=BF16).sample(6, None, seeded())
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - drawn).abs().max() < 0.05
    assert Inference().protocol == {}
    assert BF16.protocol == {"precision": "bf16-mixed"}


def test_features_in_bfloat16_are_no_features_in_float32_that_were_cached(tmp_path):
    images = torch.rand(20, 3, 8, 8, generator=seeded()) * 2 - 1
    features = small_features(tmp_path)
    exact = features.cached_features(lambda: [images], 20)
    narrow = features.running(BF16)
    found = narrow.cached_features(lambda: [images], 20)
    assert 0 < (found - exact).abs().max() < 0.02 * exact.abs().max()
    assert torch.equal(features.cached_features(lambda: [images], 20), exact)
    assert narrow.pace.images == 20, "they are computed once"
    assert narrow.cached_features(lambda: [images], 20).equal(found)
    assert narrow.pace.images == 20
    assert narrow.protocol == features.protocol | {"precision": "bf16-mixed"}


def test_the_classifier_in_bfloat16_has_a_cache_of_its_own_too(tmp_path):
    data = Digits(size=8)
    extractor = trained_extractor(data, cache_dir=str(tmp_path))
    images = data.scaled(data.test_set.__getitems__(list(range(40)))).x
    exact = extractor.cached_features(lambda: [images], 40)
    assert torch.equal(exact, extractor.module.features(images))
    narrow = extractor.running(BF16)
    assert 0 < (narrow.cached_features(lambda: [images], 40) - exact).norm() < 0.02 * exact.norm()
    assert (narrow.classes([images]) == extractor.classes([images])).double().mean() > 0.9


def has_compiler():
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        return bool(get_cpp_compiler())
    except Exception:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not has_compiler(), reason="torch needs a C++ compiler")
def test_compiled_networks_give_the_same_but_for_rounding(module, tmp_path):
    drawn = [module.sample(count, generator=seeded()) for count in (12, 5)]
    source = Source(module, inference=COMPILED)
    with source.placed():
        found = [source.sample(count, None, seeded()) for count in (12, 5)]
    torch.testing.assert_close(found, drawn, rtol=0, atol=1e-5)
    images = torch.rand(40, 3, 8, 8, generator=seeded()) * 2 - 1
    features = small_features(tmp_path)
    running = features.running(COMPILED)
    torch.testing.assert_close(running.features([images]), features.features([images]), rtol=0, atol=1e-5)
    assert running.pace.images == 24, "the batch in which the network is compiled does not count"
    assert running.protocol["compiled"] is True


def test_without_a_compiler_one_sentence_names_the_remedy(monkeypatch, tmp_path):
    from torch._inductor import config

    torch._dynamo.reset()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(config.cpp, "cxx", (None, "/no/compiler"))
    monkeypatch.setattr(config, "fx_graph_cache", False)
    network = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.LayerNorm(5))
    COMPILED.compile([network])
    with torch.no_grad(), contextlib.suppress(Exception):
        network(torch.ones(4, 3))
        pytest.skip("this torch compiles without the compiler of its settings, as 2.7 does")
    with pytest.raises(InputError, match=r"the networks cannot be compiled \(.*compiler.*\): leave out --compile"):
        COMPILED.run(network, torch.ones(4, 3))
