"""An installed wheel carries the recipes: short names work without a checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lightning_gen.cli import recipes

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs a checkout to build the wheel from")
def test_a_recipe_is_found_in_an_installed_wheel(tmp_path):
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (licence,) = (tmp_path / "site").glob("*.dist-info/licenses/**/LICENSE")
    assert licence.read_text().startswith("MIT License")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    words = [
        "-m",
        "lightning_gen",
        "fit",
        "--config",
        "gan/dcgan",
        "--config",
        "trainer/smoke",
        "--trainer.fast_dev_run=1",
    ]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    script = "from lightning_gen.cli import recipes; print(recipes.folder(), *recipes.names(), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    where, *names = done.stdout.split()
    assert Path(where) == tmp_path / "site" / "lightning_gen" / "configs"
    assert names == recipes.names()
