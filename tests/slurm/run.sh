#!/usr/bin/env bash
# Tests on a real SLURM: brings a cluster of two nodes up on this machine, runs the tests, takes it down.
# Needs root and Debian's packages (installed if they are missing), and the Python that has cortexclip[test,slurm].
# Ends with 77 where no cluster can be brought up.
set -euo pipefail
cd "$(dirname "$0")/../.."
CLUSTER=$(mktemp -d "${TMPDIR:-/tmp}/cortexclip-slurm.XXXXXX")
export CLUSTER SLURM_CONF=$CLUSTER/etc/slurm.conf
finish() {
  tests/slurm/cluster.sh down
  rm -rf "$CLUSTER"
}
trap finish EXIT
tests/slurm/cluster.sh up || exit 77
"${PYTHON:-python}" -m pytest tests/slurm --durations=5 "$@"
