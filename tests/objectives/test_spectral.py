"""The distance of sounds in mel spectra as a term."""

import math

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.objectives import MelDistance
from lightning_gen.records import Code, Reconstruction


def record_of(x, samples):
    code = Code(torch.zeros(len(x), 1), torch.zeros(len(x), 1))
    return Reconstruction(x, code, samples)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("length", [500, 4096])
def test_half_as_loud_counts_log10_of_2_for_each_number(length):
    x = noise(3, 1, length)
    found = float(MelDistance(8000)(record_of(x, x / 2)))
    assert found / length == pytest.approx(math.log10(2), rel=2e-3)
    assert MelDistance(8000)(record_of(x, x)) == 0


def test_a_shift_of_the_phase_is_heard_less_than_another_sound():
    x = noise(2, 1, 4096)
    term = MelDistance(8000)
    assert term(record_of(x, -x)) < 1e-2
    assert term(record_of(x, x.roll(1, 2))) < term(record_of(x, noise(2, 1, 4096, seed=1))) / 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_even_for_silence(dtype):
    x = torch.zeros(1, 1, 512)
    samples = torch.zeros(1, 1, 512, dtype=dtype, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        loss = MelDistance(8000)(record_of(noise(1, 1, 512) if dtype is torch.float32 else x, samples))
    loss.backward()
    assert samples.grad.isfinite().all()


def test_half_precision_around_it_changes_nothing():
    x, samples = noise(2, 1, 1024), noise(2, 1, 1024, seed=1)
    expected = MelDistance(8000)(record_of(x, samples))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(MelDistance(8000)(record_of(x, samples)), expected)


def test_descent_brings_a_sound_nearer():
    x, term = noise(1, 1, 512), MelDistance(8000, windows=(64, 256), bands=(8, 32))
    samples = noise(1, 1, 512, seed=1).requires_grad_()
    optimizer = torch.optim.Adam([samples], lr=0.05)
    first = float(term(record_of(x, samples)))
    for _ in range(50):
        optimizer.zero_grad()
        term(record_of(x, samples)).backward()
        optimizer.step()
    assert float(term(record_of(x, samples))) < first / 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"windows": (32,), "bands": (30,)}, r"leaves some of 30 mel bands .*: take a window of \d+ samples"),
        ({"windows": (32,)}, r"1 windows and 7 numbers of bands"),
        ({"floor": 0}, r"floor"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        MelDistance(8000, **settings)
