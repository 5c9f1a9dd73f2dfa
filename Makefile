# Two commands for newcomers: `make demo` and `make test`. Everything lives in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTHON39 ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.9.*/bin/python3.9) python3.9)
VENV39 := .venv39

.PHONY: help demo test test-rpm test-vm rpm golden check bench format clean

help:
	@echo 'make demo    jobs fail on this machine and are mended, in a few minutes'
	@echo 'make test    all tests; as root also those with a real Slurm and HTCondor'
	@echo 'make rpm     the RPMs of the node side, into dist/rpm (needs rpmbuild)'
	@echo 'make test-rpm the RPMs built, installed on a copy of this machine, upgraded, removed (root)'
	@echo 'make test-vm the agent beside Slurm on pure cgroup v2, in a virtual machine (root, Debian)'
	@echo 'make check   formatting, types, import laws, docs'
	@echo 'make golden  the golden pages of cgroup trees anew'
	@echo 'make bench   the quick benches, one JSON object each'
	@echo 'make format  format the code'

# As root on Debian the few system packages are installed when they are missing.
$(VENV)/installed: setup.cfg constraints.txt
	PYTHON=$(PYTHON) tests/testbed/packages python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt 'setuptools<81' wheel torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[brain,htcondor,test]'
	touch $@

# The node side must run on Python 3.9; without that interpreter this stays undone, and is said.
$(VENV39)/installed: setup.cfg constraints-3.9.txt
	@if $(PYTHON39) -c 'import venv' 2>/dev/null; then \
	  $(PYTHON39) -m venv $(VENV39) && \
	  $(VENV39)/bin/pip install --quiet --upgrade pip && \
	  $(VENV39)/bin/pip install --quiet --constraint constraints-3.9.txt --editable '.[web]' pytest pytest-timeout hypothesis && \
	  touch $@; \
	else echo 'no Python 3.9 here: the node side is tested on $(PYTHON) only'; fi

demo: $(VENV)/installed
	$(BIN)/python bench/campaign.py --report demo-report.json

test: $(VENV)/installed $(VENV39)/installed
	tests/testbed/packages test
	tests/run

# For the brain's: packaging/rpm/make-rpms dist/rpm --with brain (docs/install.md).
rpm:
	packaging/rpm/make-rpms dist/rpm

test-rpm: $(VENV)/installed
	tests/testbed/packages rpm
	$(BIN)/python -m pytest tests/packaging

# The guest is emulated: some minutes. Its image is built once, in ~/.cache/jobmend-vm or VM_DIR.
test-vm: $(VENV)/installed
	$(BIN)/python -m pytest -m vm tests/vm

# Pages that tests compare to the last character.
golden: $(VENV)/installed
	tests/trees/regenerate

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/docs tests/house

# A bench that fails ends it; its table says what is run, and how.
bench: $(VENV)/installed
	@grep -v '^#' bench/quick | while read -r bench options; do \
	  echo "== $$bench $$options"; $(BIN)/python bench/$$bench $$options </dev/null || exit 1; done

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(VENV39) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
