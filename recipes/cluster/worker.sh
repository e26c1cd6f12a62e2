#!/usr/bin/env bash
# Join a machine to the cluster that head.sh started. Runs until it is stopped, or the head is.
#
#   recipes/cluster/worker.sh HEAD[:PORT] [options of ray start]
#
# HEAD is the address that head.sh was given. Options as there; with several networks also --node-ip-address.
set -eu
# shellcheck source=recipes/cluster/environment.sh
. "$(dirname "$0")/environment.sh"
head="${1:?the head\'s address is missing: recipes/cluster/worker.sh HEAD[:PORT]}"
shift
case "$head" in *:*) ;; *) head="$head:6379" ;; esac
wait_for "$head"
exec ray start --block --address "$head" --disable-usage-stats "$@"
