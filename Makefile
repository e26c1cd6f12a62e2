# What a clone needs: Python 3.11 or newer and make. `make` alone says what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
# Written when the set-up is through, and only then: one that failed or was interrupted is done again.
READY := $(VENV)/.ready
UNFINISHED := $(VENV)/.unfinished
ARGS ?=
LOWEST := build/lowest
CLUSTER := build/cluster
ENVIRONMENTS := build/environments

.DEFAULT_GOAL := help
.PHONY: help setup fast demo chromium test test-slow test-all coverage lowest cluster test-cluster environments test-environments nightly nightly-shop bench lint types docs smoke check lock clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 16

setup: $(READY) ## make .venv with the pinned dependencies

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python %d.%d is too old; give a newer one: make PYTHON=python3.11 …" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) with the packages of requirements.lock; the first time takes some minutes."
	@if [ -e $(UNFINISHED) ]; then rm -rf $(VENV); fi
	@$(PYTHON) -m venv $(VENV)
	@touch $(UNFINISHED)
	@$(PIP) install -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@rm -f $(UNFINISHED)
	@touch $(READY)

# Takes the place of the editable package; `make clean setup` brings that back.
fast: $(READY) ## compile pages/ (needs a C compiler): pages simplified 1.9x faster
	@rm -rf build/lib* build/temp* build/bdist*
	@SHOP_R1_COMPILE=1 $(PIP) install --no-deps --no-build-isolation .
	@rm -rf build/lib* build/temp* build/bdist*

demo: $(READY) ## the main job on the built-in store, 7 to 10 minutes; results in runs/demo
	@$(BIN)/shop-r1 demo $(ARGS)

chromium: $(READY) ## install a Chromium for the tests where there is none
	@$(BIN)/python recipes/chromium.py

test: chromium ## the tests, in 12 to 18 minutes on two cores
	@$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow" $(ARGS)

test-slow: chromium ## the slow ones: runs that are killed, interrupted, distributed, compiled
	@$(BIN)/python -m pytest -n auto --dist loadfile -m slow $(ARGS)

test-all: test test-slow ## both

# The floor is `fail_under` in pyproject.toml: what the quick tests reach, rounded down.
coverage: chromium ## the quick tests, and how much of src they run; fails below the floor
	@$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow" --cov --cov-report=term $(ARGS)

