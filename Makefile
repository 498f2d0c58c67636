# Quartet's commands; `make` alone lists them. Needs GNU make 3.81 (macOS) or newer and a POSIX shell.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo up down env-shell status mlflow check test crash crash-seeded crash-deep test-compose lint audit sbom bench lock docs env image clean workflow

PYTHON := .venv/bin/python
READY := .venv/.ready
export PYTHONPATH := $(CURDIR):$(CURDIR)/plugins
unexport PYTHONDONTWRITEBYTECODE  # bytecode halves the time of every command

# real-data tests need a folder that not everybody has; .ci/run names it
ifeq ($(strip $(QUARTET_REAL_DATA)),)
REAL_DATA := and not real_data
endif
DISTRIBUTED = -n 2 --dist loadgroup --no-loadscope-reorder
# Spark sends the functions of these modules to its workers, and probes cannot be sent
SENT = include/songs/engines/arrow_lines.py,include/songs/engines/gzip_member.py,include/songs/engines/spark_deflate.py
COVERAGE = SLIPCOVER_ENABLED=1 SLIPCOVER_BRANCH=1 SLIPCOVER_SOURCE=include,plugins SLIPCOVER_OMIT=$(SENT)
UNIT = $(COVERAGE) $(PYTHON) -m pytest $(DISTRIBUTED) -m "not e2e and not compose and not crash and not crash_deep $(REAL_DATA)"
E2E = $(PYTHON) -m pytest -m "e2e $(REAL_DATA)"

help:
	@echo "Quartet: four data workflows on one Airflow platform"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## install everything into .venv (all other commands do so first)
	@echo "ready: everything in requirements.txt is installed in .venv"

$(READY): requirements.txt deploy/embedded/setup.sh
	@sh deploy/embedded/setup.sh

demo: $(READY)  ## start the platform and run every workflow once
	@$(PYTHON) -m deploy.embedded demo

up: $(READY)  ## start the platform on http://127.0.0.1:8080, or QUARTET_PORT
	@$(PYTHON) -m deploy.embedded up

down: $(READY)  ## stop the platform; its data is kept in .quartet, or QUARTET_HOME
	@$(PYTHON) -m deploy.embedded down

env-shell: $(READY)  ## print what lets a shell use Airflow's own commands: eval "$(make env-shell)"
	@$(PYTHON) -m deploy.embedded env

status: $(READY)  ## show the state of its components
	@$(PYTHON) -m deploy.embedded status

mlflow: $(READY)  ## serve MLflow's web UI on http://127.0.0.1:5000, or QUARTET_MLFLOW_PORT
	@$(PYTHON) -m deploy.embedded mlflow

check: $(READY)  ## lint what changed and run its unit tests; a minute at most
	@$(PYTHON) -m deploy.check

test: $(READY)  ## unit tests with coverage, then the tests on a real platform
	@$(if $(REAL_DATA),echo "QUARTET_REAL_DATA is not set: tests that need real data are skipped",:)
	@began=$$(date +%s); $(UNIT) && middle=$$(date +%s) && $(E2E) && \
	echo "unit tests: $$((middle - began)) s, end-to-end tests: $$(($$(date +%s) - middle)) s"

crash: $(READY)  ## inject a fault at every durable effect, and compare the end with an undisturbed run
	@$(PYTHON) -m pytest -n 2 --dist load -q -m crash tests/crash

crash-seeded: $(READY)  ## seed twenty bugs, one at a time, and print what finds each; takes minutes
	@$(PYTHON) -m tests.crash.seeded
	@$(PYTHON) -m tests.crash.seeded --kill-tests

crash-deep: $(READY)  ## fail system calls of real processes, and cut database connections; needs strace and PostgreSQL
	@$(PYTHON) -m pytest -q -m crash_deep tests/crash/deep

test-compose: $(READY)  ## build the image, bring docker-compose.yaml up, try it, take it down; needs Docker
	$(PYTHON) -m pytest -m compose -s tests/compose

lint: $(READY)  ## check style, layers and types, and that lock and docs are up to date
	@$(PYTHON) -m deploy.lock --check
	@$(PYTHON) -m docs.build --check
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/pyright

audit: $(READY)  ## check the lock for known vulnerabilities
	@$(PYTHON) -m deploy.audit

sbom: $(READY)  ## write build/sbom.json, the lock's bill of materials in CycloneDX format
	@mkdir -p build
	.venv/bin/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-file build/sbom.json

bench: $(READY)  ## run the benchmarks, one script per workflow
	@for script in benchmarks/[!_]*.py; do echo "== $$script"; $(PYTHON) "$$script" || exit 1; done

lock: $(READY)  ## write requirements.txt from pyproject.toml; UPGRADE=1 upgrades to newer releases
	@$(PYTHON) -m deploy.lock $(if $(UPGRADE),--upgrade)

workflow: $(READY)  ## write the skeleton of a new workflow: make workflow NAME=parcels
	@$(PYTHON) -m deploy.new_workflow "$(NAME)"

docs: $(READY)  ## generate docs/ and .env.example from the code
	@$(PYTHON) -m docs.build

env:  ## write .env with random secrets for docker compose; S3=1 adds a local S3 emulator
	@python3 deploy/compose/env.py $(if $(S3),--s3)

image:  ## build the image, labelled with its version and commit
	docker build --tag quartet:0.1.0 --build-arg REVISION=$$(git rev-parse HEAD) .

clean:  ## remove .venv and caches; the data in .quartet is kept
	@if [ -x $(PYTHON) ] && [ -e $(READY) ]; then $(PYTHON) -m deploy.embedded down; fi
	rm -rf .venv .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.quartet/*' -prune -exec rm -rf {} +
