"""What a version writes, and what comes of it: made once by that version, and compared with by all that follow.

``python tests/compatibility/earlier_versions.py FOLDER`` records what the package of the working tree writes:

- ``recipes.json``: for each recipe, at the size of tests, the descriptions in its checkpoint, the names and shapes of
  its tensors, and its ``config.yaml``;
- ``names.json``: the public names of each package, with the arguments of those that are called;
- ``NAME.ckpt`` for each of `RUNS`: its state after `BEGUN` images;
- ``NAME.after.pt``: what a user gets from that state, and the weights after `ENDED` images.
"""

import importlib
import inspect
import json
import pkgutil
import platform
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Trainer

import lightning_gen
from lightning_gen import EMA, GANModule, GenerativeModule
from lightning_gen.callbacks import ImageCheckpoint, MaxImages
from lightning_gen.cli import main
from lightning_gen.data import Digits
from lightning_gen.networks import DenseDiscriminator, DenseGenerator
from lightning_gen.objectives import Hinge
from lightning_gen.regularizers import R1
from lightning_gen.schedules import Cosine, ImageSchedule, Linear

sys.path.append(str(Path(__file__).parents[1]))
from small_recipes import RECIPES, tiny

BEGUN, ENDED = 40, 96
FITTED = {"gan": "gan/rpgan", "vq_vae": "autoencoder/vq_vae", "vae_gan": "autoencoder/vae_gan"}
"""Runs of the command line, by what they are called."""
BUILT = "built_in_python"
"""A run of a module that is built and trained in Python."""
RUNS = (*FITTED, BUILT)


def machine():
    """What the last bits of a computation depend on."""
    model = next((line for line in cpu_information() if line.startswith("model name")), platform.processor())
    return [str(torch.__version__), torch.backends.cpu.get_cpu_capability(), model]


def cpu_information():
    """The lines of Linux on the processor; none elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def built_in_python():
    """A module with a schedule, a penalty, a scheduler and an average, built in Python."""
    adam = partial(torch.optim.Adam, lr=0.001, betas=(0.0, 0.99))
    return GANModule(
        DenseGenerator((1, 8, 8), latent_dim=4, widths=(16,)),
        DenseDiscriminator((1, 8, 8), widths=(16, 8)),
        Hinge(),
        penalties={"r1": R1(weight=Linear(80, first=2.0, last=0.5), every=2)},
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        generator_scheduler=partial(ImageSchedule, learning_rate=Cosine(200)),
        discriminator_clip=1.0,
        discriminator_updates=2,
        ema=EMA(half_life_images=50),
    )


def train(name, folder, images, checkpoint=None):
    """Train a run to so many images, from the start or from a checkpoint; returns the path of its last state."""
    if name == BUILT:
        torch.manual_seed(3)
        last = ImageCheckpoint(None, folder)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        trainer = Trainer(accelerator="cpu", max_epochs=-1, callbacks=[MaxImages(images), last], **quiet)
        trainer.fit(built_in_python(), Digits(size=8, batch_size=8, seed=3), ckpt_path=checkpoint)
        return Path(folder, "last.ckpt")
    goes_on = [f"--ckpt_path={checkpoint}"] if checkpoint else []
    words = ["fit", *tiny(FITTED[name]), f"--runs_dir={folder}", f"--name={name}-{images}", f"--max_images={images}"]
    main([*words, *goes_on])
    return Path(folder, f"{name}-{images}", "checkpoints", "last.ckpt")


def outputs(path):
    """What a user gets from a checkpoint: samples where it can draw, and reconstructions where it can encode."""
    module = GenerativeModule.load_from_checkpoint(path).eval()
    found = {}
    if module.has_prior:
        found["samples"] = module.sample(4, generator=torch.Generator().manual_seed(2))
    if hasattr(module, "reconstruct"):
        x = torch.rand(3, *module.data_shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
        with torch.no_grad():
            found["reconstructions"] = module.reconstruct(x)
    return found


def recipe(name, folder):
    """What is written about a recipe."""
    main(["fit", *tiny(name), f"--runs_dir={folder}", "--name=run", "--max_images=8"])
    stored = torch.load(Path(folder, "run/checkpoints/last.ckpt"), weights_only=True)
    return {
        "model": dict(stored["hyper_parameters"]),
        "data": dict(stored["datamodule_hyper_parameters"]),
        "tensors": {key: list(value.shape) for key, value in stored["state_dict"].items()},
        "config": Path(folder, "run/config.yaml").read_text(),
    }


def public_names():
    """The names of each package's ``__all__``, each with its arguments; None where it is not called."""
    below = [f"lightning_gen.{found.name}" for found in pkgutil.iter_modules(lightning_gen.__path__)]
    return {
        package.__name__: {name: arguments(getattr(package, name)) for name in package.__all__}
        for package in map(importlib.import_module, ["lightning_gen", *below])
        if hasattr(package, "__all__")
    }


def arguments(thing):
    """The names of what a class or a function takes; None for anything else."""
    if not callable(thing):
        return None
    try:
        return list(inspect.signature(thing).parameters)
    except ValueError:
        return None


def record(target):
    """Write all of it to a folder."""
    target = Path(target)
    target.mkdir(parents=True, exist_ok=True)
    recipes = {}
    for name in RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            recipes[name] = recipe(name, folder)
            recipes[name]["config"] = recipes[name]["config"].replace(folder, "runs")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(content)}" for name, content in recipes.items())
    (target / "recipes.json").write_text(f"{{\n{lines}\n}}\n")
    (target / "names.json").write_text(json.dumps(public_names(), indent=1) + "\n")
    for name in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            path = train(name, folder, BEGUN)
            (target / f"{name}.ckpt").write_bytes(path.read_bytes())
            weights = torch.load(train(name, folder, ENDED, path), weights_only=True)["state_dict"]
            after = {"machine": machine(), "outputs": outputs(target / f"{name}.ckpt"), "weights": weights}
            torch.save(after, target / f"{name}.after.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    record(sys.argv[1])
