#!/usr/bin/env bash
# How near to the best reachable accuracy more sessions come: SFT on 900, 3,600 and 14,400 of the focused crowd, then RL.
# An hour and a quarter on one thread of a CPU, and nothing else is needed. Give it again to go on after an interruption.
#
#   recipes/ceiling.sh [DIR] [settings and options of shop-r1 reproduce]       (default runs/ceiling, one seed)
#
# The nearest checkpoint is DIR/seed-0/pages-of-4/models/medium-whole-session-sft-14400-remedy; its README.md has its figures.
# For more: recipes/ceiling.sh runs/more 'ceiling.sessions=[57600]', or ceiling.size=large.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
out="${1:-runs/ceiling}"
[ $# -eq 0 ] || shift

shop-r1 reproduce --only ceiling --seeds 1 --out "$out" "$@"
