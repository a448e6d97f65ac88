# Everything a person does with this checkout. `make help` lists it; nothing needs sudo.
#
#   PYTHON=...           which Python (3.11 or newer); found by itself otherwise
#   MOORAGE_TOOLS=...    a folder with the upstream binaries; downloaded or built otherwise
#   TESTS=...            what `make test` runs: TESTS="tests/unit -k quota"
#   WORKERS=...          how many tests run at once, 2 where there is room; 0: in one process, for a debugger

VENV := .venv
DOCS_VENV := .cache/docs-venv
BIN := $(VENV)/bin
COMPILE = uv=$$(scripts/venv --uv) && "$$uv" pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
# Modules that write committed files; each knows --check.
GENERATORS := moorage.api.generate moorage.cli.reference moorage.policies.pages
# One command gives one verdict. tests/conftest.py says in which order: what is quick to fail comes first. Most tests
# wait for servers most of their time: two at once take little more than half as long, on two cores, too.
# (`python -m pytest`, so that processes which a test spawns can import its module.)
TESTS ?= $(wildcard tests/unit tests/integration tests/e2e)
# Not where a user may have too few inotify instances for the platforms of both (`moorage doctor` says how to mend it).
INOTIFY := $(shell cat /proc/sys/fs/inotify/max_user_instances 2>/dev/null || echo 256)
WORKERS ?= $(shell test $(INOTIFY) -ge 256 && echo 2 || echo 1)
PYTEST = $(BIN)/python -m pytest --numprocesses=$(WORKERS)

export PYTHON

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: help
help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- setting up ------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(VENV)/.made ## the virtual environment, from the locked packages

$(VENV)/.made: requirements/dev.txt requirements/uv.txt pyproject.toml scripts/venv
	@scripts/venv $(VENV) requirements/dev.txt .
	@touch $@

$(DOCS_VENV)/.made: requirements/docs.txt requirements/uv.txt scripts/venv
	@scripts/venv $(DOCS_VENV) requirements/docs.txt
	@touch $@

.PHONY: tools
tools: $(VENV)/.made ## the upstream binaries: etcd, kube-apiserver, Cluster API, ...
	@echo "==> tools" && $(BIN)/moorage tools install

# ---- using it --------------------------------------------------------------------------------------------

.PHONY: demo
demo: tools ## a management cluster and a user cluster on this machine, from nothing
	@$(BIN)/moorage demo

# ---- testing ---------------------------------------------------------------------------------------------

.PHONY: test
test: tools ## every test: unit, integration, end to end
	$(PYTEST) $(TESTS)

.PHONY: test-unit
test-unit: $(VENV)/.made ## the tests that need no binaries
	$(PYTEST) tests/unit

.PHONY: test-integration
test-integration: tools ## the tests against real API servers
	$(PYTEST) tests/integration

.PHONY: test-e2e
test-e2e: tools ## the tests through the command line
	$(PYTEST) tests/e2e

# ---- checking --------------------------------------------------------------------------------------------

.PHONY: lint
lint: lint-style lint-types lint-layers lint-locks lint-tree lint-generated ## every check that runs no test (make -k: do not stop at the first)

.PHONY: lint-style lint-types lint-layers lint-locks lint-tree lint-generated
lint-style: $(VENV)/.made
	@echo "==> style" && $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check --diff .

lint-types: $(VENV)/.made
	@echo "==> types" && $(BIN)/mypy --no-error-summary

lint-layers: $(VENV)/.made
	@echo "==> layers" && { out=$$($(BIN)/lint-imports --no-logo 2>&1) || { printf '%s\n' "$$out"; exit 1; }; }

lint-locks: $(VENV)/.made
	@echo "==> locks" && $(BIN)/python scripts/check_locks.py

lint-tree: $(VENV)/.made
	@echo "==> tree" && $(BIN)/python scripts/check_tree.py

lint-generated: $(VENV)/.made
	@echo "==> generated files" && for module in $(GENERATORS); do $(BIN)/python -m $$module --check || exit 1; done

.PHONY: fmt
fmt: $(VENV)/.made ## format the code, mend what can be mended
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

# ---- measuring -------------------------------------------------------------------------------------------

.PHONY: bench
bench: tools ## measure, and write docs/reference/benchmarks.md (BENCH="pool up": only these)
	$(BIN)/python bench/report.py $(BENCH)

# ---- writing what is committed but not written by hand ---------------------------------------------------

.PHONY: generate
generate: $(VENV)/.made ## CRDs and reference pages, from the models and the command line
	@for module in $(GENERATORS); do $(BIN)/python -m $$module || exit 1; done

.PHONY: lock
lock: ## lock the Python packages by hash (UPGRADE=1: to the newest there are)
	@$(COMPILE) requirements/uv.in --output-file requirements/uv.txt
	@$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	@$(COMPILE) pyproject.toml --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	@$(COMPILE) --group docs --output-file requirements/docs.txt

.PHONY: docs
docs: $(DOCS_VENV)/.made ## the documentation site, in site/
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet --strict
	@echo "site/index.html"

.PHONY: docs-serve
docs-serve: $(DOCS_VENV)/.made ## the documentation site, live while it is written
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs serve

# ---- cleaning --------------------------------------------------------------------------------------------

.PHONY: clean
clean: ## remove what make made (not the platform: that is `moorage down --delete`)
	@rm -rf $(VENV) .cache site dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
