#!/usr/bin/env bash
# Train on the cluster that this machine belongs to, once enough machines have joined.
#
#   recipes/cluster/submit.sh CONFIG.toml --model DIR --data FILE --out DIR [options of shop-r1 grpo]
#
# The settings' [cluster] table says how many machines and devices it takes. All machines must see model, data and --out under
# the same paths. With GPUS=N so many GPUs must have joined first; RAY_ADDRESS=HOST:PORT names another cluster. A run that was
# interrupted goes on when the same command is given again with --resume.
set -eu
# shellcheck source=recipes/cluster/environment.sh
. "$(dirname "$0")/environment.sh"
address="${RAY_ADDRESS:-auto}"
[ "$address" = auto ] || wait_for "$address"
python - "${GPUS:-0}" "${WAIT_S:-600}" "$address" <<'PYTHON'
import sys, time
import ray

wanted, limit_s = float(sys.argv[1]), float(sys.argv[2])
ray.init(address=sys.argv[3], log_to_driver=False, logging_level="error")
ends = time.monotonic() + limit_s
while (joined := ray.cluster_resources().get("GPU", 0.0)) < wanted:
    if time.monotonic() > ends:
        sys.exit(f"after {limit_s:g} s the cluster has {joined:g} GPUs; expected {wanted:g} (worker.sh on each machine)")
    time.sleep(1)
alive = sum(node["Alive"] for node in ray.nodes())
print(f"The cluster has {alive} machine{'' if alive == 1 else 's'} and {joined:g} devices.", flush=True)
PYTHON
exec shop-r1 grpo --engine verl "$@" cluster.address="$address"
