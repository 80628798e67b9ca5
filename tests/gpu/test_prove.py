"""The proof on a GPU, as far as a CPU can prove it; a failing item is reported and stops no other."""

import json
import sys
import time
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent))
import averaging
import grounds
import items
import prove
from items import ITEMS
from proof import FAILED, PASSED, SKIPPED, Ground, Item, line, proofs, proved
from watching import AS_ERROR, Waits

from lightning_gen import private
from lightning_gen.training import GenerativeModule

FAST = ("ADA's warp", "clip in float16", "precision of R1")


def item(name, run, **options):
    return Item(name, options.pop("seconds", 5), f"{name} is proved", run, **options)


def well(ground, findings):
    findings.figures["answer"] = 42


def raises(ground, findings):
    findings.figures["before"] = 1.0
    raise ValueError("it broke\nand more")


def leaves(ground, findings):
    raise SystemExit(2)


def complains(ground, findings):
    with findings.part("one"):
        raise KeyError("lost")
    findings.expect(True, "never said")
    findings.expect(False, "two is not three")


def hangs(ground, findings):
    with findings.part("waiting"):
        time.sleep(30)


@pytest.fixture
def ground(tmp_path):
    return Ground("cpu", tmp_path)


@pytest.mark.parametrize(
    "each",
    [
        each if each.name in FAST else pytest.param(each, marks=pytest.mark.slow)
        for each in ITEMS
        if not each.needs_cuda
    ],
    ids=lambda each: each.name,
)
def test_an_item_holds_on_a_cpu(each, ground):
    outcome = proved(replace(each, seconds=200), ground, 600)
    assert outcome.reason == ""
    assert outcome.verdict == PASSED
    assert outcome.figures


def test_a_failing_item_is_reported_and_stops_no_other(ground):
    several = [item(run.__name__, run) for run in (raises, leaves, complains, well)]
    broken, left, complained, passed = proofs(several, ground, 60)
    assert [each.verdict for each in (broken, left, complained, passed)] == [FAILED, FAILED, FAILED, PASSED]
    assert broken.reason.startswith("ValueError: it broke (test_prove.py:")
    assert broken.figures == {"before": 1.0}, "what it found before stays"
    assert left.reason.startswith("SystemExit: 2")
    assert complained.reason.startswith("one: KeyError: 'lost' (test_prove.py:")
    assert complained.reason.endswith("; two is not three")
    assert (passed.reason, passed.figures) == ("", {"answer": 42})


def test_an_item_that_hangs_is_stopped(ground):
    start = time.monotonic()
    slow, passed = proofs([item("hangs", hangs, seconds=0.2), item("well", well, seconds=0.2)], ground, 60)
    assert time.monotonic() - start < 20
    assert slow.verdict == FAILED
    assert slow.reason.startswith("OutOfTime: it was stopped after 1 s")
    assert passed.verdict == PASSED


def test_what_needs_a_gpu_or_more_time_is_skipped_with_the_reason(ground):
    several = [item("gpu", raises, needs_cuda=True), item("long", raises, seconds=500), item("well", well)]
    gpu, long, passed = proofs(several, ground, 60)
    assert (gpu.verdict, gpu.reason) == (SKIPPED, "it needs a CUDA device")
    assert (long.verdict, long.reason) == (SKIPPED, "it may take 500 s and 60 s are left")
    assert passed.verdict == PASSED


def test_settings_of_torch_are_those_before(ground):
    def sets(ground, findings):
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.allow_tf32 = not before
        raise RuntimeError

    before = torch.backends.cudnn.allow_tf32
    assert proved(item("sets", sets), ground, 60).verdict == FAILED
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.allow_tf32 == before


def test_the_command_prints_a_table_and_writes_what_it_found(tmp_path, capsys):
    several = (item("raises", raises), item("gpu", well, needs_cuda=True), item("well", well))
    file = tmp_path / "proof.json"
    assert prove.main(["--device=cpu", "--minutes=1", f"--output={file}"], several) == 1
    said = capsys.readouterr().out
    found = json.loads(file.read_text())
    assert [each["verdict"] for each in found["items"]] == [FAILED, SKIPPED, PASSED]
    assert found["environment"]["torch"] == torch.__version__
    assert found["environment"]["float32_matmul_precision"]
    assert "| gpu | skipped: it needs a CUDA device |  | 0.0 |" in said
    assert "| well | passed | answer 42 |" in said
    assert prove.main(["--device=cpu", "--only=well", f"--output={file}"], several) == 0
    assert len(json.loads(file.read_text())["items"]) == 1


