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
PIP := $(PY) -m pip --disable-pip-version-check
EXAMPLE_STEPS := examples/earthquakes/quake_steps examples/metrics/steps
EXAMPLE_STAMPS := $(EXAMPLE_STEPS:%=build/stamps/%)
GO_SOURCES := go.mod go.sum $(shell find . -name '*.go' -not -name '*_test.go' -not -path './.venv/*' -not -path './build/*' -not -path '*/testdata/*') \
	$(shell find internal/bridge abi \( -name '*.c' -o -name '*.h' \) 2>/dev/null)
# Packages that need neither what `make setup` installs nor a broker of their own.
GO_PACKAGES = $(shell go list ./... | grep -v -e /bench)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- what there is to build

.PHONY: setup
setup: $(LEVADA) build/stamps/python $(EXAMPLE_STAMPS) ## Build everything: the command, .venv, the extension, the example wheels

$(LEVADA): $(GO_SOURCES)
	@tools/need-go
	go build -o $@ ./cmd/levada

build/stamps/venv: python/requirements-dev.txt
	@python=$$(tools/find-python)
	[ -x $(PY) ] || "$$python" -m venv .venv
	$(PIP) install -q -r python/requirements-dev.txt
	mkdir -p $(@D) && touch $@

# The Python package is installed editable: its .py files count as they are, and the
# extension is built anew when Go or C changed.
build/stamps/python: build/stamps/venv $(GO_SOURCES) python/pyproject.toml python/src/levada/build.py
	@tools/need-go
	$(PIP) install -q --no-build-isolation --no-deps -e python
	mkdir -p $(@D) && touch $@

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
test-go: setup ## Run the Go tests
	@go test $(GO_PACKAGES)
	for m in $(EXAMPLE_STEPS); do (cd $$m && go vet ./... && go test ./...); done

.PHONY: test-python
test-python: setup ## Run the Python tests
	@cd python && ../$(PY) -m pytest -q
	cd ../examples/metrics/steps && ../../../$(PY) -m pytest -q

.PHONY: test-race
test-race: setup ## Run the Go tests with the race detector
	@go test -race $(GO_PACKAGES)

.PHONY: test-nocgo
test-nocgo: ## Build and test with no C compiler
	@CGO_ENABLED=0 go build ./...
	CGO_ENABLED=0 go test $$(CGO_ENABLED=0 go list ./... | grep -v -e /bench)

.PHONY: e2e
e2e: setup ## Run real processes against the embedded Kafka
	@go test -tags e2e -count=1 -timeout 15m ./test/...

.PHONY: test-kafka
test-kafka: setup ## Run the same, and the connector's suite, against a real Kafka (Java 17, Maven)
	@if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then
		echo "test-kafka: NOT RUN: it needs java (17 or newer) and mvn on PATH"
		exit 0
	fi
	LEVADA_REAL_KAFKA=1 go test -count=1 -timeout 15m ./connector/kafka
	LEVADA_REAL_KAFKA=1 go test -tags e2e -count=1 -timeout 15m ./test/e2e

.PHONY: sim
sim: ## Simulate bad days on a clock that is not real (SEEDS=20), each of 60 kills
	@go test -tags synctests -count=1 -timeout 30m ./test/sim -seeds $${SEEDS:-20}

PLANTED := commit_before_ack drop_on_retryable overwrite_carried_over

.PHONY: sim-planted
sim-planted: ## Plant bugs, one at a time, and see the simulation catch them
	@for bug in $(PLANTED); do
		go test -tags synctests,planted_$$bug -count=1 -timeout 10m ./test/sim -run TestPlanted -v | grep -e '^caught' -e '^ok' -e '^FAIL' -e 'planted_test.go' || exit 1
	done

# ---- what keeps the house in order

.PHONY: check
check: fmt-check lint types ## Format, vet, lint, types

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
	go vet -tags synctests ./test/sim
	build/staticcheck -tests=false ./...

.PHONY: types
types: setup ## mypy, pyright and ruff over the Python package and the examples
	@cd python
	../$(PY) -m mypy
	../$(PY) -m pyright --warnings
	../$(PY) -m ruff check .
	../$(PY) -m ruff format --check .
	for d in earthquakes metrics; do (cd ../examples/$$d && ../../$(PY) -m mypy --strict *.py); done
	# What the package and generated ones offer is typed through and through. Here pyright
	# knows no other Python than that on PATH.
	for p in levada metric_steps quake_steps; do
		PATH=$(CURDIR)/.venv/bin:$$PATH pyright --ignoreexternal --verifytypes $$p | grep -E 'error|^Type completeness'
	done

.PHONY: gen
gen: ## Write again what is generated
	@go test . ./plan ./internal/gen ./internal/schema ./internal/supply ./cmd/levada ./test/docs -update

.PHONY: kill
kill: setup ## Take real members and their network away, account for every record (KILLS=12 RECORDS=300000 SEED=)
	@mkdir -p build/test
	go build -o build/test/kill ./test/kill
	build/test/kill -kills $${KILLS:-12} -records $${RECORDS:-300000} $${SEED:+-seed $$SEED} $(KILLFLAGS)

.PHONY: kill-planted
kill-planted: ## Plant a bug in the members, one at a time: each must be caught
	@mkdir -p build/test
	go build -o build/test/kill ./test/kill
	pids=()
	# They mostly wait for a narrow network, so all at the same time.
	for bug in $(PLANTED); do
		build/test/kill -python '' -kills 2 -records 9000 -planted planted_$$bug >build/test/$$bug.log 2>&1 &
		pids+=($$!)
	done
	failed=0
	for pid in "$${pids[@]}"; do wait $$pid || failed=1; done
	for bug in $(PLANTED); do
		grep -e '^planted=' build/test/$$bug.log || { cat build/test/$$bug.log; failed=1; }
		[ $$failed = 0 ] || cat build/test/$$bug.log
	done
	exit $$failed

.PHONY: bench
bench: setup ## Measure beside peers, in interleaved rounds (NAME=crossing or NAME=kafka for one)
	@bench/run $(NAME)

TIME ?= 30s
.PHONY: fuzz
fuzz: build/stamps/venv ## Fuzz everything that reads foreign bytes, in Go and in C (TIME=30s each)
	@for pkg in $$(grep -rl '^func Fuzz' --include='*_test.go' . | grep -v -e .venv -e '^./build' | xargs -n1 dirname | sort -u); do
		for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -d' ' -f2); do
			echo "== $$pkg $$f"
			go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(TIME) $$pkg
		done
	done
	echo "== the frame reader in C"
	$(PY) python/tests/native/codec/fuzz.py --time $(TIME)

.PHONY: clean
clean: ## Remove what was built
	@rm -rf build .venv python/src/levada/_native.abi3.so
