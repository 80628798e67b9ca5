"""Lightning's messages that are about itself or about these modules, which a program that uses them need not read.

Importing the package changes nothing in a process. Two things do, and only as far as they say:

- The first module that is made lets Lightning log no advertisements, no absence of hardware and no default of its own
  (`OF_LIGHTNING`). Their loggers get a filter, which stays: a Trainer is made before it is known what it will train. A
  Trainer that is made before the first module still prints them, and what Lightning says of hardware that is there, or
  of a setting that costs speed, is never left out.
- While a Trainer runs one of these modules, the warnings and messages are ignored that blame the user for what the
  modules do on purpose (`warnings_of`). Afterwards the filters of warnings are as they were. What Lightning says of the
  user's own code stays, such as of a DataLoader of theirs without workers, or of a network that they left in eval mode.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any, cast

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import nn

from lightning_gen import private
from lightning_gen.data import DataModule

LOGGERS = tuple(
    f"lightning.pytorch.{name}"
    for name in ("utilities.rank_zero", "trainer.connectors.checkpoint_connector", "accelerators.cuda")
)
"""The loggers of these messages."""
OF_LIGHTNING = re.compile("💡 Tip: |GPU available: False|TPU available: False|`weights_only` was not set")
"""Messages that say nothing about a program."""
OF_A_RUN = re.compile(
    r"`Trainer\.fit` stopped: `max_|LOCAL_RANK: |"
    r"The following callbacks returned in .* override existing callbacks .*: (Quiet|SkipUnused)(, SkipUnused)?$"
)
"""Messages during a run of one of the modules."""

NO_VALIDATION = "You defined a `validation_step` but have no `val_dataloader`"
LEAVES = ".*LeafSpec"
INTERVAL = "The number of training batches .* is smaller than the logging interval"
MANUAL = "Using ModelCheckpoint with manual optimization"
WORKERS = ".* does not have many workers"
INDICES = "Couldn't infer the batch indices fetched from your dataloader"
EVALUATION = r"Found \d+ module\(s\) in eval mode at the start of training"
SOURCE = re.compile(r"lightning\.")
"""The modules that warn."""


class Unsaid(logging.Filter):
    """Leaves out `OF_LIGHTNING`, and `OF_A_RUN` while one of the modules runs.

    Attributes:
        running: The number of runs.
    """

    running = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is logged."""
        if record.levelno != logging.INFO:
            return True
        text = record.getMessage()
        return not (OF_LIGHTNING.match(text) or (self.running and OF_A_RUN.match(text)))


UNSAID = Unsaid()
"""The filter of this process."""


def leave_unsaid() -> None:
    """Let Lightning's loggers leave out messages from now on; a second call changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(UNSAID)


def warnings_of(module: LightningModule) -> Iterator[str]:
    """Patterns of the warnings that a module causes on purpose, or that are of Lightning's own use of torch."""
    yield NO_VALIDATION  # a module has the step for those who validate
    yield LEAVES
    yield INTERVAL  # the first batches are logged whatever the interval
    yield MANUAL  # several optimizers in a step
    trainer: Any = module.trainer if private.has_trainer(module) else None
    if isinstance(getattr(trainer, "datamodule", None), DataModule):
        yield WORKERS  # the data are in memory
        yield INDICES  # predictions are in the order of the samples
    if not any(left_in_evaluation(module)):
        yield EVALUATION


def left_in_evaluation(module: LightningModule) -> Iterator[nn.Module]:
    """The parts in eval mode that do not choose it: neither averages of weights, nor of a class that overrides it."""
    chosen = [part for part in module.modules() if type(part).train is not nn.Module.train]
    averages = getattr(module, "averaged", {}).values()
    own = {id(each) for part in (*chosen, *averages) for each in part.modules()}
    return (part for part in module.modules() if not part.training and id(part) not in own)


class Quiet(Callback):
    """Ignores the `warnings_of` a module from now until its run ends.

    Args:
        module: The module that a Trainer is about to run.
    """

    def __init__(self, module: LightningModule) -> None:
        patterns = [re.compile(text, re.DOTALL) for text in warnings_of(module)]
        self._filters = [("ignore", pattern, Warning, SOURCE, 0) for pattern in patterns]
        cast(list[Any], warnings.filters)[:0] = self._filters
        UNSAID.running += 1

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Restore the filters."""
        if not self._filters:
            return
        filters = cast(list[Any], warnings.filters)
        filters[:] = [each for each in filters if not any(each is own for own in self._filters)]
        self._filters = []
        UNSAID.running -= 1

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the filters."""
        self.teardown(trainer, pl_module, "")
