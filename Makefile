# Kehu from a checkout. Needs make and Python 3.11 or newer; `make` alone lists what there is.

PYTHON ?= python3
# At most so many test processes; each starts a PostgreSQL of its own.
TEST_PROCESSES ?= 4

# Relative, so that a checkout may have spaces in its path; and through `python -m`, since a script's first line may not.
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input --quiet

# A virtualenv whose Python went away, as after an upgrade of the system, is made anew.
BROKEN := $(shell $(PY) -c '' 2>/dev/null || rm -f .venv/.made)

# What may be run for both locks: the project itself without its dependencies, which the lock has brought.
INSTALL_SELF = $(PIP) install --no-deps --no-build-isolation --editable .

LOCK = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --extra embedded --extra build

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test lint bench openapi lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

serve: .venv/.serve ## Start the service on KEHU_BIND (127.0.0.1:8000), with a database of its own in .kehu
	@exec $(PY) -m app.cli serve --with-parent

test: .venv/.test ## Run the tests, against a real PostgreSQL
	$(PY) -m pytest -n auto --maxprocesses $(TEST_PROCESSES)

lint: .venv/.test ## Check style, types and who imports whom
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command as run; run()'

bench: .venv/.test ## Measure what is promised about speed
	$(PY) -m bench

openapi: .venv/.serve ## Write openapi/openapi.json anew from the code
	$(PY) -m app.cli openapi --write

lock: ## Resolve pyproject.toml into the two lock files anew (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH; everything else does without it." >&2; exit 1; }
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra dev --output-file requirements-dev.lock

clean: ## Remove the virtualenv and all caches; data (.kehu) stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis kehu.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is written last: an installation that was interrupted runs again.
.venv/.serve: .venv/.made requirements.lock pyproject.toml
	@echo "Installing what Kehu needs into .venv (once) ..."
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(INSTALL_SELF)
	@touch $@

.venv/.test: .venv/.made requirements-dev.lock pyproject.toml
	@echo "Installing what the tests need into .venv (once) ..."
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@$(INSTALL_SELF)
	@touch $@

.venv/.made:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "Kehu needs Python 3.11 or newer; there is no $(PYTHON) here. Another one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Kehu needs Python 3.11 or newer; $(PYTHON) is older. Another one: make PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks the module venv: install it (Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear .venv
	@touch $@
