# Two commands: `make results` for the comparison table and figures, `make test` for the tests.
PYTHON ?= python3
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: results data test test-all test-fast lint docs bench clean help

help:
	@echo "make results   set up, get the data that are available, run everything, print the comparison table"
	@echo "make test      set up and run the tests (make test-fast: unit tests alone; make test-all: slow ones, too)"
	@echo "make docs      the documentation as static pages below site/, without warnings"
	@echo "make bench     measure speed and write docs/benchmarks.md (half an hour; keep the machine quiet)"
	@echo "make data      only get the data and weights that are available"
	@echo "make clean     remove what a run made (results/ and Snakemake's records), not the data"

results: $(VENV)/ready
	python -m cortexclip fetch
	snakemake --cores $(CORES)
	@python -m cortexclip show

data: $(VENV)/ready
	python -m cortexclip fetch

# One thread for each job, as in the workflow; more are slower on networks this small.
# Unit tests run side by side; tests of workflows one by one, since each of them takes the cores that there are.
test test-all test-fast: export OMP_NUM_THREADS = 1
test test-all test-fast: export OPENBLAS_NUM_THREADS = 1
UNIT := python -m pytest tests/unit --numprocesses auto --maxprocesses 4 --dist worksteal
test: $(VENV)/ready lint
	$(UNIT) -m "not slow"
	python -m pytest tests/workflow -m "not slow"

test-all: $(VENV)/ready lint
	$(UNIT)
	python -m pytest tests/workflow

test-fast: $(VENV)/ready
	$(UNIT) -m "not slow"

lint: $(VENV)/ready
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/Snakefile workflow/rules
	mypy

docs: $(VENV)/ready
	sphinx-build -W --keep-going -q -c docs . site
	@echo "site/index.html"

# One thread each; the benchmark of the workflow reads what the last `make results` left.
BENCHMARKS := training precision ridge clip_features evaluation statistics_scale growth planning mindbigdata explorer workflow
bench: export OMP_NUM_THREADS = 1
bench: export OPENBLAS_NUM_THREADS = 1
bench: export PYTHONPATH = workflow
bench: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test,bench]"
	for name in $(BENCHMARKS); do [ ! -e benchmarks/$$name.py ] || python benchmarks/$$name.py --write || exit 1; done
	python benchmarks/report.py

# Exactly the versions of constraints.txt, checked for an interpreter that is new enough.
$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" \
	  || { echo "cortexclip needs Python 3.11 or newer; name one: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test,docs]"
	@touch $@

clean:
	find results -mindepth 1 -not -name README.md -delete
	rm -rf .snakemake
