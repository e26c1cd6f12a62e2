"""Whether a run's settings fit the devices that it is planned for."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import DistributedType

from shop_r1.cli.machine.facts import find_device
from shop_r1.config import load_config
from shop_r1.errors import ConfigError
from shop_r1.models.precision import format_name
from shop_r1.models.sequence_parallel import check_heads
from shop_r1.models.shape import Shape, find_shape
from shop_r1.training import memory, network
from shop_r1.training.cluster.start import Engine
from shop_r1.training.devices import read_launch
from shop_r1.training.memory import GIB, Estimate, Load, Strategy
from shop_r1.training.settings import GrpoConfig, SftConfig

SCHEMAS: dict[str, type[SftConfig] | type[GrpoConfig]] = {"sft": SftConfig, "grpo": GrpoConfig}
_STRATEGIES: dict[DistributedType, Strategy] = {
    DistributedType.NO: "one",
    DistributedType.MULTI_CPU: "ddp",
    DistributedType.MULTI_GPU: "ddp",
    DistributedType.FSDP: "fsdp",
}
_SPREADS = {
    "one": "one device",
    "ddp": "the whole model on each (DDP)",
    "fsdp": "sharded (FSDP)",
    "verl": "sharded (FSDP), and vLLM on the same",
}


@dataclass(frozen=True)
class Plan:
    """A run as it is planned, and what it takes."""

    facts: list[tuple[str, str]]
    """(name, value), for the reader."""
    estimate: Estimate
    memory: int
    """What each device has, in bytes."""
    others: dict[str, int]
    """Where it does not fit, by the fewest changes with which it does, what it takes then, in bytes."""
    received: dict[str, int]
    """With verl, bytes that a device receives from others in a step, by what for; else none."""

    @property
    def fits(self) -> bool:
        """Whether it fits, the margin included."""
        return self.estimate.total <= self.memory


def plan_run(
    path: Path | None,
    overrides: list[str],
    stage: str | None = None,
    model: str | None = None,
    launch: Path | None = None,
    device_gib: float | None = None,
    engine: Engine = "trl",
) -> Plan:
    """Return the plan of a run.

    The stage, sft or grpo, is found from the settings where it is None; `model` takes the place of theirs.
    `launch` is accelerate's settings file (None: one device; verl's devices are the settings' own),
    `device_gib` each device's memory (None: as here).

    Raises:
        ConfigError: the settings are not valid, or ask this machine for devices that it does not have, or
            vLLM's share of a device is too small for it.
        ModelError: the model's shape is not known, or its heads cannot be split as the settings say.
    """
    stage = stage or ("grpo" if engine == "verl" else _find_stage(path, overrides))
    config = load_config(SCHEMAS[stage], path, overrides)
    shape, source = find_shape(model or config.model)
    devices, strategy = _spread_of(config, engine, launch, must_be_here=device_gib is None)
    room = _memory_here(devices) if device_gib is None else round(device_gib * GIB)
    # Memory is only given for other machines, and these are GPUs with bfloat16.
    bf16 = None if device_gib is None else True
    load = memory.plan_load(config, shape, devices, strategy, _share_of_vllm(config, strategy, room), bf16)
    facts = [
        ("settings", f"{stage}, {path or 'the defaults'}"),
        ("model", f"{model or config.model}, {shape.parameters:,} parameters; {source}"),
        ("devices", f"{devices}, {_SPREADS[strategy]}"),
        ("number format", format_name(load.bf16)),
        ("on each at once", _describe_load(load, stage)),
    ]
    received = {}
    if isinstance(config, GrpoConfig) and strategy == "verl":
        check_heads(shape.heads, shape.kv_heads, load.sequence_parallel)
        facts += _cluster_facts(shape, load, config)
        received = network.received_bytes(shape, load)
    estimate = memory.estimate_memory(shape, load)
    others = {} if estimate.total <= room else memory.fitting_changes(shape, load, room)
    return Plan(facts, estimate, room, others, received)


def _spread_of(
    config: SftConfig | GrpoConfig, engine: Engine, launch: Path | None, must_be_here: bool
) -> tuple[int, Strategy]:
    """Return over how many devices the run is spread, and how."""
    if engine == "trl":
        return _read_spread(launch, must_be_here)
    if launch is not None or not isinstance(config, GrpoConfig):
        raise ConfigError(
            "--engine verl plans GRPO, and its devices are those of the settings' [cluster] table; leave "
            "--launch and --stage sft out"
        )
    nodes, each, here = config.cluster.nodes, config.cluster.devices_per_node, torch.cuda.device_count()
    if must_be_here and (nodes > 1 or (config.cluster.device != "cpu" and 0 < here < each)):
        raise ConfigError(
            f"the settings ask for {nodes} x {each} devices, and this machine has {here} GPUs; to plan for "
            "other machines say what each device has, for instance --device-memory 80"
        )
    return config.cluster.devices, "verl"


def _share_of_vllm(config: SftConfig | GrpoConfig, strategy: Strategy, room: int) -> int:
    """Return what vLLM takes of each device, in bytes; 0 where none samples there, or on the CPU."""
    if not isinstance(config, GrpoConfig):
        return 0
    on_device = config.use_vllm and config.vllm_mode == "colocate"
    on_cluster = strategy == "verl" and config.cluster.device != "cpu"
    return round(config.vllm_gpu_memory_utilization * room) if on_device or on_cluster else 0


def _cluster_facts(shape: Shape, load: Load, config: GrpoConfig) -> list[tuple[str, str]]:
    """Return what is true of a run on a cluster alone.

    Raises:
        ConfigError: vLLM's share of a device is too small for its weights and one prompt's group.
    """
    weights = memory.vllm_weights(shape, load)
    one = memory.vllm_cache_needs(shape, replace(load, sampled=1))
    needs = memory.vllm_cache_needs(shape, load)
    if load.engine and load.engine < weights + one:
        raise ConfigError(
            f"vllm_gpu_memory_utilization = {config.vllm_gpu_memory_utilization:g} gives vLLM "
            f"{load.engine / GIB:.1f} GiB of each device; its weights take {weights / GIB:.1f} and one "
            f"prompt with its group {one / GIB:.1f}; give it more, or set cluster.tensor_parallel"
        )
    room = f", of {(load.engine - weights) / GIB:.1f} GiB" if load.engine else ""
    count = f"{load.sampled} prompt{'' if load.sampled == 1 else 's'} with {load.group} completions"
    host = (4 if load.reference else 0) + (16 if load.offload else 0)
    kept = host * shape.parameters // load.devices * config.cluster.devices_per_node
    split = []
    if load.sequence_parallel > 1:
        split = [("each prompt", f"split between {load.sequence_parallel} devices while it is learnt from")]
    return [
        *split,
        ("vLLM caches", f"{count} at once, {needs / GIB:.1f} GiB{room}"),
        ("in each machine", f"{kept / GIB:.1f} GiB of its own memory, for what is not on a device"),
    ]


def _find_stage(path: Path | None, overrides: list[str]) -> str:
    """Return the stage whose settings these are: by their keys, else by their folder."""
    errors, valid = [], []
    for stage, schema in SCHEMAS.items():
        try:
            load_config(schema, path, overrides)
            valid.append(stage)
        except ConfigError as error:
            errors.append(f"as {stage}: {error}")
    if len(valid) == 1:
        return valid[0]
    if path is not None and (folder := path.resolve().parent.name) in valid:
        return folder
    if not valid:
        raise ConfigError("; ".join(errors))
    raise ConfigError("these may be settings of sft and of grpo; give --stage sft or --stage grpo")


def _read_spread(launch: Path | None, must_be_here: bool) -> tuple[int, Strategy]:
    """Return over how many devices the run is spread, and how.

    What accelerate would quietly turn into something else on this machine is refused.
    """
    if launch is None:
        return 1, "one"
    devices, kind = read_launch(launch)
    if kind not in _STRATEGIES:
        raise ConfigError(f"{launch}: distributed_type is {kind.value}; expected NO, MULTI_GPU or FSDP")
    here = torch.cuda.device_count()
    on_gpus = kind in (DistributedType.FSDP, DistributedType.MULTI_GPU)
    if must_be_here and on_gpus and here < devices:
        raise ConfigError(
            f"{launch} asks for {kind.value} on {devices} devices, and this machine has {here} GPUs; to plan "
            "for other machines say what each device has, for instance --device-memory 80"
        )
    return devices, _STRATEGIES[kind]


def _memory_here(devices: int) -> int:
    _, found = find_device()
    if found is None:
        raise ConfigError("this machine's memory is not known; give --device-memory, in GiB")
    return found if torch.cuda.is_available() else found // devices


def _describe_load(load: Load, stage: str) -> str:
    one = "session" if stage == "sft" else "prompt"
    text = f"{load.trees} {one}{'' if load.trees == 1 else 's'} of {load.context:,} tokens"
    shared = f", shared by {load.sequence_parallel} devices" * (load.sequence_parallel > 1)
    return text if stage == "sft" else f"{text}, {load.group} completions of {load.completion} each{shared}"


def render_plan(plan: Plan) -> list[tuple[str, str]]:
    """Return the table of parts, in GiB."""
    estimate = plan.estimate
    phase = estimate.busiest
    parts = {
        **estimate.held,
        **{f"{phase}: {name}": size for name, size in estimate.phases[phase].items()},
        f"margin, {memory.MARGIN:.0%}": estimate.total - estimate.peak,
        "in all": estimate.total,
        "there is": plan.memory,
    }
    return [("memory of each device", "GiB"), *((name, f"{size / GIB:.1f}") for name, size in parts.items())]


def render_received(plan: Plan) -> list[tuple[str, str]]:
    """Return the table of what a device receives from others in a step, in GB; empty where it is alone."""
    if not any(plan.received.values()):
        return []
    parts = {**plan.received, "in all": sum(plan.received.values())}
    title = ("each device receives in a step", "GB")
    return [title, *((name, f"{size / 1e9:.1f}") for name, size in parts.items())]


def render_verdict(plan: Plan) -> list[str]:
    """Return the lines that say whether it fits, and what else would."""
    if plan.fits:
        return ["It fits."]
    too_much = f"It does not fit: {(plan.estimate.total - plan.memory) / GIB:.1f} GiB too much."
    if not plan.others:
        return [too_much, "No change that is known here makes it fit."]
    wide = max(map(len, plan.others))
    changes = [f"  {change:<{wide}}  {size / GIB:6.1f} GiB" for change, size in plan.others.items()]
    return [f"{too_much} It does with", *changes]