# Old versions use what newer dependencies have renamed since, so deprecation warnings are no errors here.
# torch, which has one version only, comes from $(VENV) by a .pth file; whatever else differs is installed.
lowest: chromium ## all tests with the lowest versions that pyproject.toml admits
	@rm -rf $(LOWEST) && $(PYTHON) -m venv $(LOWEST)
	@$(BIN)/python recipes/lowest.py > $(LOWEST)/constraints.txt
	@$(BIN)/python -c 'import torch, pathlib; print(pathlib.Path(torch.__file__).parents[1])' \
	   > $$($(LOWEST)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch.pth
	@$(LOWEST)/bin/python -m pip --quiet --disable-pip-version-check install 'setuptools>=77'
	@$(LOWEST)/bin/python -m pip --quiet --disable-pip-version-check install \
	   -c $(LOWEST)/constraints.txt -e '.[train,api,browser,watch,docs,dev]' --no-build-isolation
	@$(LOWEST)/bin/python -m pytest -n auto --dist loadfile -W ignore::DeprecationWarning $(ARGS)

# verl and vLLM want other versions of transformers and tokenizers than $(VENV) has; 4 GB, some minutes.
cluster: $(CLUSTER)/.ready ## build/cluster: the environment of shop-r1 grpo --engine verl (docs/cluster.md)

$(CLUSTER)/.ready: requirements-cluster.lock pyproject.toml
	@rm -rf $(CLUSTER) && $(PYTHON) -m venv $(CLUSTER)
	@$(CLUSTER)/bin/python -m pip --quiet --quiet --disable-pip-version-check install --no-deps -r requirements-cluster.lock
	@$(CLUSTER)/bin/python -m pip --quiet --quiet --disable-pip-version-check install --no-deps --no-build-isolation -e .
	@$(CLUSTER)/bin/python recipes/cluster/vllm_cpu.py
	@touch $@

# What verl and Ray warn of is theirs to mend, so warnings are no errors here and not shown. A worker on CPU takes numbers
# below 1e-308 for 0, from then on in its whole process, so tests of anything else have one of their own.
PYTEST_CLUSTER := $(CLUSTER)/bin/python -m pytest -o addopts="-q --strict-markers --import-mode=importlib --doctest-modules" -W ignore -m "not slow"

test-cluster: cluster ## the tests of --engine verl, and the parts that must work under its versions too
	@$(PYTEST_CLUSTER) tests/rewards tests/prompts tests/datasets/test_examples.py $(ARGS)
	@$(PYTEST_CLUSTER) tests/cluster src/shop_r1/training/cluster $(ARGS)

# The packages of .venv come in by a .pth file; what stands in the lock comes before them.
environments: $(ENVIRONMENTS)/.ready ## build/environments: BrowserGym and verifiers over .venv (docs/how_to/environments.md)

$(ENVIRONMENTS)/.ready: requirements-environments.lock $(READY)
	@rm -rf $(ENVIRONMENTS) && $(PYTHON) -m venv $(ENVIRONMENTS)
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	   > $$($(ENVIRONMENTS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/venv.pth
	@$(ENVIRONMENTS)/bin/python -m pip --quiet --quiet --disable-pip-version-check install --no-deps -r requirements-environments.lock
	@$(ENVIRONMENTS)/bin/python -m pip --quiet --quiet --disable-pip-version-check install --no-deps --no-build-isolation \
	   -e . -e environments/shop_r1_store -e environments/shop_r1_recorded
	@touch $@

# Without the filters of pyproject.toml: what these packages warn of is theirs.
test-environments: environments chromium ## the environments for others' agents and trainers, with the real packages
	@$(ENVIRONMENTS)/bin/python -m pytest -o addopts="-q --strict-markers --import-mode=importlib --doctest-modules" -W ignore tests/environments src/shop_r1/environments $(ARGS)

# Failing examples are kept in .hypothesis and tried first the next time.
nightly: $(READY) ## 20,000 mutated pages through the simplifier
	@SHOP_R1_FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest tests/pages/test_fuzz.py --hypothesis-show-statistics $(ARGS)

# Needs node 20 or newer and, the first time, the network; PostgreSQL is installed where it is missing.
nightly-shop: chromium ## shoppers in EverShop, a real shop: 40 visits recorded, imported back, names looked at
	@$(BIN)/python -m recipes.evershop.nightly build/evershop $(ARGS)

bench: $(READY) ## time training and evaluation beside stock TRL (50 minutes); docs/benchmarks.md
	@$(BIN)/python -m benchmarks.grpo_step --json benchmarks/results/grpo_step.json
	@$(BIN)/python -m benchmarks.engine --json benchmarks/results/engine.json
	@$(BIN)/python -m benchmarks.memory --json benchmarks/results/memory.json
	@$(BIN)/python -m benchmarks.examples --json benchmarks/results/examples.json
	@$(BIN)/python -m benchmarks.browser --json benchmarks/results/browser.json
	@test ! -d runs/demo/shop-r1 || $(BIN)/python -m benchmarks.left_out runs/demo --json benchmarks/results/left_out.json
	@$(BIN)/python -m benchmarks.tables

lint: $(READY) ## ruff, as linter and as formatter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	@$(BIN)/mypy

docs: $(READY) ## build the documentation into build/site, with strict links and no network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "The documentation is in build/site/index.html"

# WHEEL: one that is built already. Needs a package index for the dependencies.
smoke: $(READY) ## install the wheel into an empty environment; run its doctests and the quick demo there
	@PYTHON=$(PYTHON) recipes/wheel.sh $(WHEEL)

check: lint types docs test-all ## lint, types, documentation and all tests

lock: ## remake requirements.lock from the newest versions that pyproject.toml allows
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip --quiet --quiet install '.[train,api,browser,docs,dev]'
	@{ sed -n '/^#/p' requirements.lock; \
	   build/lock/bin/python -m pip freeze --all --exclude shop-r1 --exclude pip \
	   | grep -Ev '^(nvidia-|cuda-|triton)' | sed 's/+cpu$$//'; } > build/requirements.lock
	@mv build/requirements.lock requirements.lock

clean: ## remove .venv, caches and builds; runs stay
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info environments/*/*.egg-info environments/*/build
	@find src tests benchmarks recipes -name __pycache__ -prune -exec rm -rf {} +
