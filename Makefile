# Every target makes the virtual environment it needs. `make check` is what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
QUIET := --quiet --disable-pip-version-check

.PHONY: demo test check lint format docs bench pilots contest paper lowest clean

demo: $(READY)  ## flights: everything against 5% of the negatives, in one table
	@$(BIN)/python -m tests.benchmarks.demo

# Tests run beside each other: a thread that waits must not keep a core busy. They start processes
# by the hundred, and each would compile what is not kept.
test lowest: export OMP_WAIT_POLICY := passive
test lowest: export PYTHONDONTWRITEBYTECODE :=
test: $(READY)  ## all tests, the slow ones too
	@$(BIN)/python -m pytest -q -n auto --dist worksteal

check: lint test  ## what CI runs: format, lint, types, import rules, tests, docs, README commands

lint: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@PATH="$(BIN):$$PATH" $(BIN)/lint-imports --no-cache

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(READY)  ## write the command reference and the table of corrections anew
	@$(BIN)/python -m tests.reference --write
	@$(BIN)/python -m tests.correction_table --write

bench: $(READY)  ## five splits of flights, and speed against other tools, into the README
	@$(BIN)/python -m pip install $(QUIET) --group bench
	@$(BIN)/python -m tests.benchmarks.demo --write
	@$(BIN)/python -m tests.benchmarks.flights --write
	@$(BIN)/python -m tests.benchmarks.speed --write

pilots: $(READY)  ## which pilot and score, and how plans hold, into rebalance/guide/sampling.md
	@$(BIN)/python -m tests.benchmarks.pilots --write
	@$(BIN)/python -m tests.benchmarks.kept --write

contest: $(READY)  ## predicted over observed on real tables, with and without the correction
	@$(BIN)/python -m tests.benchmarks.contest_tables

paper: $(READY)  ## the simulations of Wang, Zhang and Wang 2021, into rebalance/guide/paper.md
	@$(BIN)/python -m tests.benchmarks.paper --write

# The reference is laid out by the newest Click; all else must hold with the lowest versions, too.
lowest:  ## the tests with the lowest versions that pyproject.toml admits
	@test -x $(VENV)-lowest/bin/python || $(PYTHON) -m venv $(VENV)-lowest
	@$(VENV)-lowest/bin/python -m pip install $(QUIET) --upgrade 'pip>=25.1'
	@$(VENV)-lowest/bin/python -m pip install $(QUIET) --constraint .ci/lowest.txt --group dev --editable .
	@$(VENV)-lowest/bin/python -m pytest -q -n auto --dist worksteal \
		--deselect tests/test_docs.py::test_the_command_reference_is_what_the_commands_say

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "no virtual environment: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install $(QUIET) --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install $(QUIET) --group dev --editable .
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
