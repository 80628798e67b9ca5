"""Two processes, under either strategy, and one process on the joined batches end in the same weights."""

import os
import subprocess
import sys
from pathlib import Path

import games
import pytest
import torch

pytestmark = pytest.mark.slow

STRATEGIES = ("ddp", "ddp_find_unused_parameters_true")


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    """The folders of weights that two processes have left under each strategy."""
    folders = {}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PL_")}  # seeds of others
    for strategy in STRATEGIES:
        folders[strategy] = tmp_path_factory.mktemp(strategy)
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        command = [*launch, Path(games.__file__), strategy, folders[strategy]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=environment)
        assert done.returncode == 0, done.stderr
    return folders


@pytest.fixture
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def weights(folder, name, rank):
    return torch.load(folder / f"{name} {rank}.pt", weights_only=True)


@pytest.mark.parametrize("name", games.GAMES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_have_the_same_weights_to_the_bit(of_two, strategy, name):
    ours, theirs = (weights(of_two[strategy], name, rank) for rank in (0, 1))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("name", games.GAMES)
def test_plain_ddp_gives_the_weights_of_ddp_that_finds_unused_parameters(of_two, name):
    ours, theirs = (weights(of_two[strategy], name, 0) for strategy in STRATEGIES)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("name", games.GAMES)
def test_one_process_on_the_joined_batches_has_the_weights_of_two(of_two, name):
    module = games.made(name)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    torch.manual_seed(7)
    both = [torch.Generator().manual_seed(7 * 2**16 + rank) for rank in (0, 1)]
    with games.Joined(module.rng, both):
        games.trained(module, games.batches(module), devices=1)
    of_one = module.state_dict()
    torch.testing.assert_close(of_one, weights(of_two["ddp"], name, 0), rtol=0, atol=1e-6)
    moved = max((of_one[key] - before[key]).abs().max().item() for key in before if before[key].is_floating_point())
    assert moved > 1e-2, "the weights went a long way together"
    assert min(module.updates.values()) == games.UPDATES


@pytest.mark.usefixtures("_double")
def test_batch_norm_is_of_each_process_alone(of_two):
    """Weights stay equal; what is normalised is a process's part of the batch, which is not the whole of it."""
    ours, theirs = (weights(of_two["ddp"], games.MIXING, rank) for rank in (0, 1))
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]) != name.endswith(("running_mean", "running_var")), name
    module = games.made(games.MIXING)
    torch.manual_seed(7)
    both = [torch.Generator().manual_seed(7 * 2**16 + rank) for rank in (0, 1)]
    with games.Joined(module.rng, both):
        games.trained(module, games.batches(module), devices=1)
    apart = max((value - ours[name]).abs().max().item() for name, value in module.state_dict().items())
    assert apart > 1e-3


class Rows(games.TorchFunctionMode):
    """What a part of a batch draws is its rows of what the whole batch draws."""

    def __init__(self, module, parts):
        super().__init__()
        self.generator, self.parts = module.rng, parts
        self.turn, self.part, self.call = 0, 0, 0
        backward = module._backward
        module._backward = lambda *args: (self.begin(), backward(*args))[1]

    def begin(self):
        """Another part of a batch."""
        self.part += 1
        self.call = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if kwargs.get("generator") is not self.generator:
            return func(*args, **kwargs)
        turn, part = divmod(self.part - 1, self.parts)
        self.call += 1
        source = torch.Generator().manual_seed(1000 * turn + self.call)
        rows = args[0] if isinstance(args[0], int) else args[0][0]
        whole = rows * self.parts if isinstance(args[0], int) else (rows * self.parts, *args[0][1:])
        return func(whole, *args[1:], **{**kwargs, "generator": source})[part * rows : (part + 1) * rows]


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("name", [name for name in games.GAMES if name != games.SHARED])
def test_four_parts_of_sixteen_give_the_weights_of_a_batch_of_sixty_four(name):
    found = []
    for parts in (1, 4):
        module = games.made(name)
        module.split_batches(parts)
        with Rows(module, parts):
            games.trained(module, games.batches(module, processes=8), devices=1)
        found.append(module.state_dict())
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-6)
