# Two commands: `make demo` and `make test`. Both make .venv and install requirements.lock themselves.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export PYTHONDONTWRITEBYTECODE :=
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# one more than there are cores: tests wait for servers
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# without torch: its CUDA packages are 5 GB for every install and CI run; its tests skip where it is missing
EXTRAS := battery boosting openlineage pickle postgres sweeps

.PHONY: help demo test check chaos bench up lock clean

help:  ## List these commands
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(READY)  ## Play the whole loop on a real Airflow; EXIT=1 ends it after the report
	@$(PY) -m demo $(if $(EXIT),--exit)

test: $(READY)  ## Run every test
	@$(PY) -m pytest -n $(JOBS) --dist loadfile

check: $(READY)  ## What CI runs first: format, lint, layers, types, unit tests with coverage of the core
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@PYTHONPATH=plugins $(VENV)/bin/lint-imports --no-cache
	@$(VENV)/bin/mypy
	@$(PY) -m pytest tests/unit -q --cov --cov-report=term:skip-covered

chaos: $(READY)  ## Kill trainings and promotions at a thousand random moments; XOPS_SEED repeats a run
	@XOPS_KILLS=1000 $(PY) -m pytest -q -s tests/integration/test_chaos.py tests/integration/test_sweeps_killed.py \
		tests/integration/test_killed_batches.py

bench: $(READY)  ## Measure against the limits and the peers; writes .bench/results.json
	@$(PY) -m benchmarks

up: .env  ## Start the production-like stack with Docker Compose
	docker compose up --build --detach --wait

.env:
	@(umask 077; python3 include/compose/new_env.py > .env)
	@echo "made .env with new secrets; .env.example says what each is"

lock:  ## Resolve requirements.txt, the extras and the dev group anew into requirements.lock
	@$(VENV)/bin/uv pip compile pyproject.toml $(EXTRAS:%=--extra %) --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' --upgrade --quiet --output-file requirements.lock
	@rm -rf plugins/xops.egg-info  # left by asking for the extras; Airflow would find the plugin twice

clean:  ## Remove what these commands made, except .venv
	rm -rf .demo .bench .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

$(READY): requirements.lock include/setup/make_venv.sh
	@sh include/setup/make_venv.sh $(VENV)
	@touch $@
