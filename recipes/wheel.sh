#!/usr/bin/env bash
# Build the wheel, install it into an empty environment as a user would, and use it from outside the repository: the base
# install runs the public API's doctests and the examples, the install with [train] the quick demo. Prints the sizes.
#
#   recipes/wheel.sh [WHEEL]       (PYTHON=python3.12 takes another Python; default: the wheel of this tree)
set -eu
cd "$(dirname "$0")/.."
root="$PWD" build="$PWD/build/smoke"
rm -rf "$build" && mkdir -p "$build/work"
if [ $# -gt 0 ]; then
    wheel="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
else
    rm -rf "$root"/build/lib* "$root"/build/bdist* # what an earlier build left would get into the wheel
    .venv/bin/python -m pip wheel --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$build" .
    wheel="$(echo "$build"/*.whl)"
fi
"${PYTHON:-python3}" -m venv "$build/venv"
python="$build/venv/bin/python"
packages="$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
mebibytes() { du -sk "$1" | awk '{printf "%.1f MiB", $1 / 1024}'; }
install() { "$python" -m pip install --quiet --quiet --disable-pip-version-check "$1"; }

echo "wheel: $(basename "$wheel"), $(mebibytes "$wheel")"
before="$(du -sk "$packages" | cut -f1)"
install "$wheel"
echo "base install: $((($(du -sk "$packages" | cut -f1) - before) / 1024)) MiB, of which shop_r1 $(mebibytes "$packages/shop_r1")"
cd "$build/work"
"$build/venv/bin/shop-r1" --help >/dev/null
"$python" -I "$root/recipes/api_doctests.py"
for example in "$root"/examples/*.py; do
    "$python" -I "$example" >/dev/null
    echo "examples/$(basename "$example") runs"
done
install "$wheel[train]"
echo "install with [train]: $((($(du -sk "$packages" | cut -f1) - before) / 1024)) MiB"
"$build/venv/bin/shop-r1" demo --quick --out demo >demo.log 2>&1 || { cat demo.log; exit 1; }
tail -n 4 demo.log
