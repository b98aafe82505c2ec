# Every target sets up what it needs; `make -C path/to/latticework demo` works from anywhere.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STORE ?= results

export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1
export PREFECT_CLI_PROMPT := false
export RAY_USAGE_STATS_ENABLED := 0
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO := 0
# Tests run two processes, and small matrices gain nothing from threads.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test lint bench deployments readme-figures serve clean
.DEFAULT_GOAL := demo

$(VENV)/.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "latticework needs Python >= 3.11, but $(PYTHON) is " + sys.version.split()[0] + "; choose another with `make PYTHON=python3.12 ...`")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (once, a few minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.stamp
	@$(BIN)/latticework run tcurve-census --recipe demo --out $(STORE)
	@$(BIN)/latticework run sparse-soup --recipe digits --out $(STORE)
	@$(BIN)/latticework results --out $(STORE) --last 2

test: $(VENV)/.stamp
	@$(BIN)/python -m pytest -m "not gpu and not slow" -n 2 --dist loadfile

lint: $(VENV)/.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyrefly check
	@$(BIN)/lint-imports

bench: $(VENV)/.stamp
	@$(BIN)/python -m benchmarks.start
	@$(BIN)/python -m benchmarks.census
	@$(BIN)/python -m benchmarks.kernels
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.sos
	@$(BIN)/python -m benchmarks.sos_many
	@$(BIN)/python -m benchmarks.sos_datasets
	@$(BIN)/python -m benchmarks.sos_prediction
	@$(BIN)/python -m benchmarks.pruning
	@$(BIN)/python -m benchmarks.surgery
	@$(BIN)/python -m benchmarks.language
	@$(BIN)/python -m benchmarks.frank_wolfe
	@$(BIN)/python -m benchmarks.compression
	@$(BIN)/python -m benchmarks.adaptive_frank_wolfe
	@$(BIN)/python -m benchmarks.coloring

deployments: $(VENV)/.stamp
	@$(BIN)/python -m flows.deployments > deploy/prefect.yaml.new
	@mv deploy/prefect.yaml.new deploy/prefect.yaml

# The pictures of README.md, from runs in a store that is thrown away.
readme-figures: $(VENV)/.stamp
	@store=$$(mktemp -d); trap 'rm -rf "$$store"' EXIT; \
	$(BIN)/latticework run tcurve-census --recipe degree7 --out "$$store"; \
	$(BIN)/latticework run sos-certify --set polynomials=robinson_times_norm2 --out "$$store"; \
	$(BIN)/latticework run sparse-soup --recipe digits --out "$$store"; \
	$(BIN)/latticework run frank-wolfe --recipe digits --out "$$store"; \
	$(BIN)/latticework run plane-coloring --recipe five-minutes --out "$$store"; \
	$(BIN)/python docs/readme_figures.py "$$store" docs/images

serve: $(VENV)/.stamp
	@$(BIN)/latticework serve

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist *.egg-info .import_linter_cache
	find flows tasks workers gpu tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
