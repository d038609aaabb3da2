# `make demo` and `make test` are the two to know; each sets up .venv first if it is not there.
# The one variable to know: make PYTHON=python3.12 setup

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
PIP     := $(BIN)/python -m pip --disable-pip-version-check -qq
# Files in the order of their names: by their number of tests, the longest ones would come last.
PYTEST  := $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.PHONY: setup demo test test-all lint format lock clean
.DELETE_ON_ERROR:

setup: $(READY)
	@echo "$(VENV) is ready; the command is $(BIN)/jaxrec"

# Without the stamp the environment is new or half made, so it is made anew; the stamp comes last.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit("jaxrec needs Python 3.11, 3.12 or 3.13, but $(PYTHON) is %s: name another, as in `make setup PYTHON=python3.12`." % v)'
	@test -f $@ || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $@
	@echo "Installing into $(VENV) (a minute or two)"
	@$(PIP) install -r requirements.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)
	$(BIN)/python scripts/demo.py

test: $(READY)
	$(PYTEST) -m "not slow"

test-all: $(READY)
	$(PYTEST)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One file for every Python: the markers say which version is whose. Pins that still fit stay;
# make lock LOCK_FLAGS=--upgrade moves them all.
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip --disable-pip-version-check -qq install uv
	.venv-lock/bin/uv pip compile --universal --python-version 3.11 --all-extras \
	  --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" $(LOCK_FLAGS) --quiet \
	  pyproject.toml --output-file requirements.txt
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .venv-lock runs dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
