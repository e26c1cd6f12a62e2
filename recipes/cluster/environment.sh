# shellcheck shell=bash
# Read by the scripts beside it: the environment that `make cluster` made, or the one in CLUSTER_ENV.
PATH="${CLUSTER_ENV:-$(cd "$(dirname "$0")/../.." && pwd)/build/cluster}/bin:$PATH"
# What Ray's workers see is what Ray was started with, so these are set before it is.
export PATH RAY_USAGE_STATS_ENABLED=0 VLLM_NO_USAGE_STATS=1 TOKENIZERS_PARALLELISM=false
# NETWORK=eth0 names the network between the machines, where they have several.
if [ -n "${NETWORK:-}" ]; then export GLOO_SOCKET_IFNAME="$NETWORK" NCCL_SOCKET_IFNAME="$NETWORK"; fi
# Who has the token can run code on the cluster; head.sh makes it, and every machine needs it.
export RAY_AUTH_MODE="${RAY_AUTH_MODE:-token}"
if [ -z "${RAY_AUTH_TOKEN:-}" ]; then export RAY_AUTH_TOKEN_PATH="${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}"; fi
command -v ray >/dev/null || { echo "ray is not installed: make cluster, or CLUSTER_ENV=DIR" >&2; exit 2; }
wait_for() { # HOST:PORT: until something answers there, WAIT_S seconds at most; machines start in any order
    local ends=$((SECONDS + ${WAIT_S:-600}))
    until (: <"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null; do
        if [ $SECONDS -ge $ends ]; then
            echo "nothing answers at $1 after ${WAIT_S:-600} s: does head.sh run there?" >&2
            exit 1
        fi
        sleep 1
    done
}
