# Heliograph: `make help` says what there is. Every target sets up .venv once, from constraints.txt.
SHELL := /bin/bash
PYTHON ?= python3.11
SPEC ?= configs/professional.yaml
DATA ?=
# One state folder holds one product.
STATE ?= $(if $(filter configs/professional.yaml,$(SPEC)),state,state/$(basename $(notdir $(SPEC))))
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.installed

# Nothing phones home.
export FEAST_USAGE := False
export FEAST_TELEMETRY := False
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.PHONY: help setup java redis load chromium demo compare test lint bench faults verify-real clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## create .venv and install the pinned set (done once)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check "pip>=24" "setuptools>=77" wheel
	@echo "Installing the pinned environment into $(VENV): some minutes the first time ..."
	$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation -c constraints.txt -e ".[dev]"
	@touch $@

java: ## what Spark runs on, from the distribution's packages where it is missing
	@command -v java >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends default-jre-headless; }

redis: ## the online store of a cluster, from the distribution's packages where it is missing
	@command -v redis-server >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server; }

load: ## what asks the endpoint under load (wrk, h2load), from the distribution's packages where it is missing
	@command -v wrk >/dev/null && command -v h2load >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk nghttp2-client; }

chromium: ## what the tests of the page at /ui drive, from the distribution's packages where it is missing
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

demo: $(READY) ## the whole road: SPEC=configs/... DATA=folder STATE=folder
	@$(PY) -m pipelines local --spec $(SPEC) $(if $(DATA),--data $(DATA)) --state $(STATE)

compare: $(READY) ## single-domain against cross-domain, with the difference's interval
	@$(PY) -m pipelines local --pipeline comparison --spec $(SPEC) $(if $(DATA),--data $(DATA)) --state $(STATE)

test: $(READY) java redis chromium ## the test suite
	@$(PY) -m pytest -m "not real_logs"

faults: $(READY) redis chromium ## every fault that was found in use, tried again from the outside: held or broken
	@$(PY) -m benchmarks.faults

verify-real: $(READY) ## the checks on the real logs: DATA=folder of KuaiRand-Pure
	@test -n "$(DATA)" || { echo "DATA: expected the KuaiRand-Pure folder, found nothing. Run: make verify-real DATA=../shared/data/kuairand_pure"; exit 2; }
	@HELIOGRAPH_KUAIRAND=$(abspath $(DATA)) $(PY) -m pytest -m real_logs

lint: $(READY) ## ruff and mypy
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

bench: $(READY) redis load ## every benchmark (each prints a table and a last line of JSON); retrieved_trees: DATA=folder
	@for name in $$(grep -l '__main__' benchmarks/*.py | xargs -n1 basename | sed 's/\.py$$//'); do \
		options=; if [ $$name = retrieved_trees ]; then [ -n "$(DATA)" ] || continue; options="--data $(DATA)"; fi; \
		echo "== $$name"; $(PY) -m benchmarks.$$name $$options || exit 1; done

clean: ## stop the endpoint, remove the environment and what runs made
	-@[ -x $(PY) ] && $(PY) -m serving down --state $(STATE) 2>/dev/null
	rm -rf $(VENV) $(STATE) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
