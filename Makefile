# Everything runs in .venv, which is made from uv.lock on first use and again when the lock changes.
# Needed beforehand: python3 (3.11 or later) and make.

BIN := .venv/bin
READY := .venv/.ready

# on: the build fails under 100% branch coverage of the pure rooms or 95% of everything.
GATE := on
PURE := router/hints.py,router/catalog.py,router/deployment.py,router/policy.py,router/terms.py,router/step/*,router/beliefs/*,router/plan/*
PURE_PERCENT := $(if $(filter on,$(GATE)),100,0)
PERCENT := $(if $(filter on,$(GATE)),95,0)

.PHONY: help demo live test clients check bench format sbom lock clean

help: ## Say what each target does.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## Route agent traffic between simulated models and compare; ARGS=--exit ends it.
	@$(BIN)/turnout demo $(ARGS)

live: $(READY) ## Keep agents at work on simulated models, watched by Prometheus if it is installed; Ctrl-C ends it.
	@$(BIN)/python -m scripts.live $(ARGS)

test: check ## Run the checks, then every test with coverage.
	@$(BIN)/pytest --cov --cov-report=term --cov-fail-under=$(PERCENT) $(ARGS)
	@$(BIN)/coverage report --include='$(PURE)' --fail-under=$(PURE_PERCENT) > .coverage-pure.txt || { cat .coverage-pure.txt; exit 1; }

clients: $(READY) ## Run every real client: agent frameworks and coding agents, those that `make test` leaves out too.
	@$(BIN)/pytest tests/clients -m '' $(ARGS)

check: $(READY) ## Lint and type-check.
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(READY) ## Measure throughput, added latency, streaming and memory.
	@$(BIN)/python benchmarks/run.py $(ARGS)

bench-learning: $(READY) ## Measure what is learned on public data: DATA=folder, or TURNOUT_BENCH_DATA.
	@$(BIN)/python -m benchmarks.learning $(if $(DATA),--data $(DATA)) $(ARGS)

format: $(READY) ## Format the code.
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

sbom: ## List all that is locked, with hashes, as CycloneDX JSON in dist/ (needs uv).
	@mkdir -p dist
	@uv export --frozen --no-dev --all-extras --no-header --quiet --preview-features sbom-export --format cyclonedx1.5 --output-file dist/turnout.cdx.json
	@echo dist/turnout.cdx.json

lock: ## Lock the newest versions that pyproject.toml allows (needs uv).
	uv lock --upgrade

clean: ## Remove the environment and everything made.
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build .coverage .coverage.* .coverage-pure.txt

$(READY): uv.lock pyproject.toml scripts/bootstrap.sh
	@sh scripts/bootstrap.sh
	@touch $@
