# Every target works from a fresh clone: the tools are installed into .venv first. `make -C DIR` works from anywhere; the
# directory's path must be free of white space (a limit of make, of ansible-test and of unix socket names) and short.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ROOT := $(patsubst %/,%,$(dir $(abspath $(firstword $(MAKEFILE_LIST)))))
BIN := $(ROOT)/.venv/bin
LAB_DIR ?= $(ROOT)/.lab
ENGINE ?= auto
NAME ?= task1

# Tools look for their caches and keys below HOME; without one, the account's own.
ifeq ($(strip $(HOME)),)
export HOME := $(shell getent passwd "$$(id -u)" | cut -d: -f6)
endif
export PATH := $(BIN):$(PATH)
export LAB_DIR ENGINE VERSION
# A value that suits an activated environment elsewhere would lead our Python astray.
unexport PYTHONHOME VIRTUAL_ENV ANSIBLE_CONFIG

.PHONY: help venv lab lab-stop lab-destroy lab-status demo lint unit sanity integration e2e test bench build docs clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  Options: ENGINE=incus|memory (the lab's containers: real or none), VERSION=25.10|25.04, LAB_DIR=DIR, PYTHON=python3.x"

venv: ## Install the tools into .venv (every other target does it by itself)
	@$(ROOT)/tests/tools/venv.sh

lab: venv ## Start a local TrueNAS-compatible lab (real containers with root on Debian or Ubuntu)
	@$(ROOT)/tests/tools/lab.sh up

lab-stop: venv ## Stop the lab; its containers are kept for the next start
	@$(ROOT)/tests/tools/lab.sh down

lab-destroy: venv ## Stop the lab and remove everything it made
	@$(ROOT)/tests/tools/lab.sh destroy

lab-status: venv ## Say whether the lab runs, where, and with which containers
	@$(ROOT)/tests/tools/lab.sh status || [ $$? -ge 3 ]

demo: venv ## From nothing to a container you can SSH into
	@$(ROOT)/tests/tools/demo.sh $(NAME)

lint: venv ## ruff, mypy, shellcheck, ansible-lint, documentation and change log
	@$(BIN)/python $(ROOT)/tests/tools/check.py lint

unit: venv ## Unit tests (seconds)
	@cd $(ROOT) && $(BIN)/python -m pytest -q -n 2 tests/unit

sanity: venv ## ansible-test sanity and units in a clean copy
	@$(BIN)/python $(ROOT)/tests/tools/check.py ansible-test

integration: venv ## Playbooks and modules against the lab without containers
	@$(BIN)/python $(ROOT)/tests/tools/check.py lab-tests integration

e2e: venv ## Playbooks and molecule against the lab with real containers
	@$(BIN)/python $(ROOT)/tests/tools/check.py e2e

test: venv ## All of the above, with a summary
	@$(BIN)/python $(ROOT)/tests/tools/check.py

bench: venv ## How long clones, checkpoints and the rest take beside incus itself, as ratios (BENCH='--quick 1')
	@$(BIN)/python $(ROOT)/tests/bench/run.py $(BENCH)

build: venv ## Build the collection's archive into .cache/dist
	@$(BIN)/python $(ROOT)/tests/tools/tree.py build

docs: venv ## Write the documentation generated from the code
	@$(ROOT)/tests/tools/docs.sh

clean: ## Remove caches and build results (not .venv, not the lab)
	@cd $(ROOT) && rm -rf .cache/tree .cache/dist .cache/test .cache/mypy .cache/pytest .mypy_cache .pytest_cache .ruff_cache tests/output \
	  && find . -name __pycache__ -not -path './.venv/*' -not -path './.lab/*' -prune -exec rm -rf {} +
