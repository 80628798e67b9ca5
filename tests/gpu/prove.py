"""Proves on one GPU, in minutes, what the tests prove on a CPU: see "The proof on a GPU" in tests/benchmarks/README.md.

    python tests/gpu/prove.py --minutes 9 --output proof.json

It needs no network and no package beyond those of the library. Items that a device or the time does not allow are
skipped with the reason; none stops another. With ``--device cpu`` all is small.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts: deterministic products need it
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "gpu")]

import torch  # noqa: E402
from items import ITEMS  # noqa: E402
from proof import FAILED, Ground, Item, as_dict, environment, line, proofs  # noqa: E402

from lightning_gen.cli.entry import silence  # noqa: E402


def main(words: list[str] | None = None, items: tuple[Item, ...] = ITEMS) -> int:
    """Prove the items, print the table, write the file after each item; returns 1 if one failed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="time for all items")
    parser.add_argument("--output", type=Path, help="JSON file of all outcomes, written after each")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="by default cuda if there is one")
    parser.add_argument("--only", nargs="+", default=[], help="words in the names of the items to prove")
    options = parser.parse_args(words)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device: use --device cpu, which proves what a CPU can, in small")
    silence()
    chosen = [item for item in items if not options.only or any(word in item.name for word in options.only)]
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(device, Path(folder))
        found = {"environment": environment(ground), "minutes": options.minutes, "items": []}
        print(", ".join(f"{name} {value}" for name, value in found["environment"].items() if value is not None))
        print("\n| item | result | figures | seconds |\n|---|---|---|---|", flush=True)
        start, failed = time.monotonic(), False
        for outcome in proofs(chosen, ground, 60 * options.minutes):
            print(line(outcome), flush=True)
            failed |= outcome.verdict == FAILED
            found["items"].append(as_dict(outcome))
            found["seconds"] = round(time.monotonic() - start, 1)
            if options.output:
                options.output.write_text(json.dumps(found, indent=2))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
