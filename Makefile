# Few targets; `make` alone lists them. Everything else is a verb of fab.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
COMPILE := uv pip compile -q --universal --generate-hashes --no-header --no-annotate pyproject.toml
# Workloads with packages of their own, each the name of an extra and of a folder.
HEAVY := classification flights resnet xgboost
UV_VERSION := >=0.13,<0.14
# A file backend of Pulumi wants a passphrase to be set; local machines hold no cloud secret.
export PULUMI_CONFIG_PASSPHRASE ?=
# Programs start in half the time from modules that were compiled before.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo test quick long bench check fmt lock clean

help: ## show this list
	@grep -E '^[a-z]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(BIN)/.synced ## make the Python environment, find or install Docker, build the node image
	@fab setup.run

demo: $(BIN)/.synced ## from nothing to a report: machines, Ray, Dask, a sweep, and all gone again
	@fab demo.run

test: $(BIN)/.synced ## every test that needs no account (README: which tests run when)
	@fab setup.run
	@$(MAKE) --no-print-directory check
	@pytest -m "not long" -n 2

quick: $(BIN)/.synced ## the tests that need no containers and little time, two to three minutes
	@pytest -n 2 -m "not long and not slow and not containers and not browser and not pulumi_cli"

long: $(BIN)/.synced ## repeats and random seeds on top of make test
	@fab setup.run
	@pytest -m long

bench: $(BIN)/.synced ## figures into bench/results/; NAMES=workloads for those at full size
	@fab setup.run
	@python -m bench $(NAMES)

check: $(BIN)/.synced ## lint, format and types, as the commit hook runs them
	@ruff check . && ruff format --check . && mypy

fmt: $(BIN)/.synced ## mend format and imports
	@ruff check --fix . && ruff format .

lock: $(BIN)/.synced ## resolve the dependencies anew into the lock files
	@$(COMPILE) -o requirements.lock
	@$(COMPILE) --extra operator --extra test --extra bench $(HEAVY:%=--extra %) \
	    -c requirements.lock -o requirements-operator.lock
	@$(COMPILE) --extra peers -c requirements-operator.lock -o bench/peers.lock
	@for one in $(HEAVY); do \
	    $(COMPILE) --extra $$one -c requirements-operator.lock -o workloads/$$one/requirements.lock; \
	done

clean: ## remove local machines, the Docker engine we started, caches and the environment
	@if [ -x $(BIN)/fab ]; then $(BIN)/fab local.down --every && $(BIN)/fab setup.clean; fi
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf .venv

$(BIN)/.synced: requirements-operator.lock
	@echo "Python environment: .venv from requirements-operator.lock"
	@test "$$(uname -s)" = Linux || { echo "Tandem's operator needs Linux; this is $$(uname -s). Next: run make in a Linux machine"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	    { echo "Tandem needs Python 3.11 to 3.13; $(PYTHON) is another. Next: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	    { echo "Next: apt-get install python3-venv, then run make again"; exit 2; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv$(UV_VERSION)"
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes requirements-operator.lock
	@touch $@