def test_a_row_stays_a_row(ground):
    def tells(ground, findings):
        raise ValueError("a | b")

    assert line(proved(item("tells", tells), ground, 60)).count("|") == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        prove.main(["--device=cuda"])
    assert end.value.code == 2
    assert "use --device cpu" in capsys.readouterr().err


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: CUDA_VISIBLE_DEVICES names those to use"
)
@pytest.mark.parametrize("each", ITEMS, ids=lambda each: each.name)
def test_an_item_holds_on_a_gpu(each, tmp_path):
    outcome = proved(each, Ground("cuda", tmp_path), 600)
    assert outcome.verdict == PASSED, outcome.reason


def test_names_differ_and_the_time_is_enough_for_all():
    assert len({each.name for each in ITEMS}) == len(ITEMS)
    assert sum(each.seconds for each in ITEMS) <= 9 * 60


# each kind of failure is found --------------------------------------------------------------------------------------


def test_a_wait_of_the_host_is_found(ground, monkeypatch):
    original = GenerativeModule.count

    def count(module, batch):
        batch.x.sum().item()
        return original(module, batch)

    monkeypatch.setattr(GenerativeModule, "count", count)
    monkeypatch.setattr(items, "WITHOUT_WAITS", (grounds.VAE,))
    outcome = proved(item("waits", items.no_hidden_wait, seconds=100), ground, 600)
    assert outcome.verdict == FAILED
    assert "autoencoder/vae: the host waited at {'reads': 8}" in outcome.reason


def test_waits_on_a_gpu_are_listed_by_place_and_the_mode_is_put_back(ground, monkeypatch):
    """Warnings as torch's in the place of a GPU."""
    modes = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    class Warns(Waits):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if batch_idx in (1, 4, 5, 8):  # the first is before, the last after what is watched
                warnings.warn(AS_ERROR, stacklevel=1)
            warnings.warn("something else", stacklevel=1)
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    watch = Warns(3, 4)
    grounds.trained(ground, grounds.VAE, 10, watch=watch)
    assert modes == ["warn", "default"]
    assert watch.seen >= 4
    assert [place.split(":")[0] for place in watch.places] == ["test_prove.py"]
    assert sum(watch.places.values()) == 2


@pytest.mark.slow
def test_a_clip_of_scaled_gradients_is_found(ground, monkeypatch):
    monkeypatch.setattr(private, "unscale_before_step", lambda optimizer: None)
    outcome = proved(item("clip", items.scaled_and_clipped, seconds=100), ground, 600)
    assert outcome.verdict == FAILED
    assert "Adam, fused true: gradients of norm" in outcome.reason
    assert "fused null: gradients" not in outcome.reason


@pytest.mark.slow
def test_a_run_that_goes_on_with_other_numbers_is_found(ground, monkeypatch):
    monkeypatch.setattr(GenerativeModule, "load_own_state", lambda module, own: None)
    monkeypatch.setattr(items, "RESUMED", (grounds.RPGAN,))
    outcome = proved(item("resume", partial(items.resume_to_the_bit, "32-true"), seconds=100), ground, 600)
    assert outcome.verdict == FAILED
    assert "gan/rpgan: AssertionError: Tensor-likes are not equal!" in outcome.reason


@pytest.mark.slow
def test_another_mean_of_two_processes_is_found(ground, monkeypatch, tmp_path):
    wrong = tmp_path / "wrong.py"
    text = Path(averaging.__file__).read_text()
    wrong.write_text(text.replace("(one.double() + other.double()) / 2", "one.double() + other.double()"))
    monkeypatch.setattr(averaging, "__file__", str(wrong))
    outcome = proved(item("two", items.averages_of_two, seconds=100), ground, 600)
    assert outcome.verdict == FAILED
    assert outcome.reason.startswith("process 0: ")
