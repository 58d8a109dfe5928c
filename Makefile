# Everything happens in .venv; nothing outside this folder is changed.
PYTHON ?= python3
BIN := .venv/bin
EXTENSION := python/quicgw_fast/_core.abi3.so
RUST := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name 'Cargo.toml')
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras
WORKERS ?= 4
GO_BIN := $(CURDIR)/.venv/go/bin
GO_OUT ?= examples/go-service/gatesvr
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test test-rust test-python test-matrix test-aioquic coverage lint lint-rust lint-python format wheel
.PHONY: bench bench-cluster bench-e2e bench-marks bench-check bench-metrics bench-overload bench-rust attacks fuzz reloads chaos restarts upgrades reference proto lock clean
.PHONY: docs stalled soak-idle soak-churn test-slim test-lowest test-page screenshots
.PHONY: model-cluster chaos-cluster
.PHONY: test-go test-typescript proto-go

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: $(EXTENSION) ## Make .venv and build the extension in release mode

# The stamp lies in .venv, so that a new .venv is filled again.
.venv/.requirements: requirements/dev.txt
	$(PYTHON) -c "import sys; sys.exit('python3 3.11 or newer is needed, this is ' + sys.version) if sys.version_info < (3, 11) else None"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

# The target is the extension itself: a .venv restored without it, or a cleaned tree, builds it again. One that was
# built for a single Python would be imported before this one, so all go first.
$(EXTENSION): .venv/.requirements pyproject.toml $(RUST)
	rm -f python/quicgw_fast/_core.*.so
	PIP_QUIET=1 $(BIN)/maturin develop --release --locked --quiet
	touch $@

demo: setup ## Start gateway and services, connect 20 clients, show and check what happens
	$(BIN)/quicgw demo

serve: setup ## Run gateway and embedded services until Ctrl-C
	$(BIN)/quicgw dev

test: test-rust test-python bench-check ## Run all tests

# loom explores how threads may interleave in the queue; it needs a build of its own.
test-rust: setup
	cargo test --quiet --locked --package quicgw-bench --package quicgw-core --package quicgw-transport \
		--package quicgw-upstream
	RUSTFLAGS="--cfg loom" cargo test --quiet --release --locked --package quicgw-core --test loom --target-dir target/loom

# More processes than cores: many tests wait for time-outs. One after the other: make test-python WORKERS=0
test-python: setup
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-matrix: setup ## Test what clients see on every combination of compiled and plain parts
	TEST_MATRIX=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal tests/wire tests/chaos tests/client

test-go: setup ## Build and test the service in Go, and the one of its page
	TEST_LANGUAGES=go $(BIN)/pytest -rs -k "go" tests/examples/test_other_languages.py tests/docs/test_walkthroughs.py

test-typescript: setup ## Build and test the service in TypeScript, and the one of its page
	TEST_LANGUAGES=typescript $(BIN)/pytest -rs -k "typescript or npm" tests/examples/test_other_languages.py \
		tests/docs/test_walkthroughs.py

test-aioquic: setup ## Run aioquic's own tests on our short path
	$(BIN)/python -m tests.aioquic_suite

test-page: setup ## Test the page at / of the admin port in a browser
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/browser.txt
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get install --yes --no-install-recommends chromium; \
	else echo "There is no chromium. On Debian and Ubuntu: sudo apt-get install chromium"; exit 1; fi
	$(BIN)/pytest tests/browser tests/control/test_web.py tests/cli/test_top.py

screenshots: setup ## Take the pictures in docs/images, of a gateway that works (5 minutes; make test-page comes first)
	$(BIN)/python -m tests.browser.pictures

test-slim: setup ## Install the wheel with the client's packages alone, and beside FastAPI, and call a gateway
	SLIM=1 $(BIN)/pytest -s tests/slim

# The oldest releases that pyproject.toml allows, with the tests of what touches them.
LOWEST := .venv/lowest/bin/python
TOUCHING := $(addprefix tests/, config control auth observe upstream/grpcio upstream/test_caller.py \
	cli/test_call.py cli/test_help.py cli/test_usage.py client/test_with_gateway.py)
test-lowest: setup ## Run the tests that touch a dependency with the lowest version of each
	$(PYTHON) -m venv --clear .venv/lowest
	$(LOWEST) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lowest.txt
	cp -r .venv/lib/python3*/site-packages/quicgw_fast-*.dist-info .venv/lowest/lib/python3*/site-packages/
	PYTHONPATH=python:. $(LOWEST) -m pytest -o filterwarnings=default $(TOUCHING)

coverage: setup ## Show how much of each module the tests of its own room cover; fails below 95 %
	$(BIN)/python -m tests.own_coverage $(ROOMS)

lint: lint-rust lint-python docs ## Check style, types, stubs, generated code, and links of the documentation

lint-rust: setup
	@if cargo fmt --version >/dev/null 2>&1; then cargo fmt --all --check; \
	else echo "NOT CHECKED: cargo fmt is not installed (rustup component add rustfmt)"; fi
	@if cargo clippy --version >/dev/null 2>&1; then cargo clippy --quiet --locked --workspace --all-targets -- -D warnings; \
	else echo "NOT CHECKED: cargo clippy is not installed (rustup component add clippy)"; fi

