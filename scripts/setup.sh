#!/usr/bin/env bash
# Makes one environment of this project: `setup.sh main` (.venv), `setup.sh edge` (.venv-edge, what a small device has),
# `setup.sh tables` (.venv-tables, packages with tables for tests), `setup.sh docs` (.venv-docs, MkDocs) or
# `setup.sh flink` (.venv-flink, Flink and Beam's job server for it, for tests).
# Idempotent: a stamp of everything the environment is made from is written last, so an interrupted
# set-up is simply continued by the next call, and a finished one costs a hash.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

what="${1:-main}"
case "$what" in
  main) venv=.venv; lock=requirements/dev.txt; versions="3.11 3.12 3.13" ;;
  tables) venv=.venv-tables; lock=requirements/tables.txt; versions="3.11 3.12 3.13" ;;
  flink) venv=.venv-flink; lock=requirements/flink.txt; versions="3.11 3.12 3.13" ;;
  docs) venv=.venv-docs; lock=requirements/docs.txt; versions="3.11 3.12 3.13" ;;
  edge) venv=.venv-edge; lock=requirements/edge.txt; versions="3.11 3.12 3.13" ;;
  *) echo "setup: unknown environment '$what'. Type 'scripts/setup.sh' and one of: main, edge, tables, docs, flink." >&2; exit 2 ;;
esac

fingerprint() { sha256sum "$lock" setup.py scripts/setup.sh scripts/glibc.sh | sha256sum | cut -d' ' -f1; pwd; echo "${PYTHON:-}"; }
stamp="$venv/.complete"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]; then exit 0; fi

# Two set-ups at once would write one environment: the second waits for the first.
# (macOS has no flock; there the two are up to the user.)
if command -v flock >/dev/null; then
  exec 9>".setup-$what.lock"
  flock 9
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]; then exit 0; fi
fi

find_python() {
  local candidate
  for candidate in ${PYTHON:-} $(printf 'python%s ' $versions) python3; do
    # A version manager's shim may exist and refuse to run, so the candidate is run, not just looked up.
    if found="$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"; then
      case " $versions " in *" $found "*) command -v "$candidate"; return 0 ;; esac
    fi
  done
  echo "setup: no Python of version ${versions// / or } was found on the PATH. Install python3.11 (with its venv module), or type 'make setup PYTHON=/path/to/python3.11'." >&2
  return 3
}

python="$(find_python)"
echo "setup: making $venv with $("$python" --version) (the first time takes a minute or two)"

# The installer and the ELF editor live apart from the environment that they make.
if [ ! -f .tools/.complete ]; then
  rm -rf .tools
  if ! "$python" -m venv .tools; then
    echo "setup: '$python -m venv' failed. Install Python's venv module (Debian, Ubuntu: apt-get install python3-venv) and type 'make setup' again." >&2
    exit 3
  fi
  .tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
  touch .tools/.complete
fi

rm -f "$stamp"
if ! "$venv/bin/python" -c '' 2>/dev/null; then
  rm -rf "$venv"
  "$python" -m venv --copies --without-pip "$venv"
fi
if [ "$what" = main ]; then scripts/glibc.sh "$venv" .glibc .tools/bin/patchelf; fi

# Where the system keeps certificates of its own (a company's proxy), they count.
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=true; fi

# Bytecode is compiled here, once: where PYTHONDONTWRITEBYTECODE is set every start would
# otherwise compile TensorFlow and TFX anew (twice the start-up time).
.tools/bin/uv pip sync --quiet --python "$venv/bin/python" --compile-bytecode --require-hashes "$lock"
if [ "$what" = main ]; then
  .tools/bin/uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
fi
if [ "$what" = flink ]; then
  # The job server has to be of the version of Beam in the lock (tfx#2035). Maven compares the file with the registry's
  # checksum, and refuses it if it has none.
  beam="$(sed -n 's/^apache-beam\(\[.*\]\)\?==\([0-9.]*\).*/\2/p' requirements/runtime.txt)"
  jar="beam-runners-flink-1.19-job-server"
  command -v mvn >/dev/null || { echo "setup: there is no Maven, which fetches Beam's job server. Install it (Debian, Ubuntu: apt-get install maven) and type the command again." >&2; exit 3; }
  if ! mvn --batch-mode --quiet --strict-checksums dependency:copy -Dartifact="org.apache.beam:$jar:$beam" \
      -DoutputDirectory="$PWD/$venv/job-server" -Dmdep.overWriteIfNewer=true >"$venv/maven.log" 2>&1; then
    echo "setup: Maven cannot fetch $jar $beam (see $venv/maven.log). Give a path of it by HILIR_FLINK_JOB_SERVER=FILE; without one the tests on Flink are skipped." >&2
    exit 0
  fi
fi
fingerprint > "$stamp"
echo "setup: $venv is complete"
