#!/usr/bin/env bash
# Everything that needs a CUDA device, in one go: the tests marked `gpu`, then the whole chain and
# the training benchmark on it. `scripts/gpu_check.sh [FOLDER]`, default a temporary one; a
# demo project and gpu.txt, the report, land there. PYTHON names the Python with la2ds.
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
  time "${la2ds[@]}" demo "$folder/demo" --device cuda --quiet
  echo "== training"
  "$python" benchmarks/train.py --project "$folder/demo"
} 2>&1 | tee "$folder/gpu.txt"
echo "report: $folder/gpu.txt"
