# Every target does its own set-up; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
CLUSTER_TOOL := $(PYTHON) local-cluster/cluster.py
INSTALLED := .venv/installed
TOOLS_INSTALLED := .venv/tests-tools-installed
MODELS := examples/models/out/trained

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-20s %s\n", $$1, $$2}'

.PHONY: install install-tests-tools
install: $(INSTALLED)  ## .venv with the command line, the serving code and what checks them

$(INSTALLED): requirements.lock pyproject.toml local-cluster/prepare
	local-cluster/prepare python
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

install-tests-tools: $(TOOLS_INSTALLED)  ## an object store, a registry and a load generator, which tests run beside the code

$(TOOLS_INSTALLED): $(INSTALLED) tests/serving/moto.lock tests/serving/locust.lock tests/registry/mlflow.lock
	test -x .venv/moto/bin/python || $(PYTHON) -m venv .venv/moto  # its dependencies and ours contradict each other
	.venv/moto/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/serving/moto.lock
	test -x .venv/locust/bin/python || $(PYTHON) -m venv .venv/locust
	.venv/locust/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/serving/locust.lock
	test -x .venv/mlflow/bin/python || $(PYTHON) -m venv --without-pip .venv/mlflow  # 350 MB, which pip would compile, too
	$(BIN)/python -m uv pip install --quiet --require-hashes --python .venv/mlflow/bin/python -r tests/registry/mlflow.lock \
	  || $(BIN)/python -m pip --python .venv/mlflow/bin/python install --quiet --disable-pip-version-check --no-compile --require-hashes \
	  -r tests/registry/mlflow.lock
	touch $@

.PHONY: lock
lock: install  ## resolve and pin all dependencies again, with hashes
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  pyproject.toml -o operator/requirements.lock
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  <(echo 'setuptools>=80') -o operator/build.lock
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  serving-image/requirements.in -c operator/requirements.lock -o serving-image/requirements.lock
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  pyproject.toml --extra dev serving-image/requirements.in examples/models/requirements.in \
	  -c operator/requirements.lock -c serving-image/requirements.lock -o requirements.lock
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  <(echo 'moto[s3,server]>=5.2') -o tests/serving/moto.lock
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  <(echo 'locust>=2.40') -o tests/serving/locust.lock
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  tests/registry/mlflow.in -o tests/registry/mlflow.lock

.PHONY: format
format: install  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lint
lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: install
	$(BIN)/mypy

.PHONY: layers
layers: install
	PYTHONPATH=serving-image $(BIN)/lint-imports

.PHONY: generate
generate: install  ## write crds/ and the chart's copy from the models
	$(BIN)/python -m modelrollout.api.crd

.PHONY: verify
verify: install  ## fail when a generated file differs from what `make generate` writes
	$(BIN)/python -m modelrollout.api.crd --check

.PHONY: models
models: $(MODELS)  ## train the example models

$(MODELS): $(INSTALLED) examples/models/train.py $(wildcard examples/models/cancer/*.py serving-image/modelserver/making/*.py)
	$(BIN)/python examples/models/train.py --out examples/models/out
	touch $@

.PHONY: fast
fast: install-tests-tools models  ## the tests that need no cluster
	$(BIN)/pytest -n 2 -m "not cluster and not long" tests

.PHONY: quick
quick: lint types layers verify  ## under two minutes, for while you work: the checks, and the tests of what decides
	$(BIN)/pytest -q -n 2 -m "not cluster and not long" tests/core tests/judge tests/kube tests/builders

.PHONY: faults
faults: install  ## the simulated faults at every point, not a sample of them
	$(BIN)/pytest -n 2 --thorough tests/faults

MINUTES ?= 120
SEED ?= 1
.PHONY: soak soak-simulated soak-cluster
soak: install models  ## random rollouts under random faults, simulated and on the cluster at once: MINUTES=120 SEED=1
	$(MAKE) --keep-going --jobs=2 soak-simulated soak-cluster

soak-simulated: install  ## its first half alone, which needs no cluster
	PYTHONPATH=operator:tests nice -n 19 $(BIN)/python -m faults.soak --minutes $(MINUTES) --seed $(SEED) | sed -u 's/^/simulated  /'

soak-cluster: install models  ## its other half alone; KEEP=1 keeps the cluster
	MINUTES=$(MINUTES) SEED=$(SEED) $(BIN)/python tests/suites.py soak | sed -u 's/^/cluster    /'

.PHONY: check
check: lint types layers verify fast  ## what every commit passes: lint, types, layers, generated files, fast tests

.PHONY: cluster-up
cluster-up:  ## a local Kubernetes: CLUSTER=current, else kind, else built here
	$(CLUSTER_TOOL) up

.PHONY: cluster-down
cluster-down:  ## take it away without a trace
	$(CLUSTER_TOOL) down

.PHONY: kubeconfig
kubeconfig:  ## path of the cluster's kubeconfig
	@$(CLUSTER_TOOL) kubeconfig

.PHONY: image
image: models  ## build the images and load them into the cluster
	$(CLUSTER_TOOL) image

.PHONY: image-size
image-size:  ## how large the built images are, unpacked and compressed
	$(CLUSTER_TOOL) size

.PHONY: demo
demo: install models  ## a rollout, a promotion and a rollback, live; KEEP=1 keeps the cluster
	$(BIN)/python tests/suites.py demo

.PHONY: test
test: install-tests-tools models  ## everything, as CI runs it; KEEP=1 keeps the cluster
	$(BIN)/python tests/suites.py test

.PHONY: test-long
test-long: install-tests-tools models  ## what does not fit into `make test`
	$(BIN)/python tests/suites.py long

.PHONY: bench
bench: install models  ## how long a fault lasts: the distribution over rounds
	$(BIN)/python tests/suites.py bench

.PHONY: bench-judge
bench-judge: install  ## the judge's error rates over simulated rollouts; writes the tables of docs/judge.md
	$(BIN)/python -m bench.judge --write

.PHONY: bench-serving
bench-serving: install  ## requests per second beside four other servers; needs wrk
	$(BIN)/python -m bench.serving --write

.PHONY: bench-start
bench-start: install  ## how long the serving image takes from its start until it is ready; needs root and `make image`
	$(BIN)/python -m bench.serving.starts --image --write

.PHONY: bench-profile
bench-profile: install  ## what the serving image's time per request is spent on; needs wrk
	$(BIN)/python -m bench.serving.profile --write
