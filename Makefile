# Every target installs what it needs. `make help` lists them.
.DEFAULT_GOAL := help
export UV_PYTHON_DOWNLOADS := never
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
# For two cores: many tests wait for a process or a reply.
WORKERS ?= 3

.PHONY: help setup demo up test coverage mutants check bench faults format migration drawing screenshots wheel clean \
  check-types check-lint check-imports check-migrations

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## install everything into .venv; needs only Python 3.11 or newer

# The first Python 3.11 or newer that can create a venv, which Debian packages separately.
.tools/bin/uv:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
	  $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  $$python -m venv .tools && .tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1' && exit 0; \
	done; echo "no Python 3.11 or newer with venv; on Debian: apt-get install python3 python3-venv"; rm -rf .tools; exit 1

.venv/.ready: pyproject.toml uv.lock $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv)
	@$(UV) sync --frozen --quiet
	@touch $@

demo: setup ## try digest on sample data at http://127.0.0.1:8000 (PORT=…)
	@$(BIN)/digest demo $(if $(PORT),--port $(PORT))

up: setup ## run digest on this machine (PORT=…)
	@$(BIN)/digest up $(if $(PORT),--port $(PORT))

test: setup ## run all tests (ARGS="tests/web -k name" runs some)
	@.ci/tools $(BIN)/python
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal $(if $(ARGS),$(ARGS),--cov --cov-report=)

coverage: setup ## list the lines and branches that the last `make test` did not run
	@$(BIN)/coverage report

mutants: setup ## list changes to a module that its tests do not notice (MODULE=digest.… TESTS="tests/… -k …")
	@$(UV) run --frozen --quiet --with 'cosmic-ray>=8.7,<9' python .ci/mutants $(MODULE) $(TESTS)

check: setup ## lint, format, types, import contracts, migrations
	@$(MAKE) --no-print-directory -j 2 check-types check-lint check-imports check-migrations

check-types:
	@$(BIN)/mypy

check-lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

check-imports:
	@$(BIN)/lint-imports
	@$(BIN)/python .ci/architecture check

check-migrations:
	@$(BIN)/python .ci/migrations check

bench: setup ## measure performance against targets and references (ONLY=send,slow,memory,freeze,letter,status,desk,import,disk,rest,large,instructions)
	@$(BIN)/python -m bench

faults: setup ## break each part of a grown installation while it sends, and count (ONLY=web-killed,relay-gone)
	@$(BIN)/python -W ignore -m bench.faults

format: setup ## fix lint and format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

migration: setup ## generate a migration from the models (SAYS="what it does")
	@$(BIN)/python .ci/migrations write "$(SAYS)"

drawing: setup ## redraw docs/pictures/architecture.svg from the import contracts
	@$(BIN)/python .ci/architecture write

screenshots: setup ## regenerate the pictures in docs/pictures
	@.ci/tools $(BIN)/python
	@$(BIN)/python -m bench.pictures

wheel: setup ## build the wheel into dist/, with the exact versions of what it needs
	@$(UV) build --wheel --quiet
	@$(UV) export --frozen --no-dev --no-emit-project --quiet --output-file dist/requirements.txt

clean: ## remove everything that was generated
	@rm -rf .venv .tools var dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
