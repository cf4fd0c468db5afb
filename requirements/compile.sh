#!/usr/bin/env bash
# Renews the lock files from setup.py and the .in files beside this script (`make lock`).
# Hashes are kept, the address of the package index is not: any index that serves the same files will do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compile() {
  .tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command "make lock" "$@"
}
compile requirements/tools.in --output-file requirements/tools.txt
compile requirements/tfjs.in --overrides requirements/tfjs-overrides.txt --excludes requirements/tfjs-excludes.txt \
  --output-file requirements/tfjs.txt
compile requirements/tables.in --output-file requirements/tables.txt
compile requirements/flink.in --output-file requirements/flink.txt
compile requirements/docs.in --output-file requirements/docs.txt
compile requirements/edge.in --output-file requirements/edge.txt
compile setup.py --overrides requirements/overrides.txt --output-file requirements/runtime.txt
compile setup.py requirements/image-cpu.in --overrides requirements/overrides.txt \
  --overrides requirements/image-cpu-overrides.txt --constraint requirements/runtime.txt --output-file requirements/image-cpu.txt
compile setup.py --extra gpu --overrides requirements/overrides.txt \
  --constraint requirements/runtime.txt --output-file requirements/image-gpu.txt
compile setup.py --extra dev --overrides requirements/overrides.txt --constraint requirements/runtime.txt --output-file requirements/dev.txt
