#!/usr/bin/env bash
# Writes locks/: the version and the hashes of every package, for all systems and Pythons from 3.11.
#   locks/la2ds.txt  what `pip install la2ds` brings
#   locks/dev.txt    the same with the extra `dev`
# Needs uv. `scripts/lock.sh --upgrade` takes the newest of everything; without it, what is locked
# stays unless pyproject.toml says otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links --constraint "$@" pyproject.toml
}
compile locks/limits.txt "$@" --extra dev --output-file locks/dev.txt
compile locks/dev.txt --output-file locks/la2ds.txt
