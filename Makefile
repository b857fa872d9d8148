# Every target sets up what it needs; `make help` lists them.

VENV := .venv
PYTHON := $(VENV)/bin/python
SANDBOX := deploy/sandbox
PYTEST := python -m pytest
# Daemons are waited for most of the time: three files at once, each with a pool of its own, the long ones first.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
ARGS ?=
FUZZ_EXAMPLES ?= 20000
SOAK_MINUTES ?= 30
SOAK_SEED ?=

# Test directories with targets of their own, because they take long; a target exists if its directory does.
SLOW := $(wildcard tests/faults tests/soak)
HOST_TESTS := tests/service tests/package tests/sandbox
ABSENT := $(if $(wildcard tests/faults),,test-faults) $(if $(wildcard tests/soak),,soak)
ABSENT += $(if $(wildcard benchmarks/*.py),,bench)

.DEFAULT_GOAL := help
.PHONY: help demo demo-panda test test-unit fuzz lint format lock shell package clean venv

help:                 ## List the targets
	@echo "Usage: make TARGET [ARGS='more arguments for pytest']"
	@sed -n $(ABSENT:%=-e '/^%:/d') -e 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1	\2/p' $(MAKEFILE_LIST) | expand -t 14
	@echo "SANDBOX_SUITE=forky make TARGET runs against HTCondor 25 instead of 23.9."

demo:                 ## Jobs become VMs, in the sandbox, end to end; KEEP=1 keeps it running to look around
	@$(SANDBOX) python -m localcloud.demo

demo-panda:           ## PanDA jobs become pilots, and pilots become VMs, in the sandbox, end to end
	@$(SANDBOX) python -m localcloud.demo --scenario panda --output demo-output/panda

test: test-unit       ## Run all tests: without HTCondor on this host, then the others on real HTCondor in the sandbox
	@$(PYTHON) -m pytest $(HOST_TESTS) --durations=10 $(ARGS)
	@$(SANDBOX) $(PYTEST) tests $(HOST_TESTS:%=--ignore=%) $(SLOW:%=--ignore=%) $(SIDE_BY_SIDE) --durations=10 $(ARGS)

test-unit: venv       ## Run the unit tests, which need no HTCondor, on this host's Python
	@$(PYTHON) -m pytest tests/unit -n 2 --durations=10 $(ARGS)

fuzz: venv            ## Load FUZZ_EXAMPLES (20000) mutated configuration files: valid or errors, never a traceback
	@APF_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PYTHON) -m pytest tests/service/test_config_fuzz.py --hypothesis-show-statistics $(ARGS)

ifneq ($(wildcard tests/faults),)
.PHONY: test-faults
test-faults:          ## Make every known fault strike real daemons; write a table of the costs into faults-output/
	@$(SANDBOX) $(PYTEST) tests/faults --durations=10 $(ARGS)
endif

ifneq ($(wildcard tests/soak),)
.PHONY: soak
soak:                 ## Run random load, faults and kills for SOAK_MINUTES (30), from SOAK_SEED; fail if anything is lost or leaks
	@$(SANDBOX) env SOAK_MINUTES=$(SOAK_MINUTES) SOAK_SEED=$(SOAK_SEED) $(PYTEST) -s tests/soak $(ARGS)
endif

ifneq ($(wildcard benchmarks/*.py),)
.PHONY: bench
bench:                ## Measure rounds against the bare queries that they need, at 100,000 idle jobs; into bench-output/
	@$(SANDBOX) python -m benchmarks $(ARGS)
endif

lint: venv            ## Check style, types, and imports between rooms
	@$(VENV)/bin/ruff check --output-format concise .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

format: venv          ## Format the code in the project's style
	@$(VENV)/bin/ruff check --select I --fix --quiet .
	@$(VENV)/bin/ruff format .

lock: venv            ## Pin every dependency in constraints.txt, for this host's Python and the sandbox's
	@deploy/lock

shell:                ## Open a shell in the sandbox
	@$(SANDBOX) bash

package: venv         ## Build sdist and wheel into dist/ and check that they work outside the checkout
	@deploy/package

clean:                ## Remove all files built in the checkout (the sandbox's cache stays)
	@rm -rf $(VENV) build dist demo-output bench-output faults-output *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@deploy/venv
