"""The commands that do not run a Trainer themselves, such as `sample` and `evaluate`: a file each."""

from collections.abc import Callable

from lightning_gen.commands.bench import bench
from lightning_gen.commands.compare import compare
from lightning_gen.commands.compress import compress
from lightning_gen.commands.decompress import decompress
from lightning_gen.commands.detect import detect
from lightning_gen.commands.doctor import doctor
from lightning_gen.commands.embed import embed
from lightning_gen.commands.evaluate import evaluate
from lightning_gen.commands.export import export
from lightning_gen.commands.reconstruct import reconstruct
from lightning_gen.commands.sample import sample
from lightning_gen.commands.summarize import summarize
from lightning_gen.commands.translate import translate
from lightning_gen.commands.traverse import traverse

COMMANDS: dict[str, Callable[..., None]] = {
    "sample": sample,
    "evaluate": evaluate,
    "embed": embed,
    "reconstruct": reconstruct,
    "translate": translate,
    "traverse": traverse,
    "detect": detect,
    "summarize": summarize,
    "compress": compress,
    "decompress": decompress,
    "export": export,
    "compare": compare,
    "bench": bench,
    "doctor": doctor,
}
"""The commands by name; a command is a function whose arguments are the options and whose docstring is the help.

A command with ``*argv`` gets the part of the command line that is none of its options. A command with ``fit`` gets a
function that runs ``fit`` with such a command line and returns its Trainer.
"""
