# Every target works on a bare machine: what it needs is set up first, in .venv, and kept.

.DEFAULT_GOAL := help
.PHONY: serve help setup demo test test-slow test-faults check format lock clean

# The newest Python is not the best one here: the lock was made on 3.11.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$name && break; done)
VENV := .venv/bin
READY := .venv/ready$(if $(TORCH_BACKEND),-$(TORCH_BACKEND))
TESTS ?=

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): requirements/lock-py311.txt requirements/environment.py
	@test -n "$(PYTHON)" || { echo "Python: none of 3.11, 3.12, 3.13 with venv is on the PATH. Install one (Debian," \
		"Ubuntu: apt install python3 python3-venv) or name it: make setup PYTHON=/path/to/python3.11." >&2; exit 1; }
	@rm -f .venv/ready*
	@TORCH_BACKEND=$(TORCH_BACKEND) $(PYTHON) requirements/environment.py
	@touch $@

setup: $(READY) ## the environment in .venv (TORCH_BACKEND=cpu|cuda|pip to choose PyTorch's build)
	@echo "The environment in .venv is ready."

demo: $(READY) ## teach the embedded Whisper a shop's vocabulary, then print base vs adapted
	@$(VENV)/python -m jobs.pipeline --config configs/demo.yaml

serve: $(READY) ## the service on http://127.0.0.1:8000, with the example's glossary
	@$(VENV)/python -m serve --config configs/serve.yaml --terms examples/luxury/keywords.csv

test: $(READY) ## the tests, with the short forms of the slow ones and of the ones that kill things (TESTS=path)
	@$(VENV)/python -m pytest -m "smoke or not (slow or faults)" $(TESTS)

test-slow: $(READY) ## only the slow tests
	@$(VENV)/python -m pytest -m "slow and not faults" $(TESTS)

test-faults: $(READY) ## only the tests that kill processes and fill disks
	@$(VENV)/python -m pytest -m faults $(TESTS)

check: $(READY) ## lint, format, types, and the import rule between the rooms
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports --no-logo

format: $(READY) ## rewrite the sources the way `make check` wants them
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .

lock: ## pin what is installed in .venv now, after changing a dependency
	@$(VENV)/python requirements/lock.py
	@touch $(READY)

clean: ## remove caches; outputs and the environment stay
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
