"""The options of a run: its name, its length, its output and how its networks are executed."""

from lightning.pytorch.cli import LightningArgumentParser

from lightning_gen import paths
from lightning_gen.samplers import LatentSampler

RUN_TITLE = "Run"
"""The title of the options of a run in ``--help``."""
COUNTS = {
    "max_images": (None, "Stop with the batch that reaches this many images, over all devices."),
    "checkpoint_every_images": (
        50_000,
        "Write checkpoints/last.ckpt at this interval in images, and at the end. best.ckpt is the best in "
        "validation: by val/loss with the final values of all schedules, for GANs by val/sliced_wasserstein.",
    ),
    "log_every_images": (
        None,
        "Log losses at this interval in images, at first more often; null for every 50 batches.",
    ),
    "sample_every_images": (25_000, "Draw samples at this interval in images, and at the end."),
    "fidelity_every_images": (
        None,
        "Measure samples at this interval in images, by the callback Fidelity; best.ckpt is then the best by that.",
    ),
}
"""Options that count images: their defaults and their help."""


def add_run_options(parser: LightningArgumentParser) -> None:
    """Add the options of a run to the parser of a command that has a Trainer."""
    run = parser.add_argument_group(RUN_TITLE)
    run.add_argument("--name", type=paths.run_name, default="run", help="Name of the run; by default its recipes'.")
    run.add_argument(
        "--runs_dir", type=paths.local, default="runs", help="Folder of all runs; this run's is RUNS_DIR/NAME."
    )
    run.add_argument(
        "--init_from",
        type=str | None,
        default=None,
        help="Start with the weights of this checkpoint that fit by name and shape, and list the others.",
    )
    for name, (default, text) in COUNTS.items():
        run.add_argument(f"--{name}", type=int | None, default=default, help=text)
    run.add_argument(
        "--sampler",
        type=LatentSampler | None,
        default=None,
        help="Fitted to codes after training, to draw samples; `--sampler.help CLASS` lists options.",
    )
    run.add_argument(
        "--checkpoint_every_minutes",
        type=float | None,
        default=5.0,
        help="Write last.ckpt also when it is this many minutes old; null for never.",
    )
    run.add_argument(
        "--keep_checkpoints",
        type=int,
        default=1,
        help="Number of the latest states to keep; above 1 also as files such as images-000150000.ckpt.",
    )
    run.add_argument(
        "--nonfinite_rollbacks",
        type=int,
        default=0,
        help="How often the run goes back to last.ckpt after a loss or gradient that is not finite; 0 to stop at once.",
    )
    run.add_argument(
        "--channels_last",
        type=bool | None,
        default=None,
        help="Use the channels-last memory format for convolutions; null for where it is faster: CPUs and 16 bits.",
    )
    run.add_argument(
        "--compile",
        type=bool | list[str],
        default=False,
        help="Compile the networks: true for all, or a list such as '[generator]'. `bench` measures whether it helps.",
    )
