"""A GRPO run on a Ray cluster, from examples to a checkpoint: what `train_grpo` does, by verl."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import hydra
import ray
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file

from shop_r1.datasets.examples import Example, example_outlines
from shop_r1.errors import ModelError, TrainingError
from shop_r1.jsonl import write_records
from shop_r1.models.checkpoint import load_model, save_checkpoint
from shop_r1.records.sessions import ExampleRef
from shop_r1.training.cluster.overrides import Device, RunFiles, verl_overrides
from shop_r1.training.cluster.start import find_start
from shop_r1.training.grpo.examples_check import check_examples
from shop_r1.training.progress.console import step_progress
from shop_r1.training.settings import GrpoConfig

_PLUG_IN = "shop_r1.training.cluster.platform"
_OBJECT_STORE = 300_000_000  # bytes of Ray's shared memory where it is started here without GPUs
_SLOTS = 32  # of Ray's CPUs on a machine without GPUs: bookkeeping; verl asks for one a process
_POLL_S = 1.0


def train_grpo_on_cluster(
    examples: Sequence[Example], data: Path, config: GrpoConfig, out: Path, resume: bool = False
) -> Mapping[str, float]:
    """Train on the examples, which are of the sessions in `data`; return the last logged metrics.

    Leaves in `out` what `train_grpo` does; checkpoints are verl's (`checkpoints/global_step_N`).

    Raises:
        DataError: there are fewer examples than a step takes.
        ConfigError: a setting has no counterpart in verl.
        ModelError: the model is not one that verl can start from (`find_start`).
        TrainingError: a worker failed, or an alert stopped the run.
    """
    check_examples(examples, config)
    files = _prepare(examples, data, config, out)
    device: Device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = verl_overrides(config, files, device, resume)
    with _ray(config, device):
        last = _drive(settings, config, out)
    _export(files, config, out)
    return last


def _prepare(examples: Sequence[Example], data: Path, config: GrpoConfig, out: Path) -> RunFiles:
    model = find_start(config.model)
    refs = [ExampleRef(session_id=each.session_id, step=each.step) for each in example_outlines(examples)]
    chosen = out / "examples.jsonl"
    write_records(chosen, refs)
    return RunFiles(out.resolve(), data.resolve(), chosen.resolve(), model)


def compose(settings: Mapping[str, Any]) -> Any:
    """Return verl's whole configuration: its defaults, and ours over them."""
    with hydra.initialize_config_module("verl.trainer.config", version_base=None):
        defaults = hydra.compose("ppo_trainer")
    OmegaConf.set_struct(defaults, False)
    return OmegaConf.merge(defaults, OmegaConf.create(dict(settings)))


@contextmanager
def _ray(config: GrpoConfig, device: Device) -> Iterator[None]:
    """Join the cluster, or start one here, and leave it at the end."""
    environment = {
        "VERL_USE_EXTERNAL_MODULES": _PLUG_IN,
        "VLLM_CPU_KVCACHE_SPACE": str(config.cluster.kv_cache_gib),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TRANSFER_QUEUE_ENABLE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    os.environ |= environment
    where: dict[str, Any] = {"address": config.cluster.address or None}
    if not config.cluster.address:
        where = {"include_dashboard": False}
        if device == "cpu":
            where |= {
                "num_cpus": _SLOTS,
                "num_gpus": config.cluster.devices,
                "object_store_memory": _OBJECT_STORE,
            }
    ray.init(**where, runtime_env={"env_vars": environment}, log_to_driver=False, logging_level="error")
    try:
        yield
    finally:
        ray.shutdown()


@ray.remote
class Driver:
    """The process of the cluster that drives verl's workers."""

    def run(self, settings: Mapping[str, Any]) -> Mapping[str, float]:
        """Train, and return the last step's metrics."""
        import transfer_queue as tq
        from verl.trainer.ppo.v1 import AgentLoopManagerTQ
        from verl.utils.device import auto_set_device

        from shop_r1.training.cluster.trainer import ClusterTrainer

        config = compose(settings)
        auto_set_device(config)
        config.transfer_queue.enable = True
        config.transfer_queue.backend.SimpleStorage.num_data_storage_units = 1
        OmegaConf.resolve(config)
        tq.init(config.transfer_queue)
        try:
            trainer = ClusterTrainer(config)
            trainer.init()
            trainer.fit(
                AgentLoopManagerTQ.create(
                    config=config,
                    llm_client=trainer.get_llm_client(),
                    teacher_client=trainer.get_teacher_client(),
                    reward_loop_worker_handles=trainer.get_reward_handles(),
                )
            )
            return dict(trainer.last)
        finally:
            tq.close()


def _drive(settings: Mapping[str, Any], config: GrpoConfig, out: Path) -> Mapping[str, float]:
    running = Driver.remote().run.remote(settings)  # type: ignore[attr-defined]
    shown = 0
    with step_progress("GRPO on verl") as show:
        while not ray.wait([running], timeout=_POLL_S)[0]:
            shown = _show_steps(out / "metrics.jsonl", shown, config.max_steps, show)
        try:
            last: Mapping[str, float] = ray.get(running)
        except ray.exceptions.RayError as error:
            raise TrainingError(
                f"{out}: verl failed ({str(error).strip().splitlines()[-1]}); its logs are in "
                "/tmp/ray/session_latest/logs; go on with --resume"
            ) from error
        _show_steps(out / "metrics.jsonl", shown, config.max_steps, show)
    return last


def _show_steps(path: Path, shown: int, steps: int, show: Callable[[int, int, str], None]) -> int:
    """Show the steps that were logged since; return how many have been shown."""
    lines: list[Mapping[str, Any]] = []
    with suppress(OSError, ValueError):  # not there yet, or a line is being written
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines[shown:]:
        show(line["step"], steps, f"reward {line['reward/total']:.3g}, parsed {line['policy/parsed']:.3g}")
    return len(lines)


def _export(files: RunFiles, config: GrpoConfig, out: Path) -> None:
    """Write the last checkpoint's weights as a folder like any other."""
    found = sorted(
        (out / "checkpoints").glob("global_step_*"), key=lambda path: int(path.name.split("_")[-1])
    )
    weights: dict[str, torch.Tensor] = {}
    for shard in sorted((found[-1] / "actor" / "huggingface").glob("*.safetensors")):
        weights |= load_file(shard)
    trained = load_model(config.model)
    missing, unknown = trained.model.load_state_dict(weights, strict=False)
    tied = set(trained.model.all_tied_weights_keys)
    if unknown or set(missing) - tied:
        raise ModelError(
            f"{found[-1]}: its weights are not the model's: {len(unknown)} unknown, {len(missing)} missing"
        )
    save_checkpoint(trained, out)
