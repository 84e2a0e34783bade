# Everything runs from a virtual environment in .venv that these rules make; nothing else is installed.
# `make demo` and `make test` need Python 3.11 or newer and a package registry that pip can reach.

VENV ?= .venv
# The first interpreter that is new enough; `make PYTHON=/path/to/python3.12 test` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-fuzz demo test lint format docs lock bench fuzz clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP)  ## Install the locked packages into .venv (done by every other rule)

# The stamp is newer than lock and project file, or the packages are installed again.
$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Telltale needs Python 3.11 or newer, and none is on PATH. Repair: install one \
	(Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.12 $(or $(MAKECMDGOALS),setup)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python could not make a virtual \
	environment. Repair: install its venv module (Debian: apt-get install python3-venv), then run make again." >&2; exit 1; }
	$(PIP) install --quiet --require-hashes --requirement requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP)  ## Two real agents and a service, watched; exit 0 only if what was found is what went wrong
	@$(BIN)/python -m demo.run $(ARGS)

test: $(STAMP)  ## Run all tests
	$(BIN)/python -m pytest $(ARGS)

lint: $(STAMP)  ## Check style, types, layers and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(STAMP)  ## Rewrite the code in the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## Write docs/reference, tables and captures from the declarations in the code
	$(BIN)/python docs/generate.py
	$(BIN)/python -m docs.captures

lock: $(STAMP)  ## Resolve the newest allowed packages into requirements.lock
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-annotate --upgrade --custom-compile-command "make lock" --output-file requirements.lock

setup-fuzz: $(STAMP)  ## Install the fuzzer too
	$(PIP) install --quiet "atheris>=3"

fuzz: setup-fuzz  ## Fuzz the decoders, the dialects and the whole pipe (ARGS="dialects --seconds 300")
	$(BIN)/python -m fuzz.run $(ARGS)

bench: $(STAMP)  ## Run every benchmark and print its table (about 25 minutes; ARGS=--short: 4)
	$(BIN)/python -m benchmarks.run $(ARGS)

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
