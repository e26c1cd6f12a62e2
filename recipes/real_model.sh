#!/usr/bin/env bash
# A real pretrained model on both crowds: fetched, then zero-shot, SFT and Shop-R1 rows, as text and JSON.
# About 80 minutes for the first crowd and 2.5 hours for the second on two quiet CPU cores; on a GPU it has not been run.
# Give it again to go on.
# docs/how_to/real_model.md has the costs.
#
#   recipes/real_model.sh [DIR] [options of recipes/real_model.py]       (default runs/real_model)
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
out="${1:-runs/real_model}"
[ $# -eq 0 ] || shift

shop-r1 model fetch smollm2-135m
for crowd in focused wandering; do
    python -m recipes.real_model "$out/$crowd" --crowd "$crowd" "$@"
done
