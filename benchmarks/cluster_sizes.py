"""What Qwen2.5-3B at 32k tokens takes of a cluster with `--engine verl`, from arithmetic.

`python -m benchmarks.cluster_sizes` prints the tables of docs/cluster.md. Memory and bytes are those of
`shop-r1 doctor --engine verl`, operations those of `benchmarks.scaling`; the rates of GPUs and networks are
those of data sheets. Nothing is run. Letters as in `benchmarks.scaling`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.scaling import A100_FLOPS, CONFIGS, Workload, forward_flops, group_size

from shop_r1.config import load_config
from shop_r1.models.shape import SHAPES, Shape
from shop_r1.training import memory
from shop_r1.training.memory import GIB, MARGIN, Load
from shop_r1.training.network import received_bytes
from shop_r1.training.settings import GrpoConfig

CLUSTERS = {
    "1 x 8": "eight_gpus_3b",
    "8 x 8": "sixty_four_gpus_3b",
    "8 x 8, 8 prompts": "sixty_four_gpus_8_prompts_3b",
}
"""By machines and GPUs of each, the settings."""
GPU_BYTES = 79 * GIB
"""What PyTorch finds on an A100 of 80 GB, rounded down."""
GPU_RATE = 2.0e12
"""An A100's memory, bytes/s (NVIDIA's data sheet)."""
NVLINK = 300e9
"""Bytes/s that an A100 receives from others of its machine (NVIDIA's data sheet: 600 GB/s both ways)."""
NETWORK = 25e9
"""Bytes/s that a machine receives for each of its GPUs: 200 Gbit/s, as in NVIDIA's DGX A100."""
UTILISATION = 0.4
"""Share of its peak that a GPU reaches in long passes. Assumed, as in `benchmarks.scaling`."""
MACHINES = (1, 2, 4, 8)
"""Machines of eight GPUs that times are given for."""
INSIDE = ("vLLM's tensor parallelism", "sequence parallelism")
"""What is sent between GPUs of one machine alone."""
SHARED_BY = (1, 2, 4, 8)
"""Values of cluster.tensor_parallel that are compared."""


@dataclass(frozen=True)
class Cluster:
    """A settings file, planned for A100s.

    Attributes:
        config: its settings.
        shape: the model's.
        load: what a GPU has to do.
    """

    config: GrpoConfig
    shape: Shape
    load: Load

    @property
    def work(self) -> Workload:
        """One step of it, as `benchmarks.scaling` counts operations."""
        load = self.load
        return Workload(
            context=load.context,
            completion=load.completion,
            prompts=self.config.prompts_per_step,
            group=load.group,
        )


def read_cluster(name: str, shape: Shape, *overrides: str) -> Cluster:
    """Return a settings file's cluster, with these settings over it."""
    config = load_config(GrpoConfig, CONFIGS / "grpo" / f"{name}.toml", list(overrides))
    share = round(config.vllm_gpu_memory_utilization * GPU_BYTES)
    load = memory.plan_load(config, shape, config.cluster.devices, "verl", share, bf16=True)
    return Cluster(config, shape, load)


def memory_rows(clusters: Sequence[Cluster]) -> Iterator[tuple[str, list[float]]]:
    """Yield (part, GiB on each GPU by cluster)."""
    found = [memory.estimate_memory(each.shape, each.load) for each in clusters]
    for name in found[0].held:
        yield name, [each.held[name] / GIB for each in found]
    for phase, parts in found[0].phases.items():
        for name in parts:
            yield f"{phase}: {name}", [each.phases[phase][name] / GIB for each in found]
    yield f"at most, with {MARGIN:.0%}", [each.total / GIB for each in found]
    hosts = [each.config.cluster.devices_per_node for each in clusters]
    kept = [memory.FLOAT32 * each.shape.parameters / each.load.devices for each in clusters]
    yield (
        "in each machine's own memory: reference policy",
        [size * count / GIB for size, count in zip(kept, hosts, strict=True)],
    )


def network_seconds(cluster: Cluster) -> float:
    """Return how long a step's collectives take if nothing else is done meanwhile.

    Rings go through the GPUs of a machine by NVLink, and between machines by as many networks as each has
    GPUs, so what enters a machine is divided by them. The slower of the two counts. GPUs that share a session
    or vLLM's weights are on one machine.
    """
    where = cluster.config.cluster
    parts = received_bytes(cluster.shape, cluster.load)
    inside = sum(parts.pop(name) for name in INSIDE)
    received = sum(parts.values())
    whole = received * where.devices / (where.devices - 1) if where.devices > 1 else 0
    entering = whole * (where.nodes - 1) / where.nodes / where.devices_per_node
    return max(received / NVLINK, entering / NETWORK) + inside / NVLINK


def decode_seconds(cluster: Cluster) -> float:
    """Return how long vLLM reads weights and cache for the tokens of completions, all of a GPU's at once.

    A prompt's cache is held once, and read by each of its completions.
    """
    load, shape = cluster.load, cluster.shape
    tokens = load.sampled * load.group * load.context
    read = memory.cache_bytes(shape, tokens) / memory.cache_sharers(shape, load)
    return load.completion * (memory.vllm_weights(shape, load) + read) / GPU_RATE


def compute_seconds(cluster: Cluster) -> float:
    """Return how long the passes over prompts and completions take.

    They are sampling's, the policy's and the reference's probabilities, and the update: a forward pass, the
    same once more with checkpointing, and a backward pass at twice its cost.
    """
    work, load = cluster.work, cluster.load
    tokens, pairs = group_size(work, shared=True)
    forward = forward_flops(cluster.shape, tokens, pairs, work.group * work.completion)
    passes = (2 if load.reference else 1) + (4 if load.checkpointed else 3)
    sampling, learning = (
        min(load.devices, work.prompts * shared) for shared in (load.tensor_parallel, load.sequence_parallel)
    )
    return work.prompts * forward * (1 / sampling + passes / learning) / (UTILISATION * A100_FLOPS)


def with_devices(cluster: Cluster, nodes: int, prompts: int, shared: int = 1) -> Cluster:
    """Return the cluster with other numbers of machines, prompts a step, and GPUs that share each prompt."""
    changes = {"nodes": nodes, "sequence_parallel": shared, "tensor_parallel": shared}
    where = cluster.config.cluster.model_copy(update=changes)
    size = prompts * cluster.config.num_generations
    config = cluster.config.model_copy(update={"cluster": where, "generation_batch_size": size})
    load = memory.plan_load(config, cluster.shape, where.devices, "verl", cluster.load.engine, bf16=True)
    return replace(cluster, config=config, load=load)


def time_rows(cluster: Cluster) -> Iterator[tuple[str, list[str]]]:
    """Yield (prompts, seconds a step by GPUs), where these can be spread over the GPUs."""
    for prompts, split in ((8, False), (8, True), (64, False)):
        cells = []
        for nodes in MACHINES:
            devices = nodes * cluster.config.cluster.devices_per_node
            shared = max(1, devices // prompts) if split else 1
            if prompts % (devices // shared):
                cells.append("–")
                continue
            each = with_devices(cluster, nodes, prompts, shared)
            parts = (compute_seconds(each), decode_seconds(each), network_seconds(each))
            cells.append(f"{sum(parts):.1f} = {' + '.join(f'{part:.1f}' for part in parts)}")
        yield f"{prompts} prompts{', each split between GPUs / 8' if split else ''}", cells


def share_rows(name: str, shape: Shape) -> Iterator[tuple[str, list[str]]]:
    """Yield (what, by GPUs that share a copy of vLLM's weights)."""
    clusters = [read_cluster(name, shape, f"cluster.tensor_parallel={shared}") for shared in SHARED_BY]
    loads = [each.load for each in clusters]
    weights = [memory.vllm_weights(shape, load) for load in loads]
    needs = [memory.vllm_cache_needs(shape, load) for load in loads]
    network = [received_bytes(shape, load)["vLLM's tensor parallelism"] for load in loads]
    yield "prompts of a copy", [f"{load.sampled}" for load in loads]
    yield "weights on each, GiB", [f"{size / GIB:.1f}" for size in weights]
    yield "cache that these prompts need, GiB", [f"{size / GIB:.1f}" for size in needs]
    rest = [load.engine - size for load, size in zip(loads, weights, strict=True)]
    yield "cache and passes may take, GiB", [f"{size / GIB:.1f}" for size in rest]
    yield "received for it, GB a step", [f"{size / 1e9:.1f}" for size in network]
    yield (
        "reading weights and cache, s a step",
        [f"{decode_seconds(each):.2f}" for each in clusters],
    )


def table(titles: Sequence[str], rows: Iterator[tuple[str, list[str]]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [f"| {' | '.join(titles)} |", "|---" + "|--:" * (len(titles) - 1) + "|"]
    return lines + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]


def render_tables(shape: Shape) -> str:
    """Return the tables of docs/cluster.md in Markdown."""
    clusters = [read_cluster(name, shape) for name in CLUSTERS.values()]
    received = [received_bytes(shape, each.load) for each in clusters]
    sizes = ((name, [f"{value:.1f}" for value in values]) for name, values in memory_rows(clusters))
    traffic = ((name, [f"{each[name] / 1e9:.1f}" for each in received]) for name in received[0])
    gpus = [f"{8 * nodes} GPUs" for nodes in MACHINES]
    lines = [
        *table(("GiB on each GPU", *CLUSTERS), sizes),
        "",
        *table(("each GPU receives in a step, GB", *CLUSTERS), traffic),
        "",
        *table(
            ("vLLM on 1 x 8, GPUs that share its weights", *(str(each) for each in SHARED_BY)),
            share_rows(CLUSTERS["1 x 8"], shape),
        ),
        "",
        *table(("seconds a step = passes + reading + network", *gpus), time_rows(clusters[0])),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(render_tables(SHAPES["3B"]), end="")
