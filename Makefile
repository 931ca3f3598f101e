# Each target sets up what it needs in a virtual environment, so that Python 3.11 or newer, pip and make are enough.
# The first call takes a minute or two, the next ones start at once. `make PYTHON=python3.12 test` uses another Python.

PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
PIP := -m pip -qq --disable-pip-version-check
INSTALL := $(VENV)/bin/python $(PIP) install --constraint scripts/constraints.txt

# What fails beside other tests is run once more by itself: a machine that was too busy for it is no bug.
TESTS := $(VENV)/bin/python -m pytest

.PHONY: help demo test lint types docs bench smoke soak check clean

help:  ## this list
	@sed -nE 's/^([a-z]+):.*  ## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 8

demo: $(VENV)/.demo  ## train, be killed in the middle, resume: under 30 s
	$(VENV)/bin/headrace demo

test: $(VENV)/.test  ## all tests, the examples in docstrings, and the code on every page; with real servers
	scripts/test-servers
	$(TESTS) -n 2 --dist loadfile || $(TESTS) --last-failed --last-failed-no-failures none

lint: $(VENV)/.lint  ## ruff: rules and format
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.types  ## mypy --strict
	$(VENV)/bin/mypy src tests examples scripts benchmarks

docs: $(VENV)/.docs  ## the site, in docs/_build/html; a warning is an error
	$(VENV)/bin/sphinx-build --no-color --quiet --nitpicky --fail-on-warning --keep-going docs docs/_build/html
	@echo "The site is in docs/_build/html/index.html"

bench: $(BENCH_VENV)/.bench  ## the speed table, into benchmarks/results.md
	$(BENCH_VENV)/bin/python -m benchmarks.run

smoke: $(VENV)/.test  ## the benchmarks on small data, without other loaders: they run, the figures mean little
	$(VENV)/bin/python -m benchmarks.run --quick --own

soak: $(VENV)/.test  ## 300 kills of runs with workers and 200 of writers, in place of 20, and 1 GB of data in memory
	scripts/test-servers
	HEADRACE_KILLS=300 HEADRACE_MEGABYTES=1000 $(VENV)/bin/python -m pytest -s tests/whole/test_killed.py tests/whole/test_memory.py
	HEADRACE_KILLS=200 $(VENV)/bin/python -m pytest -s tests/stores/test_crash.py tests/stores/building/test_dying.py tests/whole/stores

check: test lint types docs demo smoke  ## all of these but bench

clean:  ## remove what the others made
	rm -rf $(VENV) $(VENV)-3* $(VENV)-oldest $(BENCH_VENV) .servers docs/_build dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# One stamp for each extra that is installed, made again when what it says changes.
$(VENV)/.%: pyproject.toml scripts/constraints.txt | $(VENV)/.made
	$(INSTALL) --editable ".[$*]"
	@touch $@

$(BENCH_VENV)/.bench: pyproject.toml benchmarks/requirements.txt
	scripts/make-venv $(PYTHON) $(BENCH_VENV)
	$(BENCH_VENV)/bin/python $(PIP) install --editable . --requirement benchmarks/requirements.txt
	@touch $@

$(VENV)/.made:
	scripts/make-venv $(PYTHON) $(VENV)
	@touch $@
