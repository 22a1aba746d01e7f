#!/usr/bin/env bash
# Everything on a CUDA device, in one go: the tests marked `gpu`, the whole chain, and the benchmarks
# that need no data from outside. `scripts/gpu_check.sh [FOLDER]`, default a temporary one; a
# demo project and gpu.txt, the report with the name of the GPU, land there. PYTHON names the Python
# with la2ds. A benchmark that fails is named, and the others go on; the script then ends with 1.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python}"
"$python" -c 'import sys, torch; sys.exit("" if torch.cuda.is_available() else "no CUDA device")'
folder="${1:-$(mktemp -d)}"
mkdir -p "$folder"
export PYTHONPATH="$PWD:$PWD/models${PYTHONPATH:+:$PYTHONPATH}"
la2ds=("$python" -c 'from la2ds_cli.main import main; main()')
{
  "$python" -c 'import torch; print(torch.__version__, torch.version.cuda, torch.cuda.get_device_name())'
  echo "== tests"
  "$python" -m pytest -m gpu -rs
  echo "== the demo on the GPU"
  time "${la2ds[@]}" demo "$folder/demo" --train --device cuda --quiet
  failed=()
  benchmark() {
    echo "== $*"
    "$python" "benchmarks/$1.py" "${@:2}" || failed+=("$1")
  }
  benchmark train --project "$folder/demo"
  benchmark dtw
  if ((${#failed[@]})); then
    echo "failed: ${failed[*]}"
    exit 1
  fi
} 2>&1 | tee "$folder/gpu.txt"
echo "report: $folder/gpu.txt"
