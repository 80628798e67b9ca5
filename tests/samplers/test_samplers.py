"""Latent samplers: densities that are densities, and that fit."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from sklearn.datasets import make_moons
from sklearn.mixture import GaussianMixture

from lightning_gen import InputError
from lightning_gen.checkpoint.samplers import described, rebuilt, weights_key
from lightning_gen.samplers import DENSITIES, SAMPLERS, FlowSampler, GaussianMixtureSampler, RectifiedFlowSampler
from lightning_gen.samplers import flow as flow_module
from lightning_gen.samplers import rectified_flow as rectified_flow_module


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def clusters(n=3000):
    """Three Gaussians in four dimensions, far from 0 and of unlike widths."""
    rows = torch.arange(n) % 3
    centres = torch.tensor([[40.0, -3, 0, 1], [52, 3, 0.1, -1], [40, 9, -0.1, 5]])
    skew = torch.tensor([[2.0, 0, 0, 0], [1, 0.5, 0, 0], [0, 0, 0.01, 0], [0, 0, 0, 1]])
    return centres[rows] + torch.randn(n, 4, generator=seeded()) @ skew.T


def moons(n=2000):
    return torch.from_numpy(make_moons(n, noise=0.05, random_state=0)[0]).float() * torch.tensor([3.0, 20.0]) + 7


SMALL = {
    GaussianMixtureSampler: lambda: GaussianMixtureSampler(3),
    FlowSampler: lambda: FlowSampler(transforms=2, widths=(32,), updates=300, batch_size=64, learning_rate=5e-3),
    RectifiedFlowSampler: lambda: RectifiedFlowSampler(width=32, updates=500, batch_size=128, learning_rate=5e-3),
}


@pytest.fixture(params=list(SMALL), ids=lambda kind: kind.__name__)
def small(request):
    """A small sampler of each class that can be named."""
    return SMALL[request.param]()


@pytest.fixture(params=list(DENSITIES.values()), ids=lambda kind: kind.__name__)
def density(request):
    """A small sampler of each class that knows a density."""
    return SMALL[request.param]()


def test_every_name_has_a_class_that_is_tested_here():
    assert {kind for kind in SAMPLERS.values() if kind is not None} == set(SMALL)


def test_draws_have_the_moments_of_the_codes(small):
    codes = clusters()
    small.fit(codes, seeded())
    drawn = small.draw(4000, seeded(1))
    assert (drawn.shape, drawn.dtype) == ((4000, 4), torch.float32)
    spread = codes.std(0)
    assert ((drawn.mean(0) - codes.mean(0)) / spread).abs().max() < 0.15
    assert (drawn.std(0) / spread - 1).abs().max() < 0.15


def test_the_same_seeds_fit_and_draw_the_same(small):
    first, second = small, SMALL[type(small)]()
    for sampler, state in ((first, 5), (second, 6)):
        torch.manual_seed(state)  # the global state does not matter, and is left alone
        before = torch.get_rng_state()
        sampler.fit(clusters(300), seeded())
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.draw(9, seeded(1)), second.draw(9, seeded(1)))
    assert not torch.equal(first.draw(9, seeded(1)), second.draw(9, seeded(2)))


def test_generators_of_other_devices_are_left_alone(small, monkeypatch):
    """torch.manual_seed seeds them all, and no fork of the CPU's state would set them back."""

    def seeded_anew(seed):
        raise AssertionError("the generators of all GPUs were seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded_anew)
    small.fit(clusters(300), seeded())
    rebuilt(type(small), described(small))


def test_draws_of_a_flow_do_not_depend_on_how_many_pass_through_it_at_a_time(monkeypatch):
    flow = SMALL[FlowSampler]()
    flow.fit(clusters(300), seeded())
    whole = flow.draw(50, seeded(1))
    monkeypatch.setattr(flow_module, "CHUNK", 7)
    torch.testing.assert_close(flow.draw(50, seeded(1)), whole, rtol=1e-5, atol=1e-4)


def test_plain_data_give_a_sampler_back_to_the_bit(small, tmp_path):
    small.fit(clusters(300), seeded())
    small.encoded_by = "weights"
    torch.save(described(small), tmp_path / "sampler.pt")
    before = torch.get_rng_state()
    loaded = rebuilt(type(small), torch.load(tmp_path / "sampler.pt", weights_only=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(loaded.draw(9, seeded(1)), small.draw(9, seeded(1)))
    assert loaded.encoded_by == "weights"


def test_samplers_of_checkpoints_before_codes_had_shapes_are_read():
    sampler = SMALL[GaussianMixtureSampler]()
    sampler.fit(clusters(300), seeded())
    stored = described(sampler)
    del stored["shape"]
    assert torch.equal(rebuilt(GaussianMixtureSampler, stored).draw(9, seeded(1)), sampler.draw(9, seeded(1)))


def test_plain_data_give_a_density_back_to_the_bit(density):
    density.fit(clusters(300), seeded())
    loaded = rebuilt(type(density), described(density))
    assert torch.equal(loaded.log_prob(clusters(9)), density.log_prob(clusters(9)))


def test_the_mixtures_density_is_scikit_learns():
    codes = clusters()
    sampler = GaussianMixtureSampler(3)
    sampler.fit(codes, seeded())
    scaled = ((codes.double() - sampler.centre) / sampler.spread).numpy()
    reference = GaussianMixture(3, max_iter=300)
    reference.weights_, reference.means_ = sampler.weights.numpy(), sampler.means.numpy()
    precisions = torch.linalg.inv(sampler.factors)
    reference.precisions_cholesky_ = precisions.mT.numpy()
    expected = reference.score_samples(scaled) - np.log(codes.double().std(0, correction=0).numpy()).sum()
    np.testing.assert_allclose(sampler.log_prob(codes).numpy(), expected, rtol=1e-9)


def test_the_mixture_draws_each_component_with_its_own_moments():
    codes = clusters(6000)
    sampler = GaussianMixtureSampler(3)
    sampler.fit(codes, seeded())
    drawn = sampler.draw(6000, seeded(1))
    labels = torch.arange(6000) % 3
    middles = torch.stack([codes[labels == k].mean(0) for k in range(3)])
    for k in range(3):  # the clusters are far apart, so the nearest one is where a draw came from
        own = drawn[torch.cdist(drawn / codes.std(0), middles / codes.std(0)).argmin(1) == k]
        assert len(own) / 6000 == pytest.approx(1 / 3, abs=0.03)
        torch.testing.assert_close(own.mean(0), middles[k], rtol=0, atol=0.25)
        torch.testing.assert_close(own.T.cov(), codes[labels == k].T.cov(), rtol=0.15, atol=0.25)


def grid(low, high, steps):
    axes = [torch.linspace(low[i], high[i], steps) for i in range(2)]
    area = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    return torch.cartesian_prod(*axes), float(area)


def test_densities_integrate_to_1(density):
    codes = moons()
    density.fit(codes, seeded())
    width = codes.std(0) * 5
    points, area = grid(codes.mean(0) - width, codes.mean(0) + width, 300)
    with torch.no_grad():
        assert float(density.log_prob(points).exp().sum()) * area == pytest.approx(1, abs=0.01)


def test_the_flow_explains_two_moons_better_than_a_gaussian():
    codes, held_out = moons()[:1500], moons()[1500:]
    flow, gaussian = SMALL[FlowSampler](), GaussianMixtureSampler(1)
    flow.fit(codes, seeded())
    gaussian.fit(codes, seeded())
    assert flow.log_prob(held_out).mean() > gaussian.log_prob(held_out).mean() + 0.5


def test_a_number_that_never_changes_is_drawn_as_it_is(small):
    codes = clusters(300)
    codes[:, 2] = 5.0
    small.fit(codes, seeded())
    torch.testing.assert_close(small.draw(50, seeded())[:, 2], torch.full((50,), 5.0), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        (torch.full((50, 2), float("nan")), "not finite"),
        (torch.ones(50, 2), "all codes are equal"),
    ],
    ids=["nan", "equal"],
)
def test_codes_without_a_density_are_refused(small, codes, sentence):
    with pytest.raises(InputError, match=sentence):
        small.fit(codes, seeded())


def test_codes_that_are_too_wide_are_refused_with_the_sampler_that_takes_them(density):
    with pytest.raises(InputError, match=r"1,025 numbers are too wide .* rectified_flow\), or .* smaller latent_dim"):
        density.fit(torch.randn(50, 1025), seeded())
    with pytest.raises(InputError, match=r"65,537 numbers are too wide .*: train with a smaller latent_dim"):
        RectifiedFlowSampler().fit(torch.randn(50, 65537), seeded())


@pytest.mark.parametrize("shape", [(3,), (2, 30), (4, 16, 16), (4, 7, 5), (2, 5, 4, 3), (1, 40, 36)], ids=str)
def test_a_rectified_flow_takes_codes_of_any_shape(shape):
    codes = torch.randn(20, *shape, generator=seeded())
    sampler = RectifiedFlowSampler(width=16, updates=2, batch_size=4)
    sampler.fit(codes, seeded())
    drawn = sampler.draw(3, seeded())
    assert drawn.shape == (3, *shape)
    assert drawn.isfinite().all()
    assert torch.equal(rebuilt(RectifiedFlowSampler, described(sampler)).draw(3, seeded()), drawn)


def test_draws_of_a_rectified_flow_do_not_depend_on_how_many_pass_through_it_at_a_time(monkeypatch):
    sampler = RectifiedFlowSampler(width=16, updates=20)
    sampler.fit(torch.randn(50, 2, 8, 8, generator=seeded()), seeded())
    whole = sampler.draw(9, seeded(1))
    monkeypatch.setattr(rectified_flow_module, "CHUNK", 4)
    torch.testing.assert_close(sampler.draw(9, seeded(1)), whole, rtol=1e-4, atol=1e-4)


def test_the_velocity_is_that_of_gaussian_codes():
    """For z ~ N(0, 1), E[e - z | (1 - t) z + t e = x] = x (2t - 1) / ((1 - t)² + t²)."""
    sampler = RectifiedFlowSampler(width=32, updates=1500, batch_size=256, learning_rate=5e-3)
    sampler.fit(torch.randn(20_000, 1, generator=seeded()), seeded())
    t = torch.linspace(0.05, 0.95, 19).repeat_interleave(5)
    x = torch.tensor([-1.5, -0.7, 0.0, 0.7, 1.5]).repeat(19)[:, None]
    expected = x * ((2 * t - 1) / ((1 - t) ** 2 + t**2))[:, None]
    with torch.no_grad():
        found = sampler.velocity(x, t)
    assert (found - expected).square().mean().sqrt() < 0.15
    assert expected.square().mean().sqrt() > 0.7


def test_samples_follow_the_velocity_of_a_known_flow():
    """Codes of N(0, s²): x(t) = x(1) √((1 - t)² s² + t²), which is s x(1) at time 0."""
    s = 0.3

    class Known(torch.nn.Module):
        def forward(self, x, t, labels):
            t = t[:, None]
            return x * (t - (1 - t) * s**2) / ((1 - t) ** 2 * s**2 + t**2)

    sampler = RectifiedFlowSampler(steps=40, guidance=1)
    sampler.velocity, sampler.guide = Known(), None
    x = torch.tensor([[1.0], [-2.0]])
    torch.testing.assert_close(sampler.moved(x), s * x, rtol=0.01, atol=0)
    sampler.steps = 2
    assert ((sampler.moved(x) / x / s) - 1).abs().max() > 0.02, "two steps are too few to be this near"


def test_a_rectified_flow_knows_neighbours():
    """Maps whose places are all equal: of independent places, differences would have twice the variance."""
    codes = torch.randn(500, 1, 1, 1, generator=seeded()).expand(500, 1, 6, 6)
    codes = codes + 0.1 * torch.randn(500, 1, 6, 6, generator=seeded(1))
    sampler = RectifiedFlowSampler(width=32, updates=400, batch_size=64, learning_rate=3e-3, guidance=1)
    sampler.fit(codes, seeded())
    drawn = sampler.draw(200, seeded(1))
    assert drawn.std() == pytest.approx(1, abs=0.2)
    assert drawn.diff(dim=3).var() < 0.2


def test_a_rectified_flow_learns_the_codes_of_each_class():
    labels = torch.tensor([0, 1, 1, 1]).repeat(200)
    codes = torch.where(labels == 0, -3.0, 2.0)[:, None] + torch.randn(800, 2, generator=seeded())
    sampler = RectifiedFlowSampler(width=32, updates=400, batch_size=64, learning_rate=3e-3)
    sampler.fit(codes, seeded(), labels)
    assert sampler.num_classes == 2
    for label, centre in ((0, -3), (1, 2)):
        drawn = sampler.draw(200, seeded(1), torch.full((200,), label))
        assert (drawn.mean(0) - centre).abs().max() < 0.4
        assert drawn.std(0) == pytest.approx(1, abs=0.25)
    share = (sampler.draw(400, seeded(1))[:, 0] > -0.5).float().mean()
    assert share == pytest.approx(0.75, abs=0.07), "of all classes, as often as they are"
    again = rebuilt(RectifiedFlowSampler, described(sampler))
    assert torch.equal(again.draw(9, seeded(1)), sampler.draw(9, seeded(1)))


def test_classes_without_a_code_are_known_as_absent():
    sampler = RectifiedFlowSampler(width=8, updates=2)
    sampler.fit(clusters(200), seeded(), 2 * (torch.arange(200) % 2), 4, ("a", "b", "c", "d"))
    again = rebuilt(RectifiedFlowSampler, described(sampler))
    for each in (sampler, again):
        assert (each.num_classes, each.class_names, each.absent) == (4, ("a", "b", "c", "d"), {1, 3})
        assert set(each.draw_classes(99, seeded()).tolist()) == {0, 2}
    sampler.fit(clusters(200), seeded())
    assert (sampler.num_classes, sampler.class_names, sampler.absent) == (None, None, frozenset())
    again = rebuilt(RectifiedFlowSampler, described(sampler))
    assert torch.equal(again.draw(3, seeded(), torch.zeros(3, dtype=torch.long)), sampler.draw(3, seeded()))


@pytest.mark.parametrize("labels", [None, torch.zeros(20, dtype=torch.long)], ids=["none", "one"])
def test_codes_of_no_class_or_of_one_have_no_classes(small, labels):
    small.fit(clusters(200), seeded(), None if labels is None else labels.repeat(10))
    assert small.num_classes is None


def test_densities_leave_classes_out(density):
    """Their codes are those of all classes."""
    labels = torch.arange(300) % 2
    density.fit(clusters(300), seeded(), labels)
    assert density.num_classes is None
    again = SMALL[type(density)]()
    again.fit(clusters(300), seeded())
    assert torch.equal(again.draw(5, seeded()), density.draw(5, seeded()))


def test_samples_are_guided_away_from_the_guide_but_where_they_are_noise():
    class Constant(torch.nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, x, t, labels):
            return torch.full_like(x, self.value)

    x = torch.zeros(2, 3)
    sampler = RectifiedFlowSampler(guidance=2.5)
    sampler.velocity, sampler.guide = Constant(1.0), Constant(0.2)
    for time, expected in ((0.0, 2.2), (0.8, 2.2), (0.9, 1.0), (1.0, 1.0)):  # 0.2 + 2.5 (1 - 0.2)
        assert sampler.guided(x, torch.tensor(time))[0, 0] == pytest.approx(expected)
    sampler.guidance = 1
    assert sampler.guided(x, torch.tensor(0.5))[0, 0] == 1
    sampler.guidance, sampler.steps = 2.5, 20
    assert sampler.moved(x)[0, 0] == pytest.approx(-0.15 * 1 - 0.85 * 2.2, abs=0.05)


@pytest.mark.parametrize(("shape", "weight"), [((4,), 1), ((4, 2), 2), ((4, 2, 2), 2)], ids=str)
def test_maps_are_guided_and_vectors_are_not(shape, weight):
    sampler = RectifiedFlowSampler(width=8)
    sampler.build(shape)
    assert sampler.weight == weight


def test_the_guide_is_the_network_after_a_sixteenth_of_the_updates(monkeypatch):
    monkeypatch.setattr(rectified_flow_module, "GUIDE_LEAST", 2)
    monkeypatch.setattr(rectified_flow_module, "REPORT_EVERY_SECONDS", -1.0)
    kept = {}
    sampler = RectifiedFlowSampler(width=16, updates=40, batch_size=4)
    sampler.keep = lambda state: kept.update({state["updates"]: state["averaged"]})
    sampler.fit(torch.randn(50, 2, 8, 8, generator=seeded()), seeded())
    torch.testing.assert_close(sampler.guide.state_dict(), kept[3], rtol=0, atol=0)  # 40 / 16 = 2.5
    assert not torch.equal(sampler.guide.first.weight, sampler.velocity.first.weight)


def test_a_fit_too_short_for_a_guide_has_none():
    sampler = RectifiedFlowSampler(width=16, updates=20, batch_size=4)
    sampler.fit(torch.randn(50, 2, 8, 8, generator=seeded()), seeded())
    stored = described(sampler)
    assert not any("guide" in name for name in stored["state"])
    assert torch.equal(rebuilt(RectifiedFlowSampler, stored).draw(5, seeded(1)), sampler.draw(5, seeded(1)))


def test_flows_of_checkpoints_without_a_guide_draw_as_they_did(monkeypatch):
    monkeypatch.setattr(rectified_flow_module, "GUIDE_LEAST", 2)
    sampler = RectifiedFlowSampler(width=16, updates=20, batch_size=4)
    sampler.fit(torch.randn(50, 2, 8, 8, generator=seeded()), seeded())
    stored = described(sampler)
    stored["state"] = {name: value for name, value in stored["state"].items() if not name.startswith("guide")}
    del stored["num_classes"], stored["class_names"], stored["sampler"]["init_args"]["guidance"]
    guided = sampler.draw(5, seeded(1))
    sampler.guidance = 1
    assert not torch.equal(sampler.draw(5, seeded(1)), guided)
    assert torch.equal(rebuilt(RectifiedFlowSampler, stored).draw(5, seeded(1)), sampler.draw(5, seeded(1)))


def test_a_long_fit_says_how_long_it_will_take(monkeypatch):
    said = []
    monkeypatch.setattr(rectified_flow_module, "REPORT_EVERY_SECONDS", -1.0)
    sampler = RectifiedFlowSampler(width=8, updates=3)
    sampler.report = said.append
    sampler.fit(torch.randn(9, 2, generator=seeded()), seeded())
    assert [text.partition(" updates")[0] for text in said] == ["1 of 3", "2 of 3"]
    assert all(text.endswith("minutes left") for text in said)


def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(monkeypatch):
    monkeypatch.setattr(rectified_flow_module, "REPORT_EVERY_SECONDS", -1.0)
    codes, kept, said = torch.randn(50, 2, 8, 8, generator=seeded()), {}, []

    def stop(state):
        kept[state["updates"]] = state
        if len(kept) == 4:
            raise KeyboardInterrupt

    whole, stopped = (RectifiedFlowSampler(width=16, updates=9, batch_size=4) for _ in range(2))
    whole.fit(codes, seeded())
    stopped.keep = stop
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(codes, seeded())
    assert list(kept) == [1, 2, 3, 4]
    for updates in (4, 4, 2):  # going on changes nothing of what was kept
        again = RectifiedFlowSampler(width=16, updates=9, batch_size=4)
        again.begun, again.report = kept[updates], said.append
        again.fit(codes, seeded())
        assert said[0] == f"going on after {updates} of 9 updates, which were kept"
        said.clear()
        torch.testing.assert_close(again.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_a_fit_that_was_begun_without_a_guide_begins_anew():
    codes, sampler = torch.randn(20, 2, generator=seeded()), RectifiedFlowSampler(width=8, updates=3)
    sampler.begun = {"updates": 2, "velocity": {}, "averaged": {}, "optimizer": {}, "generator": None}
    sampler.fit(codes, seeded())
    other = RectifiedFlowSampler(width=8, updates=3)
    other.fit(codes, seeded())
    torch.testing.assert_close(sampler.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_too_few_codes_for_full_covariances_are_refused_with_the_number_that_fits():
    with pytest.raises(InputError, match=r"--sampler_options.components 7 .*, FlowSampler \(--sampler flow\)"):
        GaussianMixtureSampler().fit(torch.randn(50, 6), seeded())
    GaussianMixtureSampler(7).fit(torch.randn(50, 6), seeded())


def test_numbers_out_of_range_are_refused():
    with pytest.raises(InputError, match="at least 1 component"):
        GaussianMixtureSampler(0)
    with pytest.raises(InputError, match="above 0"):
        FlowSampler(updates=0)
    with pytest.raises(InputError, match="above 0"):
        RectifiedFlowSampler(steps=0)


def test_the_key_of_weights_follows_their_values_alone():
    first, second = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    assert weights_key(first) == weights_key(second)
    second.train()(torch.randn(4, 2))
    assert weights_key(first) != weights_key(second), "statistics change codes as weights do"


def test_without_zuko_a_flow_is_refused_before_anything_is_encoded(monkeypatch):
    monkeypatch.setattr(flow_module, "find_spec", lambda name: None if name == "zuko" else find_spec(name))
    with pytest.raises(InputError, match=r"needs the package zuko: .* pip install 'lightning_gen\[flow\]'"):
        FlowSampler()
    GaussianMixtureSampler()
