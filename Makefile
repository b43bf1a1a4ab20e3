# The commands that people, hooks and CI run are the same.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SHELL := /bin/bash
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# cpu or cuda: which torch the package index gives, and so what the wheelhouse and the image hold.
FLAVOUR ?= $(if $(wildcard .venv/lib/python3*/site-packages/nvidia*),cuda,cpu)
WHEELHOUSE := build/wheelhouse/$(FLAVOUR)
IMAGE := fabgan:$(VERSION)
DEBIAN_IMAGE := fabgan-base:bookworm
BASE_IMAGE ?= $(DEBIAN_IMAGE)
IMAGE_SOURCES = Dockerfile .dockerignore pyproject.toml README.md LICENSE rendered.yaml \
	$(shell find fabgan components model pipeline -name '*.py' | LC_ALL=C sort)
# Threads that spin while they wait starve each other where the cores are shared.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: install run test lint scan format lock lock-scan wheelhouse base image bundle

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

wheelhouse: $(WHEELHOUSE)/requirements.txt  ## Every wheel that runs fabgan, pinned by digest, in build/wheelhouse

$(WHEELHOUSE)/requirements.txt: requirements.lock pyproject.toml | install
	rm -rf $(WHEELHOUSE)
	$(BIN)/pip wheel --quiet --disable-pip-version-check --constraint requirements.lock --wheel-dir $(WHEELHOUSE) .
	rm $(WHEELHOUSE)/fabgan-*.whl
	$(BIN)/python -m bundle.wheels $(WHEELHOUSE) $(FLAVOUR)

base:  ## A base image of Debian's packages, where no BASE_IMAGE is given
	@docker image inspect $(DEBIAN_IMAGE) > /dev/null 2>&1 || { \
		mkdir -p build && \
		SOURCE_DATE_EPOCH=1600000000 mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
			--aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
			--dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/man/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' bookworm build/base.tar && \
		docker import build/base.tar $(DEBIAN_IMAGE) && rm build/base.tar; }

image: wheelhouse $(if $(filter $(DEBIAN_IMAGE),$(BASE_IMAGE)),base)  ## The container image, without a network
	@commit=$$($(BIN)/python -c 'from components.provenance import git_commit; print(git_commit())') && \
	base=$$(docker image inspect --format '{{.Id}}' $(BASE_IMAGE)) && \
	inputs=$$({ cat $(WHEELHOUSE)/requirements.txt $(IMAGE_SOURCES) && echo $$base $$commit; } | sha256sum | cut -c 1-64) && \
	built=$$(docker image inspect --format '{{index .Config.Labels "fabgan.inputs"}}' $(IMAGE) 2> /dev/null || true) && \
	if [ "$$built" = "$$inputs" ]; then echo "$(IMAGE) is up to date"; else \
		DOCKER_BUILDKIT=0 docker build --network none --tag $(IMAGE) --build-arg BASE_IMAGE=$(BASE_IMAGE) \
			--build-arg FLAVOUR=$(FLAVOUR) --build-arg VERSION=$(VERSION) --build-arg GIT_COMMIT=$$commit \
			--build-arg INPUTS=$$inputs .; fi
