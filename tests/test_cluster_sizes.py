"""The arithmetic of docs/cluster.md, by hand where it is not that of `shop-r1 doctor`."""

from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.cluster_sizes import (
    CLUSTERS,
    GPU_BYTES,
    GPU_RATE,
    NETWORK,
    NVLINK,
    compute_seconds,
    decode_seconds,
    network_seconds,
    read_cluster,
    render_tables,
    with_devices,
)
from benchmarks.scaling import A100_FLOPS, Workload, grpo_flops

from shop_r1.models.shape import SHAPES
from shop_r1.training.memory import estimate_memory
from shop_r1.training.network import received_bytes

SHAPE = SHAPES["3B"]
DOCUMENT = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text("utf-8")


def test_the_document_shows_what_the_script_prints() -> None:
    shown = DOCUMENT.partition("<!-- python -m benchmarks.cluster_sizes -->\n\n")[2]
    assert shown.partition("\n\n<!-- end -->")[0] + "\n" == render_tables(SHAPE)


@pytest.mark.parametrize("name", CLUSTERS.values())
def test_the_settings_fit_with_room_to_spare(name: str) -> None:
    cluster = read_cluster(name, SHAPE)
    assert estimate_memory(SHAPE, cluster.load).total < GPU_BYTES / 2


def test_passes_take_what_their_operations_say() -> None:
    # TRL's path makes six forward passes' worth; verl's measures the policy's probabilities apart, a seventh.
    operations = grpo_flops(SHAPE, Workload(), shared=True, checkpointed=True) * 7 / 6
    assert compute_seconds(read_cluster("eight_gpus_3b", SHAPE)) == pytest.approx(
        operations / (8 * 0.4 * A100_FLOPS)
    )


def test_sampling_reads_the_weights_and_every_completions_cache_for_each_token() -> None:
    # 3,085,938,688 weights of 2 bytes; 8 completions that each look at 32,768 tokens of 36 KiB; 128 times.
    read = 2 * 3_085_938_688 + 8 * 32_768 * 36 * 1024
    assert decode_seconds(read_cluster("eight_gpus_3b", SHAPE)) == pytest.approx(128 * read / GPU_RATE)


def test_one_machines_traffic_goes_over_nvlink() -> None:
    cluster = read_cluster("eight_gpus_3b", SHAPE)
    received = sum(received_bytes(SHAPE, cluster.load).values())
    # Four passes in two bytes, gradients and vLLM's weights in four: 16 bytes a parameter, of which 7/8.
    assert received == pytest.approx(16 * SHAPE.parameters * 7 / 8)
    assert network_seconds(cluster) == pytest.approx(received / NVLINK)


def test_between_machines_a_byte_enters_each_once_over_all_of_its_networks() -> None:
    cluster = read_cluster("sixty_four_gpus_3b", SHAPE)
    entering = 16 * SHAPE.parameters * 7 / 8  # of eight machines, seven are others
    assert network_seconds(cluster) == pytest.approx(entering / (8 * NETWORK))


def test_a_slow_network_counts_and_a_fast_one_leaves_nvlink(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = read_cluster("sixty_four_gpus_3b", SHAPE)
    received = sum(received_bytes(SHAPE, cluster.load).values())
    monkeypatch.setattr("benchmarks.cluster_sizes.NETWORK", 1e15)
    assert network_seconds(cluster) == pytest.approx(received / NVLINK)


def test_eight_times_the_prompts_on_eight_times_the_gpus_take_as_long() -> None:
    small = read_cluster("eight_gpus_3b", SHAPE)
    large = read_cluster("sixty_four_gpus_3b", SHAPE)
    assert compute_seconds(large) == pytest.approx(compute_seconds(small))
    assert with_devices(small, 8, 64).load == replace(large.load, engine=small.load.engine)
    assert compute_seconds(with_devices(small, 1, 64)) == pytest.approx(8 * compute_seconds(small))


def test_a_session_that_eight_gpus_share_takes_an_eighth_of_the_passes() -> None:
    small, split = (read_cluster(f"{name}_3b", SHAPE) for name in ("eight_gpus", "sixty_four_gpus_8_prompts"))
    assert compute_seconds(split) == pytest.approx(compute_seconds(small) / 8)
    parts = received_bytes(SHAPE, split.load)
    inside = parts["sequence parallelism"] + parts["vLLM's tensor parallelism"]
    entering = 16 * SHAPE.parameters * 7 / 8
    assert network_seconds(split) == pytest.approx(entering / (8 * NETWORK) + inside / NVLINK)
