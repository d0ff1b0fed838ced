# Levada: `make help` says what there is. Everything lands in this folder: .venv and build.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# The Go that this release is written for. An older one fetches it; where switching is
# off (GOTOOLCHAIN=local), set GOTOOLCHAIN in the environment and it stays as it is.
export GOTOOLCHAIN ?= go1.27.3

PY := .venv/bin/python
LEVADA := build/levada
# Without this an extension would be built for every Python that is tried.
PIP := $(PY) -m pip --disable-pip-version-check
EXAMPLE_STEPS := examples/earthquakes/quake_steps examples/metrics/steps
EXAMPLE_STAMPS := $(EXAMPLE_STEPS:%=build/stamps/%)
GO_SOURCES := go.mod go.sum $(shell find . -name '*.go' -not -name '*_test.go' -not -path './.venv/*' -not -path './build/*' -not -path '*/testdata/*') \
	$(shell find internal/bridge abi \( -name '*.c' -o -name '*.h' \) 2>/dev/null)
# Packages that need neither what `make setup` installs nor a broker of their own.
GO_PACKAGES = $(shell go list ./... | grep -v -e /bench)
# The modules of the examples: they are tested like a user's.
GO_MODULES := $(dir $(wildcard examples/*/*/go.mod examples/*/go.mod))

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- what there is to build

.PHONY: setup
setup: $(LEVADA) build/stamps/python $(EXAMPLE_STAMPS) ## Build everything: the command, .venv, the extension, the example wheels

build/stamps/venv: python/requirements-dev.txt
	@python=$$(tools/find-python)
	[ -x $(PY) ] || "$$python" -m venv .venv
	$(PIP) install -q -r python/requirements-dev.txt
	mkdir -p $(@D) && touch $@

$(LEVADA): $(GO_SOURCES)
	@tools/need-go
	go build -o $@ ./cmd/levada

# The Python package is installed editable: its .py files count as they are, and the
# extension is built anew when Go or C changed.
build/stamps/python: build/stamps/venv $(GO_SOURCES) python/pyproject.toml python/src/levada/build.py
	@tools/need-go
	$(PIP) install -q --no-build-isolation --no-deps -e python
	touch $@

$(EXAMPLE_STAMPS): build/stamps/%: build/stamps/python $(GO_SOURCES)
	@$(PIP) install -q --no-build-isolation --no-deps --force-reinstall ./$*
	mkdir -p $(@D) && touch $@

# ---- what people run

.PHONY: demo
demo: setup ## Run the earthquakes in Python and with one step in Go, and compare
	@go run ./examples/demo -python $(PY) -levada $(LEVADA) $(DEMOFLAGS)

.PHONY: test
test: setup check test-go test-python e2e ## Run every test that needs no real Kafka

.PHONY: test-go
test-go: ## Run the Go tests
	@tools/need-go
	go test $(GO_PACKAGES)
	for m in $(GO_MODULES); do (cd $$m && go test ./...); done

.PHONY: test-python
test-python: setup ## Run the Python tests
	@cd python && ../$(PY) -m pytest -q

.PHONY: test-race
test-race: ## Run the Go tests with the race detector
	@go test -race $(GO_PACKAGES)

.PHONY: test-nocgo
test-nocgo: ## Build and test with no C compiler
	@CGO_ENABLED=0 go build ./...
	CGO_ENABLED=0 go test $(GO_PACKAGES)

.PHONY: e2e
e2e: setup ## Run real processes against the embedded Kafka
	@go test -tags e2e -count=1 -timeout 20m ./test/e2e

.PHONY: test-kafka
test-kafka: setup ## Run the same, and the connector's suite, against a real Kafka (Java 17, Maven)
	@if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then
		echo "test-kafka: NOT RUN: it needs java (17 or newer) and mvn on PATH"
		exit 0
	fi
	LEVADA_REAL_KAFKA=1 go test -count=1 -timeout 15m ./connector/kafka
	LEVADA_REAL_KAFKA=1 go test -tags e2e -count=1 -timeout 25m ./test/e2e

# ---- what keeps the house in order

.PHONY: check
check: fmt-check lint verify types ## Format, vet, lint, generated files, types

.PHONY: fmt-check
fmt-check:
	@bad=$$("$$(go env GOROOT)/bin/gofmt" -l $$(git ls-files '*.go' | grep -v /testdata/))
	if [ -n "$$bad" ]; then echo "not formatted:"; echo "$$bad"; echo "hint: gofmt -w, of Go 1.27"; exit 1; fi

build/staticcheck: tools/go.mod tools/go.sum
	@cd tools && go build -o ../$@ honnef.co/go/tools/cmd/staticcheck

.PHONY: lint
lint: build/staticcheck ## go vet and staticcheck
	@go vet ./...
	go vet -tags e2e ./test/...
	build/staticcheck ./...

.PHONY: verify
verify: setup ## Check that what is generated is current
	@go test -run 'Reference|Schema|Golden' ./cmd/levada ./plan ./internal/gen >/dev/null
	for s in $(EXAMPLE_STEPS); do $(LEVADA) gen --check $$s; done

.PHONY: gen
gen: setup ## Write again what is generated
	@go test ./cmd/levada ./plan ./internal/gen -update >/dev/null
	for s in $(EXAMPLE_STEPS); do $(LEVADA) gen $$s; done

.PHONY: types
types: setup ## mypy and pyright over the Python package and the examples
	@(cd python && ../$(PY) -m mypy && ../$(PY) -m pyright --warnings && ../$(PY) -m ruff check . && ../$(PY) -m ruff format --check .)
	for d in examples/earthquakes examples/metrics; do (cd $$d && ../../$(PY) -m mypy --strict *.py); done

.PHONY: fuzz
fuzz: ## Fuzz everything that reads foreign bytes (FUZZTIME=30s each)
	@for pkg in $$(grep -rl '^func Fuzz' --include='*_test.go' . | grep -v -e .venv -e '^./build' | xargs -n1 dirname | sort -u); do
		for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -d' ' -f2); do
			echo "== $$pkg $$f"
			go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $${FUZZTIME:-30s} $$pkg
		done
	done

.PHONY: bench
bench: setup ## Measure, interleaved with peers (NAME=crossing or NAME=kafka for one)
	@bench/run $(NAME)

.PHONY: docs
docs: setup ## Write the reference and run every block of the tutorial
	@$(LEVADA) reference > docs/reference/cli.md
	go test -tags e2e -count=1 -run Tutorial ./test/e2e

.PHONY: clean
clean: ## Remove what was built
	@rm -rf build .venv