lint-python: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict examples/*.py
	$(BIN)/python -m mypy.stubtest quicgw_fast._core

.venv/.docs: requirements/docs.txt .venv/.requirements
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	touch $@

docs: .venv/.docs ## Build the documentation's site, in build/site; fails with any warning
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build >/dev/null

format: setup ## Format Python and Rust
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	cargo fmt --all

wheel: setup ## Build the wheel (one for every Python from 3.11 on) and the sdist, in dist/
	$(BIN)/maturin build --release --locked --sdist --out dist

bench: setup ## Measure the engine, the whole path and its ends, each maker for comparison
	$(BIN)/pytest benches/micro -p no:randomly --timeout 0
	$(BIN)/python -m benches.marks whole-50x2 whole-200x1 --rounds 1
	$(BIN)/python -m benches.transport
	$(BIN)/python -m benches.upstream

bench-e2e: setup ## Measure all marks over all combinations of parts, and write them into docs/performance.md
	$(BIN)/python -m benches.marks --write

bench-cluster: setup ## Measure what several gateways cost, and write the table into docs/clusters.md
	$(BIN)/python -m benches.marks cluster-push-plain cluster-push-fast cluster-move-plain cluster-move-fast \
		cluster-failover cluster-retain-plain-busy cluster-retain-plain-calm cluster-retain-fast-busy \
		cluster-retain-fast-calm cluster-workers cluster-directory --write

bench-marks: setup ## Measure some marks, each beside what it is compared to: ROWS="login echo-50"
	$(BIN)/python -m benches.marks $(ROWS)

bench-check: setup ## Fail where a request or a session makes more calls than benches/calls.json expects
	$(BIN)/python -m benches.check

bench-metrics: setup ## Measure what counting costs of a request, and write the table into docs/performance.md
	$(BIN)/python -m benches.metrics_cost --write

bench-overload: setup ## Measure goodput at 1 to 10 times the capacity, and write the table into docs/overload.md
	$(BIN)/python -m benches.overload --write

bench-rust: ## Measure the steps of the engine without Python
	cargo bench --locked --package quicgw-core

attacks: setup ## Attack gateway processes on both transports, and show what honest clients notice: ROWS="lone_pings"
	$(BIN)/python -m benches.attacks $(ROWS)

fuzz: setup ## Send random packets to both transports (SECONDS=60 of each kind), from another seed each time
	$(BIN)/pytest tests/transport/test_fuzz.py --timeout 0 --fuzz-seconds $(or $(SECONDS),60) --fuzz-seed $(or $(SEED),$(shell date +%s))

reloads: setup ## Reload a gateway twenty times under load, beside the same load without
	$(BIN)/python -m benches.reloads

stalled: setup ## Measure what others notice when one client in ten stalls, in each way
	$(BIN)/python -m benches.stalled

soak-idle: setup ## Keep 10 000 idle sessions for 10 minutes, over each transport: memory, processor, drops
	$(BIN)/python -m benches.soak idle

soak-churn: setup ## Have 50 000 clients come and go in all ways, over each transport: is everything as before?
	$(BIN)/python -m benches.soak churn

chaos: setup ## Long soak test over a lossy network (hours)
	$(BIN)/pytest tests/chaos --chaos-full --timeout 0

restarts: setup ## Restart a gateway twenty times under load, and count what was accepted and answered
	RESTARTS=20 $(BIN)/pytest -s tests/wire/test_restarts.py

chaos-cluster: setup ## Kill, pause, cut off and restart three nodes and their directory, by seeds (20 minutes): SEED=1 SEEDS=20 SECONDS=30
	CHAOS_SEED=$(or $(SEED),1) CHAOS_SEEDS=$(or $(SEEDS),20) CHAOS_SECONDS=$(or $(SECONDS),30) ROUNDS=10 \
		$(BIN)/pytest -s tests/chaos_cluster --timeout 0

upgrades: setup ## Upgrade a gateway twenty times under load, and look at every number of every session
	UPGRADES=20 $(BIN)/pytest -s tests/upgrading/test_under_load.py

model-cluster: setup ## Play 10 000 schedules of nodes, a directory and faults with a simulated clock (minutes): SEED=0 SCHEDULES=10000
	SCHEDULES=$(or $(SCHEDULES),10000) SEED=$(or $(SEED),0) $(BIN)/pytest tests/cluster/test_model.py -k schedules_of --timeout 0

reference: setup ## Make the pages of docs/ that come from the code
	$(BIN)/python -m tests.reference

proto: .venv/.requirements ## Generate the Python modules of proto/, and the Go ones of examples/go-service
	$(BIN)/python proto/generate.py
	@if command -v go >/dev/null; then $(MAKE) --no-print-directory proto-go; \
	else echo "NOT GENERATED: examples/go-service/gatesvr, as go is not installed"; fi

proto-go: .venv/.requirements
	GOBIN=$(GO_BIN) go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11
	GOBIN=$(GO_BIN) go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
	PATH="$(GO_BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto --go_out=$(GO_OUT) --go_opt=paths=source_relative \
		--go-grpc_out=$(GO_OUT) --go-grpc_opt=paths=source_relative service.proto

lock: .venv/.requirements ## Compile requirements/*.txt and Cargo.lock from the ranges
	$(BIN)/pip install --quiet pip-tools
	$(COMPILE) --extra server --extra service --extra top --extra tracing --extra cluster --extra dev -o requirements/dev.txt pyproject.toml
	$(COMPILE) --extra server --extra service --extra top --extra tracing --extra cluster -o requirements/runtime.txt -c requirements/dev.txt pyproject.toml
	$(COMPILE) -o requirements/client.txt -c requirements/dev.txt pyproject.toml
	$(COMPILE) -o requirements/lowest.txt requirements/lowest.in
	$(COMPILE) -o requirements/lowest-client.txt requirements/lowest-client.in
	$(COMPILE) -o requirements/docs.txt requirements/docs.in
	$(COMPILE) -o requirements/browser.txt requirements/browser.in
	cargo update

clean: ## Remove what was built, and .venv
	rm -rf .venv target build dist benches/out .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find python -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
