# Landfall. `make help` explains every target; the logic is in local/, not here.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run ui shell stop test long chaos fuzz check format lock bench bench-dags bench-ledger clean

# Variables for the command line:
#   PORT=8090        port of the UI (make ui)
#   AIRFLOW=3.1.7    run the DAG and plugin tests on that version (make test)
#   ROWS=200000      records of the benchmark's file; ROUNDS=1: measure each once; BEAM=1: large files (make bench)
#   ARGS='-k name'   more arguments for the program behind the target
#   SECONDS=60       how long to look for bytes that break the engine (make fuzz)
#   SCHEDULES=1000   random schedules (make chaos); SEED=7: draw those of an earlier run again
#   WHOLE=20         of these, so many through whole Airflow runs; PAIRS=24: so many pairs, not all
#   PYTHON=/path     the Python 3.11 or newer that makes the environments
PORT ?= 8080
AIRFLOW ?= 3.3.1
SECONDS ?= 60
ARGS ?=
SCHEDULES ?= 1000
ROWS ?= $(if $(BEAM),20000000,5000000)
ROUNDS ?= 3
export PORT

# Compiled modules halve the time Airflow takes to start: keep them even where the shell says not to.
unexport PYTHONDONTWRITEBYTECODE
# A developer's own PYTHONPATH or virtual environment must not reach ours.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

SYSTEM_PYTHON = "$$(local/find-python)"
ENVIRONMENTS  = python=$(SYSTEM_PYTHON) && "$$python" -m local.environments
AIRFLOW_BIN   = build/env/airflow/bin

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@awk '/^#   [A-Z]+=/{sub(/^#   /, "       "); print}' Makefile

setup:  ## create the environments from the hashed locks (2 GB, once; all other targets do it too)
	@$(ENVIRONMENTS) airflow function emulators --dev

run:  ## the main job on the embedded cloud: sample files -> DAGs -> BigQuery, then the accounting
	@$(ENVIRONMENTS)
	@$(AIRFLOW_BIN)/python -m local.run $(ARGS)

ui:  ## embedded cloud and full Airflow with the UI at http://localhost:8080; Ctrl-C stops it all
	@$(ENVIRONMENTS)
	@exec $(AIRFLOW_BIN)/python -m local.ui

shell:  ## a sub-shell in which `airflow` and `landfall` talk to the embedded cloud
	@bash local/shell.sh

stop:  ## stop the embedded cloud and the Airflow this clone started; their data stay
	@python=$(SYSTEM_PYTHON) && "$$python" -m local.ui stop && "$$python" -m local.cloud down

test:  ## the tests, in about 10 minutes on two cores, but for those of `make long`; AIRFLOW=3.1.7 for the older managed image
	@bash local/test.sh "$(AIRFLOW)" $(ARGS)

chaos:  ## kill, cut and race runs on purpose and look what is lost: SCHEDULES=1000, SEED=7 -> build/chaos.md
	@$(ENVIRONMENTS) airflow function emulators --dev
	@$(AIRFLOW_BIN)/python -m tests.faults.chaos --schedules "$(SCHEDULES)" $(if $(SEED),--seed "$(SEED)") \
		$(if $(WHOLE),--airflow "$(WHOLE)") $(if $(PAIRS),--pairs "$(PAIRS)") $(ARGS)

long:  ## the tests that `make test` leaves out: the longest, and races and replays in every other mode
	@bash local/test.sh "$(AIRFLOW)" -m long $(ARGS)

fuzz:  ## look for bytes that break framers and parsers, for SECONDS=60; finds go to build/fuzz
	@$(ENVIRONMENTS) fuzz
	@build/env/fuzz/bin/python -m tests.fuzz.run --seconds "$(SECONDS)" $(ARGS)

check:  ## ruff, formatting, mypy --strict and the import rules
	@$(ENVIRONMENTS) airflow --dev
	@bash local/check.sh

format:  ## let ruff mend and format what it can
	@$(ENVIRONMENTS) airflow --dev
	@$(AIRFLOW_BIN)/python -m ruff check --fix .
	@$(AIRFLOW_BIN)/python -m ruff format .

lock:  ## resolve all locks anew, with hashes
	@python=$(SYSTEM_PYTHON) && "$$python" -m local.locks $(ARGS)

bench:  ## the engine against DuckDB, Polars, pandas, dlt and a plain loop -> build/bench.json; ROWS=200000 is quick; BEAM=1
ifdef BEAM
	@$(ENVIRONMENTS) airflow
	@$(AIRFLOW_BIN)/python -m tests.bench.beam --rows $(ROWS) --rounds $(ROUNDS) $(ARGS)
else
	@$(ENVIRONMENTS) function bench
	@build/env/bench/bin/python -m tests.bench.engine --rows $(ROWS) --rounds $(ROUNDS) $(ARGS)
endif

bench-dags:  ## measure how long DAG files take to parse and tasks to start -> build/bench-dags.json
	@$(ENVIRONMENTS) airflow --dev
	@$(AIRFLOW_BIN)/python -m tests.bench.dags $(ARGS)

bench-ledger:  ## what planning and the ledger cost in a run of 1,000 small files, and its jobs -> build/bench-ledger.json
	@$(ENVIRONMENTS) airflow function emulators --dev
	@$(AIRFLOW_BIN)/python -m tests.bench.ledger $(ARGS)

clean: stop  ## stop the embedded cloud and delete its data and Airflow's; the environments stay
	@rm -rf build/cloud build/airflow build/run-report.json
