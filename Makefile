# People, hooks and CI run the same commands.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# cpu or cuda: the build of torch that the package index offers, which the wheelhouse and the image then hold.
FLAVOUR ?= $(if $(wildcard .venv/lib/python3*/site-packages/nvidia*),cuda,cpu)
WHEELHOUSE := build/wheelhouse/$(FLAVOUR)
IMAGE := fabgan:$(VERSION)
DEBIAN_IMAGE := fabgan-base:bookworm
BASE_IMAGE ?= $(DEBIAN_IMAGE)
# File times in archives: a constant, so that equal content gives equal bytes.
export SOURCE_DATE_EPOCH := 1600000000
# On shared cores, threads that spin while they wait slow each other down.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: install run defects test coverage cluster-check docs lint scan format lock lock-scan wheelhouse wheel base image bundle

install: .venv/installed  ## Make .venv with the versions of the lock file

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fabgan needs Python 3.11 or newer: make install PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--config-settings editable_mode=compat --editable .
	touch $@

run: install  ## Run the whole pipeline (ingest, crop_resize, train, evaluate, publish), then make defects
	PATH="$(CURDIR)/$(BIN):$$PATH" DVC_NO_ANALYTICS=1 $(BIN)/dvc repro
	$(BIN)/fabgan summary --metrics reports/metrics
	$(MAKE) defects

DEFECTS := --packages data/packages --size 128 --model artifacts/defects

defects: install  ## Judge and make defects with masks, in the project build/defects
	test -e build/defects/params.yaml || (mkdir -p build && $(BIN)/fabgan init build/defects)
	cd build/defects && PATH="$(CURDIR)/$(BIN):$$PATH" && fabgan preset defects && \
		fabgan ingest --output data/frames --metrics ingest.json && \
		fabgan crop_resize --frames data/frames --output data/packages --metrics crop_resize.json && \
		fabgan train_defects $(DEFECTS) --steps 200 --runs 4 && rm -rf out/defects && \
		fabgan defects $(DEFECTS) --kinds deformed_ball:20,missing_ball:20,scratch:20 --layout coco --out out/defects

lint: install  ## Check style, formatting, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

# Several test processes share the cores. With more than one thread each, they would run at half the speed.
test: lint .venv-s3/installed .venv-scan/installed  ## Everything that CI runs
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

coverage:  ## The same tests, with the share of lines and branches that they run
	PYTEST_ADDOPTS="$(PYTEST_ADDOPTS) --cov --cov-report=term" $(MAKE) test

cluster-check: install  ## Run the pipelines on a real cluster: make cluster-check KUBECONFIG=FILE [CHECK="--namespace ..."]
	PYTHONPATH=. $(BIN)/python -m tests.cluster --kubeconfig "$(KUBECONFIG)" $(CHECK)

scan: .venv-scan/installed  ## Check the manifests of deploy/ against the Kubernetes API and a security scanner
	deploy/scan.sh .venv-scan/bin

# Separate virtual environments, because these tools pin other versions of the project's dependencies.
.venv-s3/installed: tests/servers/requirements-s3.lock
	$(PYTHON) -m venv .venv-s3
	.venv-s3/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

.venv-scan/installed: deploy/requirements-scan.lock
	$(PYTHON) -m venv .venv-scan
	.venv-scan/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

docs: install  ## Build the documentation as a site, without a network, in the folder site
	$(BIN)/mkdocs build --strict

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## Resolve pyproject.toml anew into requirements.lock
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check "setuptools>=77" ".[all,test,docs]"
	.venv-lock/bin/pip freeze --all --exclude pip --exclude fabgan | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

lock-scan:  ## Resolve the scanners anew into deploy/requirements-scan.lock
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check checkov kubernetes-validate kubeflow-trainer-api
	.venv-lock/bin/pip freeze --all --exclude pip --exclude setuptools > deploy/requirements-scan.lock
	rm -rf .venv-lock

wheelhouse: $(WHEELHOUSE)/requirements.txt  ## Collect every wheel that fabgan needs in build/wheelhouse, pinned by digest

$(WHEELHOUSE)/requirements.txt: requirements.lock pyproject.toml | install
	rm -rf $(WHEELHOUSE)
	$(BIN)/pip wheel --quiet --disable-pip-version-check --constraint requirements.lock --wheel-dir $(WHEELHOUSE) ".[all]"
	rm $(WHEELHOUSE)/fabgan-*.whl
	$(BIN)/python -m bundle.wheels $(WHEELHOUSE) $(FLAVOUR)

wheel: | install  # From a clean folder: setuptools would pack deleted files that are still in build/lib.
	test -d fabgan/components || { echo "fabgan/components is no link: check the project out with symbolic links" >&2; exit 1; }
	rm -rf build/lib build/wheel
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --wheel-dir build/wheel .

base:  ## Make a base image from Debian packages, for when no BASE_IMAGE is given
	bundle/base.sh $(DEBIAN_IMAGE)

image: wheelhouse wheel $(if $(filter $(DEBIAN_IMAGE),$(BASE_IMAGE)),base)  ## Build the container image fabgan:VERSION
	PYTHON=$(BIN)/python bundle/image.sh $(IMAGE) $(BASE_IMAGE) $(FLAVOUR)

bundle: image  ## Make the folder to carry through the airlock: build/bundle/fabgan-VERSION
	$(BIN)/python -m bundle $(IMAGE) $(WHEELHOUSE) build/wheel build/bundle/fabgan-$(VERSION)
