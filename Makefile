# The one front door: `make help` lists what it can do. Every target makes its own environment.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup setup-tfjs setup-browser run test test-slow check format lock bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## make the environment .venv (does nothing when it is complete)
	@scripts/setup.sh main

setup-tfjs: ## make the environment of the TensorFlow.js converter
	@scripts/setup.sh tfjs

setup-browser: ## install Chromium for the browser tests (as root, on Debian and Ubuntu)
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -qq --yes chromium >/dev/null; }

run: setup ## train, evaluate and push the taxi model; ARGS="configs/digits.yaml --json" for others
	@.venv/bin/hilir run $(ARGS)

test: setup ## all tests that take seconds, and a few that run a pipeline; ARGS="-k name" selects
	@$(PY) -m pytest -m "not slow and not browser" $(ARGS)

test-slow: setup ## the tests that take many minutes
	@$(PY) -m pytest -m slow $(ARGS)

check: setup ## ruff, mypy, import-linter
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet . || { echo "type 'make format'"; exit 1; }
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

format: setup ## put the code into ruff's form
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format --quiet .

lock: setup ## renew the lock files
	@requirements/compile.sh

bench: setup ## our pipeline against the stock one, several times (benchmarks/RESULTS.md)
	@$(PY) -m benchmarks.pipeline $(ARGS)

clean: ## remove what runs made; environments stay
	@rm -rf out runs data
