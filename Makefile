# A fresh machine has Python >= 3.11, make and git; everything else comes from the hashed locks into .venv.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input
# Python compiles a module when it imports it first; pip would compile five thousand, of which most are never imported.
LOCKED := $(INSTALL) --no-compile --require-hashes --only-binary :all:
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml
# Some tests wait, for time-outs and for other processes: one worker more than there are cores.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

# Where Python may not keep what it compiled, every process of every test compiles the house anew: twice the time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run demo test lint types imports unit fresh screenshots format cover bench fuzz chaos lock clean receivers

help: ## what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

run: .venv/.run ## serve on 127.0.0.1:8400; writes a configuration first where there is none
	@$(BIN)/hookfold init --if-missing
	@exec $(BIN)/hookfold serve --hello

demo: .venv/.run ## a service of its own, signed traffic of four providers, the resulting states
	@$(BIN)/hookfold demo

test: .venv/.dev ## everything that CI runs, side by side
	@$(MAKE) --no-print-directory -j lint types imports unit

lint: .venv/.dev ## ruff: rules and format
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .

types: .venv/.dev ## mypy, strict
	$(BIN)/mypy

imports: .venv/.dev ## the import rules
	$(BIN)/lint-imports --no-logo

unit: .venv/.dev ## every test, on SQLite and on a real PostgreSQL
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

fresh: ## the set-up and a slice of the tests, as on a machine that never saw it; as root: as nobody, too
	@$(PYTHON) -m tests.support.fresh "$$(command -v $(PYTHON))"

screenshots: .venv/.dev ## pictures of every page of the console, in build/screenshots (takes Debian's chromium)
	@$(BIN)/python -m tests.support.screenshots

format: .venv/.dev ## let ruff put it in order
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

receivers: tests/node/package-lock.json ## install receivers of other make from npm, which the tests then put behind Hookfold
	cd tests/node && npm ci --ignore-scripts --no-audit --no-fund

cover: .venv/.dev ## branch coverage
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -q
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: .venv/.bench ## measure, each figure against a reference of the same run (BENCH="--quick" for a short one)
	@$(BIN)/python -m bench $(BENCH)

fuzz: .venv/.dev ## mutated deliveries at a service of our own, for a minute (FUZZ="--seconds 3600", or "--deliveries 1000000")
	@$(BIN)/python -m tests.endurance.fuzz $(FUZZ)

chaos: .venv/.dev ## kills, full disks, clock steps and more, under load, a minute on each database (CHAOS="--seconds 600")
	@$(BIN)/python -m tests.endurance.chaos $(CHAOS)

lock: .venv/.dev ## resolve the dependencies anew
	$(COMPILE) --upgrade -o requirements.txt
	$(COMPILE) --upgrade --extra dev --extra tracing -c requirements.txt -o requirements-dev.txt
	$(COMPILE) --upgrade --extra bench -c requirements-dev.txt -o requirements-bench.txt

clean: ## forget the virtual environment and every cache
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Hookfold needs Python 3.11 or newer on the PATH (or: make PYTHON=/path/to/python)"; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.run: requirements.txt pyproject.toml | .venv/bin/python
	@echo "installing what the service needs, from requirements.txt"
	@$(LOCKED) -r requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.run
	@echo "installing what the tests need, from requirements-dev.txt"
	@$(LOCKED) -r requirements-dev.txt
	@touch $@

.venv/.bench: requirements-bench.txt .venv/.run
	@echo "installing what the measurements need, from requirements-bench.txt"
	@$(LOCKED) -r requirements-bench.txt
	@touch $@
