"""The command line: it is parsed, then run by a Trainer or by a command that needs none."""

from lightning_gen.cli.entry import main
from lightning_gen.cli.parser import Parser
from lightning_gen.cli.trainer_commands import CLI, fit, lightning

__all__ = ["CLI", "Parser", "fit", "lightning", "main"]
