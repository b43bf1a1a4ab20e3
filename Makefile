# The commands that people, hooks and CI run are the same.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Threads that spin while they wait starve each other where the cores are shared.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: install run test lint scan format lock lock-scan

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

test: lint .venv-s3/installed .venv-scan/installed  ## Everything that CI runs
	$(BIN)/pytest

scan: .venv-scan/installed  ## The manifests of deploy/, held against the Kubernetes API and what is known to be weak
	deploy/scan.sh .venv-scan/bin

# In virtual environments of their own, because they pin what the project needs in other versions.
.venv-s3/installed: tests/servers/requirements-s3.lock
	$(PYTHON) -m venv .venv-s3
	.venv-s3/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

.venv-scan/installed: deploy/requirements-scan.lock
	$(PYTHON) -m venv .venv-scan
	.venv-scan/bin/pip install --quiet --disable-pip-version-check --requirement $<
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

lock-scan:  ## Resolve the scanners anew into deploy/requirements-scan.lock
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check checkov kubernetes-validate
	.venv-lock/bin/pip freeze --all --exclude pip --exclude setuptools > deploy/requirements-scan.lock
	rm -rf .venv-lock
