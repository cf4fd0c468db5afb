# The one front door: `make help` lists what it can do. Every target makes its own environment.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup setup-tfjs setup-edge setup-browser setup-tools test-browser test-docs run test test-new test-slow test-gpu test-flink test-attack test-rollout test-loop check format lock docs docs-pictures bench bench-train bench-serve bench-release bench-loop bench-export golden wheel image clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## make the environment .venv (does nothing when it is complete)
	@scripts/setup.sh main

setup-tfjs: setup ## make the environment of the TensorFlow.js converter
	@.venv/bin/hilir setup tfjs

setup-edge: ## make the environment of a small device (ai-edge-litert and numpy)
	@scripts/setup.sh edge

setup-tools: ## install Prometheus, Alertmanager and PostgreSQL for tests with them (as root, on Debian and Ubuntu)
	@command -v promtool >/dev/null && command -v amtool >/dev/null || { apt-get update -qq && apt-get install -qq --yes prometheus prometheus-alertmanager >/dev/null; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { apt-get update -qq && apt-get install -qq --yes postgresql >/dev/null; }

setup-browser: setup ## install Chromium and Node.js (as root, on Debian and Ubuntu) and the page's packages
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -qq --yes chromium >/dev/null; }
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -qq --yes nodejs npm >/dev/null; }
	@.venv/bin/hilir setup browser

run: setup ## train, evaluate and push the taxi model; ARGS="configs/digits.yaml --json" for others
	@.venv/bin/hilir run $(or $(ARGS),configs/taxi.yaml)

test: setup ## all tests that take seconds, and a few that run a pipeline; ARGS="-k name" selects
	@$(PY) -m tests.parts $(ARGS)

test-browser: setup setup-tfjs setup-browser ## the exports, the report and the dashboard in Debian's Chromium
	@$(PY) -m pytest tests/browser tests/integration/release/dashboard -m browser $(ARGS)

test-new: setup ## hilir new on tables of packages and generated ones, each with five salts; ARGS="-k iris"
	@scripts/setup.sh tables
	@$(PY) -m pytest tests/new -m slow -s $(ARGS)

test-docs: setup ## type what the guides' blocks marked 'run' contain, in a folder of its own
	@$(PY) -m pytest tests/e2e/test_docs.py -m slow $(ARGS)

test-slow: setup ## the tests that take many minutes
	@$(PY) -m pytest -m slow $(ARGS)

test-gpu: setup ## the tests that need a GPU; without one they are skipped and say so
	@$(PY) -m pytest tests/gpu -m gpu $(ARGS)

test-flink: setup ## a pipeline of Beam on a cluster of Flink with two task managers, of which one is killed
	@command -v java >/dev/null || { apt-get update -qq && apt-get install -qq --yes openjdk-17-jre-headless maven iproute2 >/dev/null; }
	@scripts/setup.sh flink
	@# Beam's servers in Java listen on all addresses: here there is the loopback address alone.
	@unshare --net bash -c 'ip link set lo up && exec $(PY) -m pytest tests/flink -m slow -s $(ARGS)'

test-attack: setup ## attacks on a server, and the bounds that it holds under them
	@HILIR_FUZZ_SECONDS=$${HILIR_FUZZ_SECONDS:-600} $(PY) -m pytest tests/attack -m slow $(ARGS)

test-rollout: setup ## rollouts killed ten times in each phase, on a real server behind a real Envoy
	@$(PY) -m pytest tests/integration/release/test_rollout_crash.py -m slow $(ARGS)

test-loop: setup ## a shift of the traffic, its alarm, a trained version, its rollout and experiment, and a bad version's end
	@$(PY) -m pytest tests/loop -m slow -s $(ARGS)

check: setup ## ruff, mypy, import-linter
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet . || { echo "type 'make format'"; exit 1; }
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

format: setup ## put the code into ruff's form
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format --quiet .

lock: setup ## renew the lock files
	@requirements/compile.sh

docs: setup ## write the reference pages and build the guides into site/
	@$(PY) -m scripts.docs
	@scripts/setup.sh docs
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	@if grep -rlE '<(script|link|img|iframe)[^>]* (src|href)="?(https?:)?//' site --include='*.html'; then echo "these pages load something from elsewhere" >&2; exit 1; fi

docs-pictures: setup setup-tfjs setup-browser ## renew the guides' pictures from a real first hour; ARGS=FOLDER keeps its project
	@$(PY) -m scripts.pictures $(ARGS)

bench: setup ## our pipeline against the stock one, several times (benchmarks/RESULTS.md)
	@$(PY) -m benchmarks.pipeline $(ARGS)

bench-train: setup ## overhead of the strategies, scaling, recovery (benchmarks/train/RESULTS.md)
	@$(PY) -m benchmarks.train $(ARGS)

bench-serve: setup ## figures of the model server (benchmarks/serve/RESULTS.md)
	@$(PY) -m benchmarks.serve $(ARGS)

bench-release: setup ## rollback under 200 requests per second (benchmarks/release/RESULTS.md)
	@$(PY) -m benchmarks.release $(ARGS)

bench-loop: setup ## from a shift to its alarm, from an error to the rollback, cost of monitoring (benchmarks/loop/RESULTS.md)
	@$(PY) -m benchmarks.loop.alarm
	@$(PY) -m benchmarks.loop.rollback
	@$(PY) -m benchmarks.loop.cost

bench-export: setup setup-tfjs ## size, accuracy and latency of the exports (benchmarks/export/RESULTS.md)
	@$(PY) -m benchmarks.export $(ARGS)

golden: setup ## renew the compiled pipelines that the tests compare with; look at the difference
	@$(PY) -m tests.golden.render

wheel: setup ## build the wheel into dist/
	@rm -rf build && $(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . && ls dist/*.whl

image: ## build the container image (Docker, Podman or Buildah); DEVICE=gpu for GPUs, ARGS="--target steps" without TensorFlow.js
	@scripts/image.sh $(ARGS)

clean: ## remove what runs made; environments stay
	@rm -rf out runs data build dist site
