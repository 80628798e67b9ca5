"""The command ``bench``: the time of a recipe's training step, of a reference loop's, and with faster options."""

import re
import shlex
import sys
from collections.abc import Sequence

from lightning_gen.bench.metrics import compared
from lightning_gen.bench.options import Trials, chosen
from lightning_gen.bench.run import Fit, measured
from lightning_gen.commands.output import output_file, show
from lightning_gen.errors import InputError
from lightning_gen.metrics import Report
from lightning_gen.terminal import say

WARM_UP = 10
"""Steps of each run that are not timed."""


def bench(
    recipe: str,
    *argv: str,
    fit: Fit,
    output: str | None = None,
    repeats: int = 3,
    steps: int = 50,
    switches: bool = True,
) -> None:
    """Time a training step of a recipe and of a reference loop; further options are those of fit.

    The library's step is all that ``fit`` does but validation. The reference loop is plain PyTorch on copies of the
    same networks, with the same mathematics and in the same precision. Their steps are interleaved, so that other
    programs on the machine slow down both. Each round also tries options that make some recipes faster.

    Args:
        recipe: A recipe, by short name (gan/dcgan) or path.
        argv: Options for ``fit``, such as --config data/fashion_mnist --trainer.precision bf16-mixed.
        fit: Runs ``fit``.
        output: A JSON file for the metrics and their protocol.
        repeats: Rounds, at least 1; the medians are reported.
        steps: Timed steps of the recipe, and as many of the loop, in each run; at least 1.
        switches: Whether to try --channels_last, --trainer.precision bf16-mixed, --compile and, for a GAN that draws
            new samples for its generator, --model.shared_samples.

    Raises:
        InputError: ``fit`` cannot run the command, a number is below 1, or several devices are given.
    """
    target = output_file(output, "bench.json")
    check(argv, repeats, steps)
    command = ["--config", recipe, *argv]
    runs, trials = [], Trials(fit, command, WARM_UP, steps)
    for number in range(1, repeats + 1):
        say(f"round {number} of {repeats}: {steps} steps of {recipe}, and as many of a reference loop", sys.stderr)
        runs.append(measured(fit, command, WARM_UP, steps))
        if switches:
            trials.take_round()
    protocol = {"recipe": recipe, "options": shlex.join(argv), "repeats": repeats, "steps": steps, "warm_up": WARM_UP}
    show(Report(card=protocol) + compared(runs) + trials.report(), target)


def check(argv: Sequence[str], repeats: int, steps: int) -> None:
    """Check the arguments that ``fit`` does not check.

    Raises:
        InputError: A number is below 1, several devices are given, or help is asked for.
    """
    for name, number in (("repeats", repeats), ("steps", steps)):
        if number < 1:
            raise InputError(f"--{name} must be at least 1, not {number}")
    for option in ("trainer.devices", "trainer.num_nodes"):
        if chosen(option, argv):
            raise InputError(
                f"bench times one device: leave out --{option}; tests/benchmarks/scaling.py times several processes"
            )
    for word in argv:
        if re.match(r"--print_config|--\S+\.help", word):
            raise InputError(f"bench does not explain options: add {word} to `python -m lightning_gen fit` instead")
