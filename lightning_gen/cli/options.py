"""The options of a run: what it is called, how long it is, what it writes and how its networks are executed."""

from lightning.pytorch.cli import LightningArgumentParser

from lightning_gen import paths

COUNTS = {
    "max_images": (None, "Stop after so many training images, over all devices."),
    "checkpoint_every_images": (
        50_000,
        "Write checkpoints/last.ckpt every so many images, and at the end. best.ckpt is the best in validation: by "
        "val/loss with the weights at which schedules end, for GANs by val/sliced_wasserstein.",
    ),
    "log_every_images": (None, "Log losses every so many images; null for every 50 batches."),
    "sample_every_images": (25_000, "Draw samples every so many images, and at the end."),
}
"""Options that count images: their defaults and their help."""


def add_run_options(parser: LightningArgumentParser) -> None:
    """Add the options of a run to the parser of a command that has a Trainer."""
    run = parser.add_argument_group("Run")
    run.add_argument("--name", type=paths.run_name, default="run", help="Name of the run; default: after its recipes.")
    run.add_argument(
        "--runs_dir", type=paths.local, default="runs", help="Folder of all runs; this one lives in RUNS_DIR/NAME."
    )
    for name, (default, text) in COUNTS.items():
        run.add_argument(f"--{name}", type=int | None, default=default, help=text)
    run.add_argument(
        "--checkpoint_every_minutes",
        type=float | None,
        default=5.0,
        help="Write last.ckpt also where so many minutes have gone by without; null for never.",
    )
    run.add_argument(
        "--keep_checkpoints",
        type=int,
        default=1,
        help="How many of the latest states stay; beside last.ckpt they are called images-000150000.ckpt.",
    )
    run.add_argument(
        "--nonfinite_rollbacks",
        type=int,
        default=0,
        help="Times that the run goes back to last.ckpt where a loss or gradient is not finite; 0 to stop there.",
    )
    run.add_argument(
        "--channels_last",
        type=bool | None,
        default=None,
        help="Lay convolutions out with their channels last; null for where it is faster, CPUs and 16 bits.",
    )
    run.add_argument(
        "--compile",
        type=bool | list[str],
        default=False,
        help="Compile the networks: true for all, or a list such as '[generator]'. `bench` says whether it helps.",
    )
