"""Images a second on one process and on several, and what these send: the library against bare DDP.

    python tests/benchmarks/scaling.py --recipes gan/dcgan gan/wgan_gp --ranks 1 2 --output scaling.json

The library's side is ``fit --config RECIPE --trainer.strategy ddp`` with everything on, on CPUs, one thread a process.
The other side is `ddp_by_hand.py`: copies of the same networks, each in a DistributedDataParallel of its own, the same
optimizers, batches out of the same tensor. Both run in the same processes and take turns of so many steps, which begin
and end with all processes together, so that whatever else the machine does meets both alike. A step is one update of
the generator and those of the discriminator before it.

Each recipe has one batch divided over the processes, and one of so many times its size, of which each process has as
much as one has alone. What is sent is counted in a turn that is not timed, also for one DistributedDataParallel around
both networks, which is what ``ddp_find_unused_parameters_true`` does. What a network of computers makes of the bytes
is worked out by `cost.py`.
"""

import argparse
import contextlib
import itertools
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gallery
import torch
from ddp_by_hand import DDPByHand, WholeDDPByHand
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from sent import Sent

import lightning_gen
from lightning_gen import GANModule
from lightning_gen.bench.data import batches
from lightning_gen.bench.records import Spent
from lightning_gen.bench.reference_gan import ReferenceGAN

SIDES = ("library", "by hand")
WHOLE = "find_unused"
"""One DistributedDataParallel around both networks; only its bytes are counted."""
SENDERS = (*SIDES, WHOLE)

UNTIMED = 2
"""Blocks of each side that are not timed: one is a warm-up, in the other the bytes sent are counted."""

TARGET = 0.95
"""Minimum ratio of images a second to the reference loop."""


class Blocks(Callback):
    """Alternates blocks of steps of the Trainer and of a reference loop, times both, and ends the run.

    Args:
        folder: Where each process writes the times and the bytes of its blocks, as JSON.
        steps: Steps of a block.
        blocks: Blocks that are timed; one before them warms up, and what the next one sends is counted.
    """

    def __init__(self, folder: str, steps: int, blocks: int) -> None:
        self.folder = folder
        self.steps = steps
        self.blocks = blocks
        self.times: dict[str, list[Spent]] = {side: [] for side in SIDES}
        self.sent: dict[str, float] = {}
        self._counting = contextlib.ExitStack()
        self._since: Spent | None = None

    def on_train_start(self, trainer: Trainer, pl_module: GANModule) -> None:
        """Copy the networks for the reference loop."""
        self._reference = self._copy(DDPByHand if trainer.world_size > 1 else ReferenceGAN, trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: GANModule, batch: Any, batch_idx: int) -> None:
        """At the end of a block, stop the library's clock, run a block of the reference loop, start the clock again."""
        if pl_module.rounds % (self.steps * pl_module.discriminator_updates):
            return
        if self._since is not None:
            self._end("library", trainer)
            self._begin("by hand", trainer)
            for _ in range(self.steps):
                self._reference.step()
            self._end("by hand", trainer)
        trainer.should_stop = len(self.times["library"]) >= UNTIMED + self.blocks
        if not trainer.should_stop:
            self._begin("library", trainer)

    def on_train_end(self, trainer: Trainer, pl_module: GANModule) -> None:
        """Count the bytes that one DistributedDataParallel would send, and write all results."""
        if trainer.world_size > 1:
            whole = self._copy(WholeDDPByHand, trainer, pl_module)
            with Sent() as sent:
                whole.step()
            self.sent[WHOLE] = sent.size
        timed = {side: times[UNTIMED:] for side, times in self.times.items()}
        images = trainer.datamodule.batch_size * pl_module.discriminator_updates * self.steps
        results = {"images": images, "times": timed, "sent": self.sent}
        Path(self.folder, f"{trainer.global_rank}.json").write_text(json.dumps(results))

    def _copy(self, kind: type[ReferenceGAN], trainer: Trainer, pl_module: GANModule) -> ReferenceGAN:
        labelled = pl_module.num_classes is not None
        real = batches(trainer.datamodule, labelled, pl_module.device, trainer.global_rank, trainer.world_size)
        return kind(pl_module, real, torch.Generator().manual_seed(trainer.global_rank))

    def _begin(self, side: str, trainer: Trainer) -> None:
        trainer.strategy.barrier()
        if len(self.times[side]) == UNTIMED - 1:
            self._sent = self._counting.enter_context(Sent())
        self._since = Spent.now()

    def _end(self, side: str, trainer: Trainer) -> None:
        if len(self.times[side]) == UNTIMED - 1:
            self._counting.close()
            self.sent[side] = self._sent.size / self.steps
        trainer.strategy.barrier()
        self.times[side].append(Spent.now().since(self._since))


@dataclass(frozen=True)
class Row:
    """One run, measured.

    Attributes:
        recipe: With options of ``fit``.
        ranks: Processes.
        batch: Images of a batch of all of them.
        images_a_second: By wall time, the median of all blocks, of each side.
        images_a_processor_second: By the processor time of all processes together, of each side.
        sent: Bytes that a process gives to collectives in a step, of each side.
    """

    recipe: str
    ranks: int
    batch: int
    images_a_second: dict[str, float]
    images_a_processor_second: dict[str, float]
    sent: dict[str, float]


