"""Errors that end a command, each in one sentence that names the remedy.

An error that is not known has no sentence, so that its traceback is printed: it may be a mistake in this package or in
the user's own code.
"""

import dis
import re
import traceback
from collections.abc import Mapping

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lightning_gen import system
from lightning_gen.callbacks import execution
from lightning_gen.checkpoint.trusted import below
from lightning_gen.cli import loggers, processes
from lightning_gen.cli.causes import causes, root_error
from lightning_gen.data import workers
from lightning_gen.errors import InputError

SMALLER = "lower --data.batch_size, --data.size or the widths of the networks"
MEANINGS = {
    r"`val_check_interval` \((\d+)\) must be less .* training batches \((\d+)\)": (
        "--trainer.val_check_interval {0} is more than the {1} batches of an epoch: set it to {1} or less, or let it "
        "count the batches of all epochs with --trainer.check_val_every_n_epoch null"
    ),
    r"`val_check_interval`(?: string)?: '(.*?)'": (
        "--trainer.val_check_interval {0} is no interval: give a number of batches, a share of those of an epoch, or a "
        "time as days:hours:minutes:seconds, such as 00:00:10:00"
    ),
    r"`Timer\(duration='(.*?)'\)` is not a valid": (
        "{0} is no length of time, for --trainer.max_time or a Timer: write days:hours:minutes:seconds, such as "
        "00:12:00:00"
    ),
    r"Early stopping conditioned on metric `(.*?)` .*following: (.*)": (
        "EarlyStopping waits for '{0}', which is not logged: set its monitor to one of {1}"
    ),
    r"`ModelCheckpoint\(monitor='(.*?)'\)` could not find .*?: \[(.*?)\]": (
        "ModelCheckpoint waits for '{0}', which is not logged: set its monitor to one of {1}"
    ),
    r"learning rate finder|attribute name for the learning rate": (
        "LearningRateFinder does not find the learning rate of this module, which its optimizers have: leave it out "
        "and set --model.optimizer.lr, or --model.generator_optimizer.lr and --model.discriminator_optimizer.lr"
    ),
    r"devices='?(\S*?)'?\)` value is not a valid input using cpu|`devices` selected with `CPUAccelerator`": (
        "on a CPU --trainer.devices is a number of processes: set it to auto or to at least 1"
    ),
    r"No supported gpu backend|GPUs requested but none|Accelerator` can not run on your system|'torch_xla": (
        "this machine has no such accelerator: set --trainer.accelerator to auto or cpu"
    ),
    r"invalid strategy name: `strategy='(.*?)'`": (
        "there is no strategy '{0}': set --trainer.strategy to auto, or for several devices to ddp"
    ),
    r"Cannot instantiate typing": (
        "an option is {{}} where a class belongs: name one, such as torch.optim.lr_scheduler.StepLR, or give null"
    ),
    r"checkpoint contains only the model": (
        "the checkpoint holds weights alone, without the state of optimizers: resume from the last.ckpt of a run, or "
        "start a new run from these weights with --init_from in place of --ckpt_path"
    ),
    r"Expected more than 1 value per channel when training": (
        "BatchNorm needs at least 2 samples on each device: raise --data.batch_size, or use networks without it, such "
        "as --model.generator.batch_norm false"
    ),
    r"OutOfMemoryError|out of memory": (
        f"the GPU has no memory left: {SMALLER}, or set --trainer.precision bf16-mixed"
    ),
    r"can't allocate memory|^MemoryError|_ArrayMemoryError": f"this machine has no memory left: {SMALLER}",
}
"""Patterns of the errors of torch and Lightning, each their class and message, and what they mean."""
CHECKING = ("lightning", "torch.optim")
"""Packages whose own errors are about the arguments that they were given."""
WITHIN = {
    "lightning.pytorch.tuner.batch_size_scaling": {
        r"holds (\d+) samples, fewer than --data.batch_size": (
            "BatchSizeFinder tries larger batches than the {0} samples of the training split: set its init_val and its "
            "max_val to {0} or less"
        ),
    },
    "lightning.pytorch.callbacks.spike": {
        r"KeyError: 'loss'": (
            "SpikeDetection watches the loss that a training step returns, and these steps return none: leave it out, "
            "--nonfinite_rollbacks goes back after a loss that is not finite"
        ),
    },
    "lightning.pytorch.callbacks.finetuning": {
        r"no attribute 'backbone'": (
            "BackboneFinetuning unfreezes a part that is called backbone, and this module has none: leave it out"
        ),
    },
}
"""As `MEANINGS`, for errors that pass through a module of Lightning."""


def explained(error: Exception) -> InputError | None:
    """The error that ends a command, as a sentence for the user; None if it is not known."""
    for module, meanings in WITHIN.items():
        found = meaning(error, meanings) if passed_through(error, module) else None
        if found is not None:
            return InputError(found)
    own = root_error(error) or workers.failure(error)
    if own is not None:
        return own
    sentence = processes.explanation(error) or execution.explanation(error) or meaning(error, MEANINGS)
    sentence = sentence or loggers.explanation(error) or of_system(error)
    meant = isinstance(error, MisconfigurationException) or any(raised_by(error, each) for each in CHECKING)
    if sentence is None and meant:
        sentence = str(error)
    return None if sentence is None else InputError(sentence)


def meaning(error: Exception, meanings: Mapping[str, str]) -> str | None:
    """What an error means, by the patterns of its class and message; None for others."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    for pattern, sentence in meanings.items():
        found = re.search(pattern, text)
        if found is not None:
            return sentence.format(*found.groups())
    return None


def of_system(error: BaseException | None) -> str | None:
    """What the operating system refused, for an error or the first of its causes that comes from there."""
    sentences = (system.explanation(each) for each in causes(error) if isinstance(each, OSError))
    return next((sentence for sentence in sentences if sentence is not None), None)


def passed_through(error: BaseException, module: str) -> bool:
    """Whether an error passed through a module."""
    return any(frame.f_globals.get("__name__") == module for frame, _ in traceback.walk_tb(error.__traceback__))


def raised_by(error: BaseException, package: str) -> bool:
    """Whether a package has a ``raise`` statement for an error, so that its message is meant for the user."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None or not below(place.tb_frame.f_globals.get("__name__", ""), package):
        return False
    instructions = {each.offset: each.opname for each in dis.get_instructions(place.tb_frame.f_code)}
    return instructions.get(place.tb_lasti) == "RAISE_VARARGS"
