# Each target works on a fresh machine with Python 3.11 to 3.13 and make, and twice in a row.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check docs bench reproduce clean
.DELETE_ON_ERROR:

demo: $(VENV)/.core
	@rm -rf demo && $(BIN)/python examples/digits.py demo
	@echo; echo "== Trained until it knew its records by heart =="
	@$(BIN)/privacy-meter audit --model demo/long.pt2 --members demo/train.npz --non-members demo/test.npz --out demo/long --store demo/store
	@echo; echo "== Trained for a few epochs =="
	@$(BIN)/privacy-meter audit --model demo/short.pt2 --members demo/train.npz --non-members demo/test.npz --out demo/short --store demo/store

test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

check: $(VENV)/.check
	$(BIN)/ruff check src tests examples benchmarks docs/hooks.py
	$(BIN)/ruff format --check src tests examples benchmarks docs/hooks.py
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.test
	for file in $(filter-out $(addprefix benchmarks/,power.py whitebox.py defenses.py reconstruction.py recitation.py wikipedia.py),$(wildcard benchmarks/*.py)); do $(BIN)/python $$file || exit 1; done

reproduce: $(VENV)/.test
	$(BIN)/python examples/cifar10_resnet20.py reproduction
	for name in location tafeng diabetes; do $(BIN)/python examples/tables.py $$name reproduction || exit 1; done
	for name in location tafeng diabetes; do $(BIN)/python benchmarks/power.py $$name --store reproduction/store || exit 1; done
	for name in location tafeng cifar100; do $(BIN)/python benchmarks/whitebox.py $$name --store reproduction/store || exit 1; done
	for name in digits tafeng; do $(BIN)/python benchmarks/defenses.py $$name --store reproduction/store || exit 1; done
	$(BIN)/python benchmarks/reconstruction.py
	$(BIN)/python benchmarks/recitation.py --store reproduction/store
	$(BIN)/python -m pip download --quiet --no-deps --dest reproduction gensim
	$(BIN)/python benchmarks/wikipedia.py --wheel reproduction/gensim-*.whl
	$(BIN)/python examples/text_lora.py reproduction/shakespeare
	$(BIN)/python examples/cifar10_references.py reproduction

clean:
	rm -rf $(VENV) demo reproduction site dist build .pytest_cache .mypy_cache .ruff_cache .privacy-meter

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(BIN)/python pyproject.toml
	@echo "Installing (a few minutes the first time)"
	@$(PIP) "$(TORCH)" && $(PIP) --editable . && touch $@

$(VENV)/.test: $(VENV)/.core
	@$(PIP) --editable '.[test]' && touch $@

$(VENV)/.docs: $(VENV)/.core
	@$(PIP) --editable '.[docs]' && touch $@

$(VENV)/.check: $(VENV)/.test
	@$(PIP) --editable '.[check]' && touch $@
