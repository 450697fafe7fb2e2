# Every target sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
export UV_PYTHON_DOWNLOADS := never
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
WORKERS ?= 2

.PHONY: help setup demo up test check bench format migration screenshots wheel clean

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## make .venv with everything in it; needs Python 3.11 or newer and nothing else

# The first Python of 3.11 or newer that can make a venv: Debian packs that apart.
.tools/bin/uv:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
	  $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  $$python -m venv .tools && .tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1' && exit 0; \
	done; echo "no Python 3.11 or newer with venv; on Debian: apt-get install python3 python3-venv"; rm -rf .tools; exit 1

.venv/.ready: pyproject.toml uv.lock $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv)
	@$(UV) sync --frozen --quiet
	@touch $@

demo: setup ## the whole job on sample data, served at http://127.0.0.1:8000 (PORT=…)
	@$(BIN)/digest demo $(if $(PORT),--port $(PORT))

up: setup ## run digest on this machine (PORT=…)
	@$(BIN)/digest up $(if $(PORT),--port $(PORT))

test: setup ## every test, on both databases, with a real browser
	@.ci/tools $(BIN)/python
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: setup ## lint, format, types, import contracts, migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python .ci/migrations check

bench: setup ## measure, each figure beside its bar and a reference (ONLY=send,slow,memory,freeze,letter,look,desk,import)
	@$(BIN)/python -m bench

format: setup ## put the code into its one shape
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

migration: setup ## write a migration from the models (SAYS="what it does")
	@$(BIN)/python .ci/migrations write "$(SAYS)"

screenshots: setup ## make the pictures in docs/pictures anew
	@.ci/tools $(BIN)/python
	@$(BIN)/python -m bench.pictures

wheel: setup ## build the wheel into dist/
	@$(UV) build --wheel --quiet

clean: ## remove everything that was made
	@rm -rf .venv .tools var dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
