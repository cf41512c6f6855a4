#!/bin/sh
# From nothing to the first preview: clones the project, installs with an empty package cache, runs `make demo`; prints the seconds.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
begin=$(date +%s)
git clone --quiet "$here" "$folder/fastmove"
cd "$folder/fastmove"
env -u PYTHONPATH -u VIRTUAL_ENV PIP_NO_CACHE_DIR=1 NUMBA_CACHE_DIR="$folder/numba" make demo
test -s book_to_tote.html
echo "clone to first preview: $(($(date +%s) - begin)) s; installed: $(du -sh .venv | cut -f1)"
