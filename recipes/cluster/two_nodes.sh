#!/usr/bin/env bash
# Two machines on one: two Ray nodes in network namespaces of their own, joined by a virtual cable, train one model together;
# FSDP2 shards it between them. Needs Linux and root. What it starts ends with it: its processes and its namespaces.
#
#   recipes/cluster/two_nodes.sh MODEL DATA OUT [key=value …]
#
# For instance, after shop-r1 demo:
#   recipes/cluster/two_nodes.sh runs/demo/sft runs/demo/sessions.jsonl.zst runs/two_nodes max_steps=4
set -eu
cd "$(dirname "$0")/../.."
usage="two_nodes.sh MODEL DATA OUT [key=value …]"
model="${1:?$usage}" data="${2:?$usage}" out="${3:?$usage}"
shift 3
head=shop-r1-head worker=shop-r1-worker head_address=10.207.0.1 worker_address=10.207.0.2
logs="$(mktemp -d /tmp/shop-r1.XXXXXX)" started=()

end() {
    for pid in "${started[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
    for node in "$head" "$worker"; do
        # Only this script starts anything in these two namespaces.
        for pid in $(ip netns pids "$node"); do kill -KILL "$pid" 2>/dev/null || true; done
        ip netns del "$node"
    done
    rm -rf "$logs"
}

in_node() { # NODE COMMAND…: run it as on that machine, whose only network is eth0
    node="$1"
    shift
    NETWORK=eth0 RAY_AUTH_TOKEN_PATH="$logs/token" ip netns exec "$node" "$@"
}

for node in "$head" "$worker"; do
    if ip netns pids "$node" >/dev/null 2>&1; then
        echo "the network namespace $node exists already; if no other two_nodes.sh runs: ip netns del $node" >&2
        exit 2
    fi
done
ip netns add "$head"
ip netns add "$worker"
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
ip -n "$head" link add eth0 type veth peer name eth0 netns "$worker"
ip -n "$head" address add "$head_address/24" dev eth0
ip -n "$worker" address add "$worker_address/24" dev eth0
for node in "$head" "$worker"; do
    ip -n "$node" link set lo up
    ip -n "$node" link set eth0 up
done

# A process on the cores counts as a GPU, and Ray's CPUs are bookkeeping. Each node needs room for vLLM's and verl's objects.
options=(--num-gpus 1 --num-cpus 32 --object-store-memory 300000000 --temp-dir "$logs")
in_node "$head" recipes/cluster/head.sh "$head_address" "${options[@]}" >"$logs/head.log" 2>&1 &
started+=($!)
in_node "$worker" recipes/cluster/worker.sh "$head_address" --node-ip-address "$worker_address" "${options[@]}" \
    >"$logs/worker.log" 2>&1 &
started+=($!)
GPUS=2 RAY_ADDRESS="$head_address:6379" in_node "$head" recipes/cluster/submit.sh configs/grpo/demo.toml --model "$model" --data "$data" --out "$out" \
    cluster.nodes=2 cluster.devices_per_node=1 cluster.device=cpu per_device_train_batch_size=32 "$@"
for node in "$head" "$worker"; do
    in_node "$node" cat /proc/net/dev | awk -v node="$node" '$1 == "eth0:" {printf "%-14s received %.0f MB, sent %.0f MB\n", node, $2 / 1e6, $10 / 1e6}'
done
