#!/usr/bin/env bash
# Prints locks/dev.txt as constraints for pip: `pip install --constraint <(scripts/locked.sh) .`
# Without hashes, which pip wants for all packages or for none, and without PyTorch and what comes
# with it, of which each machine has the build for its own processor.
set -euo pipefail
grep -E '^[a-z]' "$(dirname "$0")/../locks/dev.txt" |
  grep -vE '^(torch|torchvision|triton|nvidia-|cuda-)' | sed 's/ \\$//'
