# `make demo` and `make test` work from a fresh clone with nothing but Python 3.11+ and its venv module.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PEERS := .venv-peers
PACKAGES := fleet actors learners env_server

export OMP_NUM_THREADS ?= 1

# How many seeds `make simulate` plays the protocol through.
SEEDS ?= 20000

.PHONY: setup demo test lint simulate peers clean

setup: $(STAMP)

# The lock pins the build backend too, so nothing that isn't pinned runs. An already installed torch 2.13.0 is kept.
# Compiling the kernels here takes a minute, once; the first run would have to wait for it otherwise. Two at a time.
$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m env_server.warm & worlds=$$!; \
		$(BIN)/python -m learners.warm && $(BIN)/python -m fleet.study.games.warm && wait $$worlds
	touch $@

demo: setup
	$(BIN)/fleet run configs/demo.toml

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -m "not slow and not e2e" -n 2 --dist worksteal
	$(BIN)/python -m pytest -m "slow and not e2e" -n 2 --dist worksteal
	$(BIN)/python -m pytest -m e2e

simulate: setup
	$(BIN)/python scripts/simulate.py --seeds $(SEEDS)

# Two gigabytes that only `fleet bench peers` runs. torch first and alone, so that nothing else chooses which build comes.
peers: $(PEERS)/.stamp

$(PEERS)/.stamp: peers.lock
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --disable-pip-version-check --quiet $$(grep '^torch==' peers.lock)
	$(PEERS)/bin/python -m pip install --disable-pip-version-check --quiet -r peers.lock
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(PACKAGES) tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
