"""Print the oldest versions that pyproject.toml allows, as pip's constraints: ``torch>=2.6`` becomes ``torch==2.6``."""

import sys
from pathlib import Path

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

project = tomllib.loads(Path(__file__, "../../pyproject.toml").resolve().read_text())["project"]
for lines in (project["dependencies"], *project["optional-dependencies"].values()):
    for requirement in map(Requirement, lines):
        for bound in requirement.specifier:
            if bound.operator == ">=":
                print(f"{requirement.name}=={bound.version}")
