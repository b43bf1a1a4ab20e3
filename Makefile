# The commands that people, hooks and CI run are the same.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Threads that spin while they wait starve each other where the cores are shared.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: install run test lint format lock

install: .venv/installed  ## Make .venv with everything, from the lock file

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

run: install  ## The whole pipeline: ingest, crop_resize, train, evaluate, publish
	PATH="$(CURDIR)/$(BIN):$$PATH" DVC_NO_ANALYTICS=1 $(BIN)/dvc repro
	$(BIN)/fabgan summary --metrics reports/metrics

lint: install  ## Style, formatting, types, and the rules of who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

test: lint .venv-s3/installed  ## Everything that CI runs
	$(BIN)/pytest

.venv-s3/installed: tests/servers/requirements-s3.lock  ## The object store that tests run against, in a place of its own
	$(PYTHON) -m venv .venv-s3
	.venv-s3/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## Resolve pyproject.toml anew into requirements.lock
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check "setuptools>=77" ".[test]"
	.venv-lock/bin/pip freeze --all --exclude pip --exclude fabgan | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock
