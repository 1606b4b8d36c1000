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
PYTEST := $(PY) -m pytest --durations=40
WORKERS ?= 2
SERIAL = $(shell grep -rl --include='test_*.py' 'mark.serial' tests)
# Java's second compiler pays off after minutes only; Spark and TorchServe run for seconds in a test. Without it the code cache
# would be too small for the plans of all tests.
TESTED := JAVA_TOOL_OPTIONS="-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
# What a test writes is gone with it: in memory, where there is room for it, nothing waits for a disk. The tests that
# measure time keep the disk.
MEMORY = $(if $(TMPDIR),,$(shell findmnt -no OPTIONS /dev/shm 2>/dev/null | grep -qvw noexec && \
	[ "$$(df -k --output=avail /dev/shm | tail -n 1)" -gt 4000000 ] && echo /dev/shm/t.XXXXXX))
PACKAGES := models feature_repo serving monitoring components pipelines
# Left out of the API reference: they need Triton, and a state folder that was applied.
UNIMPORTABLE := '!models.nn.gather_kernel' '!feature_repo.features'

# Nothing phones home.
export FEAST_USAGE := False
export FEAST_TELEMETRY := False
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
# A run, like the tests, starts many processes: each would compile our modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup java redis load chromium containers postgres promtool demo compare test fuzz mutants house docs lint bench faults verify-real days newcomer loop images locks audit manifests-check rehearsal clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: $(READY) ## create .venv and install the pinned set (done once)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt pip setuptools wheel
	@echo "Installing the pinned environment into $(VENV): some minutes the first time ..."
	$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation -c constraints.txt -e ".[dev]"
	@touch $@

java: ## system package: Java, for Spark and TorchServe
redis: ## system package: Redis, the online store of a cluster
load: ## system packages: wrk and h2load, which load the endpoint in the benchmarks
chromium: ## system package: Chromium, which the tests of the page at /ui drive
containers: ## system packages: buildah and podman, which build images and run them
postgres: ## system package: PostgreSQL, which answers queries in tests and keeps Feast's registry in the rehearsal
promtool: ## system package: promtool of Prometheus, which checks the alerts
java redis load chromium containers postgres promtool:
	@.ci/packages $@

demo: $(READY) ## the whole pipeline: SPEC=configs/... DATA=folder STATE=folder
	@$(PY) -m pipelines local --spec $(SPEC) $(if $(DATA),--data $(DATA)) --state $(STATE)

compare: $(READY) ## single-domain against cross-domain, with the difference's interval
	@$(PY) -m pipelines local --pipeline comparison --spec $(SPEC) $(if $(DATA),--data $(DATA)) --state $(STATE)

test: $(READY) ## the test suite: two workers, then the tests that are sensitive to load; JUnit files in build/tests
	@.ci/packages java redis chromium promtool postgres
	@status=0; memory=$(if $(MEMORY),$$(mktemp -d $(MEMORY))); [ -z "$$memory" ] || trap 'rm -rf "$$memory"' EXIT; \
	env $${memory:+TMPDIR=$$memory} $(TESTED) OMP_NUM_THREADS=1 $(PYTEST) -m "not real_logs and not serial" -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		--junitxml=build/tests/parallel.xml || status=$$?; \
	$(TESTED) $(PYTEST) -m "serial and not real_logs" $(SERIAL) --junitxml=build/tests/serial.xml || status=$$?; \
	exit $$status

fuzz: $(READY) ## property tests and fuzzers with fresh examples, ten times as many; the seed is printed, SEED=N repeats it
	@HYPOTHESIS_PROFILE=nightly $(if $(SEED),FUZZ_SEED=$(SEED)) $(PYTEST) -m "fuzz and not real_logs" 

mutants: $(READY) ## mutation tests of the core modules: SAMPLE=N a module, SEED=N, ONLY=name (tests/mutants.toml)
	@$(PY) -m tests.mutants $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

house: $(READY) ## the limits on files, functions and imports: every breach, one per line
	@$(PY) -m tests.house

docs: $(READY) ## the API reference, from the docstrings, into build/docs; fails where a module cannot be imported
	@rm -rf build/docs && mkdir -p build
	@$(PY) -m pdoc --no-show-source --output-directory build/docs $(PACKAGES) $(UNIMPORTABLE) 2>build/docs.log || \
		{ cat build/docs.log; exit 1; }
	@echo "build/docs/index.html"

faults: $(READY) ## every fault that was found in use, tried again from the outside: held or broken
	@.ci/packages redis chromium
	@$(PY) -m benchmarks.faults

verify-real: $(READY) ## the checks on the real logs: DATA=folder of KuaiRand-Pure
	@test -n "$(DATA)" || { echo "DATA: expected the KuaiRand-Pure folder, found nothing. Run: make verify-real DATA=../shared/data/kuairand_pure"; exit 2; }
	@HELIOGRAPH_KUAIRAND=$(abspath $(DATA)) $(PY) -m pytest -m real_logs

days: $(READY) ## ten simulated days, one run a day on logs that grow, some runs killed: ten minutes
	@$(PY) -m benchmarks.ten_days

newcomer: $(READY) ## five small data sets of a stranger, from files to an answering endpoint by YAML alone: ten minutes
	@$(PY) -m benchmarks.newcomer

loop: $(READY) ## thirty simulated days of a network whose members answer: drift, a fault a week, a canary; page in build/loop
	@$(PY) -m benchmarks.loop

images: $(READY) ## container images, checked: TARGETS="serve pipeline spark train" BASE_IMAGE=name BUILD_FLAGS="options of buildah"
	@.ci/packages containers
	@$(PY) -m deploy.images $(TARGETS) --base "$(BASE_IMAGE)" --flags '$(BUILD_FLAGS)'

manifests-check: $(READY) ## the manifests in deploy/kustomize: built, and every field checked; KServe's kinds where HELIOGRAPH_CRDS has them
	@$(PY) -m deploy.manifests

locks: $(READY) ## the images' packages with the sha256 of every file, from the constraints: deploy/images/locks, LOCK_FLAGS="options of uv"
	@$(PY) -m deploy.images.lock --flags '$(LOCK_FLAGS)'

audit: $(READY) ## bill of materials (build/audit/sbom.cdx.json), licenses, known vulnerabilities where the service can be reached
	@$(PY) -m deploy.audit

rehearsal: images ## the compiled pipelines in real containers of these images, over real services: a table, JSON as the last line
	@.ci/packages redis postgres
	@$(PY) -m tests.rehearsal --built

lint: $(READY) ## ruff and mypy
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

bench: $(READY) ## every benchmark (each prints a table and a last line of JSON; fails where a bar does not hold); retrieved_trees: DATA=folder
	@.ci/packages redis load
	@status=0; for name in $$(grep -l '__main__' benchmarks/*.py | xargs -n1 basename | sed 's/\.py$$//'); do \
		options=; if [ $$name = retrieved_trees ]; then [ -n "$(DATA)" ] || continue; options="--data $(DATA)"; fi; \
		echo "== $$name"; $(PY) -m benchmarks.$$name $$options || status=1; done; exit $$status

clean: ## stop the endpoint, remove the environment and what runs made
	-@[ -x $(PY) ] && $(PY) -m serving down --state $(STATE) 2>/dev/null
	rm -rf $(VENV) $(STATE) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
