import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from lightning_gen.bottlenecks import GradientDescent, MovingAverage
from lightning_gen.bottlenecks.shared_sampling import sampled
from lightning_gen.errors import InputError

PLANS = (MovingAverage, GradientDescent)
every_plan = pytest.mark.parametrize("plan", PLANS)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def alone(x):
    return x


def clusters(n, count=8, width=4, seed=0):
    """Points about `count` far centres, the same centres for every seed."""
    centres = 10 * torch.randn(count, width, generator=source(99))
    which = torch.randint(count, (n,), generator=source(seed))
    return centres[which] + 0.1 * torch.randn(n, width, generator=source(seed + 1))


def follow(codebook, x, seed=0, total=alone):
    codebook.update(x, codebook.nearest(x), source(seed), total)


def on_devices(task, count=2):
    """Run ``task(rank, total)`` for each of some devices at a time, which sum tensors as processes would."""
    barrier, given = threading.Barrier(count, timeout=20), {}

    def run(rank):
        def total(x):
            given[rank] = x.clone()
            barrier.wait()
            result = sum(given[each] for each in range(count))
            barrier.wait()
            return result

        return task(rank, total)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@every_plan
@pytest.mark.parametrize("size", [(50, 6), (3, 6, 4, 5)])
def test_nearest_is_the_least_distance(plan, size):
    codebook, x = plan().codebook(20, 6), 0.05 * torch.randn(*size)
    flat = x.movedim(1, -1).reshape(-1, 6).double()
    expected = torch.cdist(flat, codebook.vectors.detach().double(), compute_mode="donot_use_mm_for_euclid_dist")
    indices = codebook.nearest(x)
    assert indices.shape == (size[0], *size[2:])
    assert indices.dtype == torch.int64
    assert torch.equal(indices.flatten(), expected.argmin(1))
    assert torch.equal(codebook(indices).movedim(1, -1).reshape(-1, 6), codebook.vectors[indices.flatten()])


def test_nearest_is_found_in_float32_under_autocast():
    """Codes that differ in the third digit are one and the same in bfloat16."""
    codebook = MovingAverage().codebook(100, 2)
    codebook.vectors.copy_(1 + torch.arange(100)[:, None] / 1000)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(codebook.nearest(codebook.vectors.clone()), torch.arange(100))