def run(recipe: str, ranks: int, batch: int, steps: int, blocks: int, threads: int) -> Row:
    """Measure a recipe in one run of ``fit``.

    Raises:
        RuntimeError: The run fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        init_args = {"folder": folder, "steps": steps, "blocks": blocks}
        blocks_callback = {"class_path": f"{Path(__file__).stem}.Blocks", "init_args": init_args}
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)),
            *("-m", "lightning_gen", "fit", "--trainer.strategy", "ddp" if ranks > 1 else "auto"),
            *("--config", *shlex.split(recipe), "--runs_dir", folder),  # its options win over what stands before it
            f"--trainer.callbacks+={json.dumps(blocks_callback)}",
            *("--trainer.accelerator", "cpu", "--trainer.devices", str(ranks), "--data.batch_size", str(batch)),
            *("--trainer.limit_val_batches", "0"),  # how often to validate is the user's choice, no cost of a step
            *("--max_images", str(10**9)),
        ]
        paths = (Path(__file__).parent, Path(lightning_gen.__file__).parent.parent)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join([*map(str, paths), os.environ.get("PYTHONPATH", "")]),
        }
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise RuntimeError(f"{recipe} on {ranks} processes: {done.stderr}")
        found = [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(ranks)]
    return measured(recipe, batch, found)


def measured(recipe: str, batch: int, found: list[dict[str, Any]]) -> Row:
    """What the processes of a run found."""
    images = found[0]["images"]
    wall = {side: statistics.median(wall for wall, _ in found[0]["times"][side]) for side in SIDES}
    spent = {side: sum(statistics.fmean(cpu for _, cpu in one["times"][side]) for one in found) for side in SIDES}
    by_wall, by_processor = ({side: images / seconds[side] for side in SIDES} for seconds in (wall, spent))
    return Row(recipe, len(found), batch, by_wall, by_processor, found[0]["sent"])


def sizes(ranks: list[int], batch: int) -> list[tuple[int, int]]:
    """Processes and images of their batch: the batch divided over them, then as many images for each."""
    divided = [(count, batch) for count in ranks]
    return divided + [(count, count * batch) for count in ranks if count > 1]


def line(rows: list[Row]) -> str:
    """A line of the table, of the runs of one row."""
    row = rows[0]
    speeds = [f"{statistics.median(row.images_a_second[side] for row in rows):9.0f}" for side in SIDES]
    ratios = [spread([times(row.images_a_second) for row in rows])]
    ratios += [spread([times(row.images_a_processor_second) for row in rows])]
    sent = [f"{row.sent.get(side, 0):13,.0f}" for side in SENDERS]
    return f"{row.ranks:5}{row.batch:7}{''.join(speeds)}   {ratios[0]:21}{ratios[1]:21}{''.join(sent)}   {row.recipe}"


def recorded(rows: list[Row]) -> dict[str, Any]:
    """What is kept of the runs of one row."""
    kept: dict[str, Any] = {}
    for name, speeds in (("wall", "images_a_second"), ("processor", "images_a_processor_second")):
        ratios = [times(getattr(row, speeds)) for row in rows]
        kept[f"{name}_ratio"] = {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
    for name, side in (("library", "library"), ("loop", "by hand")):
        kept[name] = statistics.median(row.images_a_second[side] for row in rows)
    for name, side in (("sent_mb", "library"), ("loop_sent_mb", "by hand"), ("find_unused_sent_mb", WHOLE)):
        if side in rows[0].sent:
            kept[name] = rows[0].sent[side] / 1e6
    return kept


def times(speed: dict[str, float]) -> float:
    """How many times as fast the library is."""
    return speed["library"] / speed["by hand"]


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f}-{max(values):.3f})"


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = "recipes, each with options of fit if quoted"
    parser.add_argument("--recipes", nargs="+", default=["gan/dcgan"], help=text)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], help="processes")
    parser.add_argument("--batch", type=int, default=64, help="images of a batch of all processes, then of each")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--repeats", type=int, default=3, help="runs")
    parser.add_argument("--blocks", type=int, default=8, help="timed blocks of each side in a run")
    parser.add_argument("--steps", type=int, default=10, help="steps of a block")
    parser.add_argument("--output", type=Path, help="JSON file to write all runs to")
    parser.add_argument("--record", action="store_true", help="store the metrics in results/ and rewrite the pages")
    options = parser.parse_args()
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    machine = f"{platform.machine()}, {os.cpu_count()} cores (load {load}), torch {torch.__version__}, gloo"
    print(f"{machine}; {options.repeats} run(s) of {options.blocks} blocks of {options.steps} steps")
    print(f"target: at least {TARGET} times as many images a second as by hand\n")
    print(f"{'images a second':>30}   {'library / by hand':42}{'bytes a step and process':>39}")
    speeds, sent = ("".join(f"{side:>{width}}" for side in sides) for width, sides in ((9, SIDES), (13, SENDERS)))
    print(f"ranks  batch{speeds}   {'wall':21}{'processor':21}{sent}   recipe")
    found: list[Row] = []
    kept: dict[str, dict[str, Any]] = {}
    for recipe, (ranks, batch) in itertools.product(options.recipes, sizes(options.ranks, options.batch)):
        turns = (options.steps, options.blocks, options.threads)
        rows = [run(recipe, ranks, batch, *turns) for _ in range(options.repeats)]
        print(line(rows), flush=True)
        found += rows
        kept[f"`{recipe}`, {ranks} process{'es' if ranks > 1 else ''}, {batch} images a batch"] = recorded(rows)
        if options.output:
            options.output.write_text(
                json.dumps({"machine": machine, "runs": [asdict(row) for row in found]}, indent=2)
            )

    if options.record:
        size = f"{options.threads} thread(s) a process, {options.repeats} run(s)"
        gallery.record("scaling", kept, {}, f"{size} of {options.blocks} blocks of {options.steps} steps")


if __name__ == "__main__":
    main()
