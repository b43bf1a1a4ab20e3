# The commands that people, hooks and CI run are the same.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# cpu or cuda: which torch the package index gives, and so what the wheelhouse and the image hold.
FLAVOUR ?= $(if $(wildcard .venv/lib/python3*/site-packages/nvidia*),cuda,cpu)
WHEELHOUSE := build/wheelhouse/$(FLAVOUR)
IMAGE := fabgan:$(VERSION)
DEBIAN_IMAGE := fabgan-base:bookworm
BASE_IMAGE ?= $(DEBIAN_IMAGE)
# The times of files in archives, so that equal content makes equal bytes.
export SOURCE_DATE_EPOCH := 1600000000
# Threads that spin while they wait starve each other where the cores are shared.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: install run test lint scan format lock lock-scan wheelhouse wheel base image bundle

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

# Processes that share the tests also share the cores: threads that wait for each other would halve their speed.
test: lint .venv-s3/installed .venv-scan/installed  ## Everything that CI runs
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
		--cov --cov-report=term

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
	.venv-lock/bin/pip install --quiet --disable-pip-version-check "setuptools>=77" ".[test,docs]"
	.venv-lock/bin/pip freeze --all --exclude pip --exclude fabgan | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

lock-scan:  ## Resolve the scanners anew into deploy/requirements-scan.lock
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check checkov kubernetes-validate kubeflow-trainer-api
	.venv-lock/bin/pip freeze --all --exclude pip --exclude setuptools > deploy/requirements-scan.lock
	rm -rf .venv-lock

wheelhouse: $(WHEELHOUSE)/requirements.txt  ## Every wheel that runs fabgan, pinned by digest, in build/wheelhouse

$(WHEELHOUSE)/requirements.txt: requirements.lock pyproject.toml | install
	rm -rf $(WHEELHOUSE)
	$(BIN)/pip wheel --quiet --disable-pip-version-check --constraint requirements.lock --wheel-dir $(WHEELHOUSE) .
	rm $(WHEELHOUSE)/fabgan-*.whl
	$(BIN)/python -m bundle.wheels $(WHEELHOUSE) $(FLAVOUR)

wheel: | install  # Of a clean folder: what was deleted would live on in setuptools' build/lib.
	rm -rf build/lib build/wheel
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --wheel-dir build/wheel .

base:  ## A base image of Debian's packages, where no BASE_IMAGE is given
	bundle/base.sh $(DEBIAN_IMAGE)

image: wheelhouse wheel $(if $(filter $(DEBIAN_IMAGE),$(BASE_IMAGE)),base)  ## The container image fabgan:VERSION
	PYTHON=$(BIN)/python bundle/image.sh $(IMAGE) $(BASE_IMAGE) $(FLAVOUR)

bundle: image  ## What is carried through the airlock: build/bundle/fabgan-VERSION
	$(BIN)/python -m bundle $(IMAGE) $(WHEELHOUSE) build/wheel build/bundle/fabgan-$(VERSION)
