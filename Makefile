# The two commands of a newcomer: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run setup test lint shots pages bench clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: setup  ## open the app on the two-layer net (without a display: record it and write pictures into gradwalk-out/)
	@$(BIN)/gradwalk demo autograd --pictures gradwalk-out

setup: $(VENV)/.installed  ## make .venv, install the package and check the system libraries
	@$(BIN)/python scripts/system_libraries.py

test: $(VENV)/.installed-test  ## install what the tests need and run them
	@$(BIN)/python scripts/system_libraries.py
	$(BIN)/python -m pytest -n 3 --dist loadfile

lint: $(VENV)/.installed-test  ## ruff, its formatter and mypy (strict)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

shots: setup  ## make the pictures of README and docs anew
	$(BIN)/python scripts/make_shots.py
	$(BIN)/python scripts/make_graph_shots.py

pages: setup  ## write the docs that come from the formulas and a recorded step anew
	$(BIN)/python scripts/make_two_layer_page.py

bench: $(VENV)/.installed-test  ## print every benchmark
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

clean:  ## remove .venv and what the tools leave behind (never recordings)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "gradwalk needs Python 3.10 or newer; say which with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 2; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing gradwalk into $(VENV) (the first time takes a minute or more) ..."
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(INSTALL) -e '.[test]'
	@touch $@