def test_moving_averages_against_a_loop():
    """Appendix A.1 of the VQ-VAE paper with Laplace smoothing, one vector after another, in numpy and float64."""
    codebook = MovingAverage(decay=0.9, restart_below=0.0, epsilon=0.1).codebook(5, 3)
    codebook.start(torch.randn(40, 3), source(), alone)
    use, averages = codebook.use.double().numpy(), codebook.averages.double().numpy()
    vectors = codebook.vectors.double().numpy()
    for seed in range(20):
        x = torch.randn(30, 3, generator=source(seed))
        follow(codebook, x)
        counts, sums = np.zeros(5), np.zeros((5, 3))
        for row in x.double().numpy():
            nearest = min(range(5), key=lambda k: ((row - vectors[k]) ** 2).sum())
            counts[nearest] += 1
            sums[nearest] += row
        use = 0.9 * use + 0.1 * counts
        averages = 0.9 * averages + 0.1 * sums
        for k in range(5):
            vectors[k] = averages[k] / ((use[k] + 0.1) / (use.sum() + 5 * 0.1) * use.sum())
    np.testing.assert_allclose(codebook.vectors.numpy(), vectors, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(codebook.use.numpy(), use, rtol=1e-4)


@every_plan
def test_the_start_is_about_as_good_as_k_means(plan):
    x = torch.randn(2000, 4)
    codebook = plan().codebook(32, 4)
    codebook.start(x, source(), alone)
    ours = (x - codebook(codebook.nearest(x))).square().sum().item()
    assert ours < 1.1 * KMeans(32, n_init=3, random_state=0).fit(x.numpy()).inertia_


@every_plan
def test_no_code_stays_dead(plan):
    """64 codes on 8 clusters: without their averages, restarted codes are pulled back at once and 46 of 64 die."""
    codebook = plan().codebook(64, 4)
    for seed in range(200):
        follow(codebook, clusters(256, seed=3 * seed), seed)
    used = codebook.nearest(clusters(5000, seed=1234)).unique()
    assert len(used) == 64


@every_plan
def test_dead_codes_stay_dead_where_that_is_asked_for(plan):
    codebook = plan(restart_below=0.0).codebook(64, 4)
    for seed in range(200):
        follow(codebook, clusters(256, seed=3 * seed), seed)
    assert len(codebook.nearest(clusters(5000, seed=1234)).unique()) <= 8


@every_plan
def test_a_restarted_code_stays_where_it_was_put(plan):
    """Its average and its use come with it: a batch that does not use it leaves it there."""
    codebook = plan(decay=0.5).codebook(4, 2)
    x = torch.tensor([[1.0, 0.0]]).repeat(40, 1)
    codebook.start(torch.cat([x, -x, 2 * x, 3 * x]), source(), alone)
    codebook.use[0] = 0
    old = codebook.vectors[0].clone()
    follow(codebook, 100 + x)
    put = codebook.vectors[0].clone()
    assert not torch.equal(put, old)
    torch.testing.assert_close(put, (100 + x)[0])
    codebook.restart_below = 0.0
    follow(codebook, -x)
    torch.testing.assert_close(codebook.vectors[0], put, rtol=1e-3, atol=0)


@every_plan
def test_devices_end_with_the_same_codebook(plan):
    """Own batches and own random numbers on each; the same codes to the bit, drawn from the batches of both."""

    def batch(rank, seed):
        return clusters(100, seed=1000 * rank + 3 * seed) + 20 * rank

    def train(rank, total):
        codebook = plan().codebook(64, 4)
        codebook.start(batch(rank, 0), source(rank), total)
        for step in range(150):
            follow(codebook, batch(rank, step), seed=step + 500 * rank, total=total)
        return codebook

    first, second = on_devices(train)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    for rank in (0, 1):
        assert len(first.nearest(batch(rank, 500)).unique()) > 15


def test_two_devices_average_as_one_with_both_batches():
    def train(rank, total, whole=False):
        codebook = MovingAverage(restart_below=0.0).codebook(6, 3)
        codebook.vectors.copy_(torch.randn(6, 3, generator=source(5)))
        for step in range(20):
            x = torch.randn(40, 3, generator=source(step))
            follow(codebook, x if whole else x[20 * rank : 20 * rank + 20], total=total)
        return codebook.vectors

    together = on_devices(train)
    torch.testing.assert_close(together[0], train(0, alone, whole=True))


def test_draws_come_from_every_device_alike():
    def draw(rank, total):
        return sampled(torch.full((7, 1), float(rank)) + torch.arange(7)[:, None] / 10, 4000, source(rank), total)

    (values, found), (others, _) = on_devices(draw)
    assert torch.equal(values, others)
    assert found.float().mean() > 0.95  # both devices draw the same ticket for one sample in 64
    values = values[found]
    assert set(values.flatten().mul(10).round().int().tolist()) == {*range(7), *range(10, 17)}
    assert (values >= 1).float().mean().item() == pytest.approx(0.5, abs=0.03)


@every_plan
def test_all_state_is_in_the_state_dict(plan):
    """A codebook that goes on from a copy of another's state ends with the same bits."""
    ours, theirs = plan().codebook(16, 4), plan().codebook(16, 4)
    for seed in range(30):
        follow(ours, clusters(64, seed=seed), seed)
    theirs.load_state_dict(ours.state_dict())
    for seed in range(30, 160):
        follow(ours, clusters(64, seed=seed), seed)
        follow(theirs, clusters(64, seed=seed), seed)
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


def test_a_codebook_larger_than_the_first_batch_is_refused():
    sentence = "a batch gives 5 vectors, over all devices, and the codebook has 6 codes .*: set .*codes 5 or less"
    with pytest.raises(InputError, match=sentence):
        MovingAverage().codebook(6, 2).start(torch.randn(5, 2), source(), alone)


@every_plan
def test_features_that_are_not_finite_are_passed_over(plan):
    """The codebook learns what it would have learned from the others alone, and starts no code from them."""
    x, bad = clusters(100), torch.full((300, 4), torch.inf)
    bad[:150, 1] = torch.nan
    for restart_below in (0.0, 0.05):
        ours, theirs = plan(restart_below=restart_below).codebook(16, 4), plan(restart_below=0.0).codebook(16, 4)
        ours.start(x, source(), alone)
        theirs.load_state_dict(ours.state_dict())
        ours.use[3] = theirs.use[3] = 0
        follow(ours, torch.cat([bad, x]))
        follow(theirs, x)
        assert all(value.isfinite().all() for value in ours.state_dict().values())
        if not restart_below:
            torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


@every_plan
@pytest.mark.parametrize("options", [{"decay": 1.0}, {"decay": -0.1}, {"restart_below": 1.0}, {"restart_below": -1.0}])
def test_numbers_out_of_range_are_refused(plan, options):
    with pytest.raises(InputError, match=f"{plan.__name__} cannot have {next(iter(options))}"):
        plan(**options)


def test_smoothing_by_nothing_is_refused():
    with pytest.raises(InputError, match="epsilon 0"):
        MovingAverage(epsilon=0)
