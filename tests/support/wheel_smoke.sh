#!/bin/sh
# Installs the wheel, without any extra, under every Python that is there, and plans, checks and ranks with it, in folders of their own.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${BUILDER:-python3}" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" "$here"
for python in ${PYTHONS:-python3.11 python3.12 python3.13}; do
    command -v "$python" >/dev/null || { echo "$python: not here, skipped"; continue; }
    begin=$(date +%s)
    "$python" -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$folder"/fastmove-*.whl
    installed=$(date +%s)
    cd "$folder"
    "$folder/venv/bin/fastmove" plan light_bulb --out bulb.npz >plan.txt 2>&1
    "$folder/venv/bin/fastmove" check light_bulb bulb.npz >check.txt
    "$folder/venv/bin/fastmove" describe book_to_tote >describe.txt
    grep -q "certificate ok" check.txt
    "$folder/venv/bin/fastmove" plan light_bulb --preview bulb.html 2>&1 | grep -q "pip install 'fastmove\[view\]'" || { echo "$python: no word about the extra"; exit 1; }
    echo "$python: installed in $((installed - begin)) s, $(du -sm "$folder/venv" | cut -f1) MB; $(sed -n 's/^  duration/planned, duration/p' plan.txt)"
    rm -rf "$folder/venv"
done
