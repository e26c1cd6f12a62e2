#!/usr/bin/env bash
# Start Ray on the first machine of a cluster; others join with worker.sh. Runs until it is stopped (Ctrl-C, SIGTERM).
#
#   recipes/cluster/head.sh [ADDRESS] [options of ray start]       (default: this machine's first address)
#
# Copy ~/.ray/auth_token, which it makes where there is none, to the other machines unless they share the home folder.
# ADDRESS is the one by which the other machines reach this one. PORT, the port, is 6379. On machines without GPUs say how
# many processes train on each, which Ray counts as GPUs: recipes/cluster/head.sh 10.0.0.1 --num-gpus 1 --num-cpus 32
set -eu
# shellcheck source=recipes/cluster/environment.sh
. "$(dirname "$0")/environment.sh"
address="${1:-$(hostname -I | cut -d' ' -f1)}"
[ $# -eq 0 ] || shift
if [ -z "${RAY_AUTH_TOKEN:-}" ] && [ ! -s "$RAY_AUTH_TOKEN_PATH" ]; then
    mkdir -p "$(dirname "$RAY_AUTH_TOKEN_PATH")"
    (umask 077 && python -c 'import secrets; print(secrets.token_hex(32), end="")' >"$RAY_AUTH_TOKEN_PATH")
fi
exec ray start --head --block --node-ip-address "$address" --port "${PORT:-6379}" \
    --include-dashboard "${DASHBOARD:-false}" --disable-usage-stats "$@"
