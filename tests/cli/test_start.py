"""What a command imports when it starts: nothing slow that it does not need."""

import json
import subprocess
import sys

from lightning_gen.data import Digits

SLOW = ("sklearn", "joblib", "tensorboard", "google.protobuf", "pandas", "timm", "umap", "onnx", "nibabel", "notebook")
"""Packages that take long to import, and that some commands need; those of torch and Lightning are not counted."""

PROGRAM = """
import json, sys
from lightning_gen.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted(sys.modules)))
"""


def loaded(*argv):
    """The modules of a process after it has run a command."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def slow(modules):
    return sorted(each for each in SLOW if each in modules)


def test_sample_imports_nothing_slow(gan, trainer, tmp_path):
    once = trainer(max_steps=1, limit_val_batches=0)
    once.fit(gan(), Digits(size=8))
    once.save_checkpoint(tmp_path / "gan.ckpt")
    modules = loaded("sample", str(tmp_path / "gan.ckpt"), "--n", "4", "--out", str(tmp_path / "samples.png"))
    assert (tmp_path / "samples.png").is_file()
    assert "lightning_gen.commands.sample" in modules
    assert not slow(modules)


def test_the_package_imports_nothing_slow():
    modules = loaded("--version")
    assert "lightning_gen.commands.sample" in modules
    assert not slow(modules)


def test_a_name_that_is_imported_late_is_there_when_it_is_asked_for():
    program = (
        "import json, sys; from lightning_gen import applications; early = 'sklearn' in sys.modules; "
        "from lightning_gen.applications import Codes; print(json.dumps([early, 'sklearn' in sys.modules, "
        "Codes.__module__, hasattr(applications, 'Coes')]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, True, "lightning_gen.applications.codes", False]
