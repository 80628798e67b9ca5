"""Every recipe, trained by two processes that torchrun has started, in one go or in two parts.

``torchrun --nproc-per-node 2 resumed.py PART FOLDER``: ``begin`` trains each recipe to its end and to its middle,
``go_on``, in new processes, the second of these to the end.
"""

import hashlib
import logging
import sys

from small_recipes import RECIPES, tiny

from lightning_gen import GenerativeModule
from lightning_gen.cli import main
from lightning_gen.training.collectives import leave_group, of_all_devices

TWO = ("--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp")
BRAIN = "--trainer.precision=bf16-mixed"
RUNS = {
    **{name: (name,) for name in RECIPES},
    **{f"{name} in bfloat16": (name, BRAIN) for name in ("gan/rpgan", "gan/wgan_gp", "autoencoder/vq_gan")},
}
"""What is trained: a recipe, and options."""


def same_everywhere(module):
    """Hold the processes to each other, to the bit: all that is trained, and codebooks, which follow it."""
    codebooks = getattr(module, "bottleneck", None)
    tensors = [*module.parameters(), *(codebooks.buffers() if codebooks is not None else ())]
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    assert len(set(of_all_devices(digest.hexdigest()))) == 1, f"{type(module).__name__} differs"


def folder(run):
    """What the folder of a run is called."""
    return run.replace("/", "_").replace(" ", "_")


def train(run, part, runs_dir):
    """Train one part of a run."""
    recipe, *options = RUNS[run]
    fit = ["fit", *tiny(recipe), *options, *TWO, f"--runs_dir={runs_dir}"]
    if part == "begin":
        main([*fit, f"--name={folder(run)}_whole", "--max_images=96"])
        main([*fit, f"--name={folder(run)}_parts", "--max_images=40", "--keep_checkpoints=2"])
    else:
        main([*fit, f"--name={folder(run)}_parts", "--max_images=96", "--ckpt_path=last"])


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    GenerativeModule.on_fit_end = same_everywhere
    for run in RUNS:
        train(run, *sys.argv[1:])
    leave_group()  # its threads may abort a process that ends around them
