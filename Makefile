# Every target makes the virtual environment it needs. `make check` is what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check lint format docs bench clean

demo: $(READY)  ## flights: everything against 5% of the negatives, in one table
	@$(BIN)/python -m tests.benchmarks.demo

test: $(READY)  ## all tests, the slow ones too
	@$(BIN)/python -m pytest -q -n auto

check: lint test  ## what CI runs: format, lint, types, import rules, tests, docs, README commands

lint: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@PATH="$(BIN):$$PATH" $(BIN)/lint-imports --no-cache

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(READY)  ## write the command reference anew
	@$(BIN)/python -m tests.reference --write

bench: $(READY)  ## five splits of flights, measured into the README
	@$(BIN)/python -m tests.benchmarks.demo --write
	@$(BIN)/python -m tests.benchmarks.flights --write

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "no virtual environment: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable .
	@touch $@

clean:
	rm -rf $(VENV) out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
