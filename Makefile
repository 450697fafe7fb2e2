# Every target sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
export UV_PYTHON_DOWNLOADS := never
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3,$(shell command -v $(p) 2>/dev/null)))
BIN := .venv/bin
WORKERS ?= 2

.PHONY: help setup demo up test check bench format migration screenshots wheel clean

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## make .venv with everything in it; needs Python 3.11 or newer and nothing else

.tools/bin/uv:
	@$(PYTHON) -m venv .tools || { echo "Python's venv is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@.tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

.venv/.ready: pyproject.toml uv.lock $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv)
	@$(UV) sync --frozen --quiet
	@touch $@

demo: setup ## the whole job on sample data, served at http://127.0.0.1:8000 (PORT=…)
	@$(BIN)/digest demo $(if $(PORT),--port $(PORT))

up: setup ## run digest on this machine (PORT=…)
	@$(BIN)/digest up $(if $(PORT),--port $(PORT))

test: setup ## every test, on both databases, with a real browser
	@.ci/tools $(BIN)/python
	@$(BIN)/pytest -n $(WORKERS) $(ARGS)

check: setup ## lint, format, types, import contracts, migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python .ci/migrations check

bench: setup ## measure the send loop, each figure beside its reference
	@$(BIN)/python bench/send.py $(ARGS)

format: setup ## put the code into its one shape
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

migration: setup ## write a migration from the models (SAYS="what it does")
	@$(BIN)/python .ci/migrations write "$(SAYS)"

screenshots: setup ## make the pictures in docs/pictures anew
	@.ci/tools $(BIN)/python
	@$(BIN)/python bench/pictures.py

wheel: setup ## build the wheel into dist/
	@$(UV) build --wheel --quiet

clean: ## remove everything that was made
	@rm -rf .venv .tools var dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
