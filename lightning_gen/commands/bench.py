"""How fast a recipe trains on this machine, beside a reference loop, and what would make it faster."""

import re
import shlex
import sys
from collections.abc import Sequence

from lightning_gen.bench.figures import compared
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
    """Time a training step of a recipe beside a reference loop; further options are those of fit.

    The library's side is all that ``fit`` does but validation. The reference is a loop in plain PyTorch over
    copies of the same networks, with the same mathematics and in the same precision. Their steps are interleaved, so
    that whatever else the machine does meets both. In the same rounds options are tried that make some recipes faster.

    Args:
        recipe: A recipe, by short name (gan/dcgan) or path.
        argv: Options for ``fit``, such as --config data/fashion_mnist --trainer.precision bf16-mixed.
        fit: Runs ``fit``.
        output: A JSON file for the same figures and their card.
        repeats: Rounds, at least 1; the figures are the middle ones.
        steps: Timed steps of each side in a run, at least 1.
        switches: Whether to try --channels_last, --trainer.precision bf16-mixed, --compile and, of a GAN,
            --model.shared_samples too.

    Raises:
        InputError: ``fit`` cannot do it as asked, a number is below 1, or several devices are asked for.
    """
    target = output_file(output, "bench.json")
    check(argv, repeats, steps)
    command = ["--config", recipe, *argv]
    runs, trials = [], Trials(fit, command, WARM_UP, steps)
    for number in range(1, repeats + 1):
        say(f"round {number} of {repeats}: {steps} steps of {recipe}, and as many by hand", sys.stderr)
        runs.append(measured(fit, command, WARM_UP, steps))
        if switches:
            trials.take_round()
    protocol = {"recipe": recipe, "options": shlex.join(argv), "repeats": repeats, "steps": steps, "warm_up": WARM_UP}
    show(Report(card=protocol) + compared(runs) + trials.report(), target)


def check(argv: Sequence[str], repeats: int, steps: int) -> None:
    """Check what ``fit`` does not.

    Raises:
        InputError: A number is below 1, several devices are asked for, or help is.
    """
    for name, number in (("repeats", repeats), ("steps", steps)):
        if number < 1:
            raise InputError(f"--{name} must be at least 1, not {number}")
    for option in ("trainer.devices", "trainer.num_nodes"):
        if chosen(option, argv):
            raise InputError(
                f"bench times one device: leave out --{option}; tests/benchmarks/scaling.py compares several processes"
            )
    for word in argv:
        if re.match(r"--print_config|--\S+\.help", word):
            raise InputError(f"bench explains no options: add {word} to `python -m lightning_gen fit` instead")
