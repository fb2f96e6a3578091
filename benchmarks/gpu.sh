#!/usr/bin/env bash
# The GPU part of the benchmarks alone, on a machine that has Python, PyTorch, numpy and scipy and nothing else.
# Writes benchmarks/results/training_gpu.json; `python benchmarks/report.py` puts it into docs/benchmarks.md.
#   bash benchmarks/gpu.sh [--repeats N]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH=workflow
python3 benchmarks/training.py --device cuda --write "$@"
if [ -n "${OUT:-}" ]; then cp benchmarks/results/training_gpu.json "$OUT/"; fi
