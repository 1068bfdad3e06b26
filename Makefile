# make demo: word count on the embedded log.  make test: every test.  make bench: the figures of docs/benchmarks.md.  Both install what is missing first.
.PHONY: bench demo test setup build lint guests
TARGET ?= $(HOME)/.cache/millstream/target
GUESTS ?= $(HOME)/.cache/millstream/guests
MILLSTREAM = $(TARGET)/debug/millstream
export CARGO_TARGET_DIR = $(TARGET)

setup:
	@scripts/setup

build: setup
	cargo build --locked -p millstream

demo: build
	@scripts/demo "$(MILLSTREAM)" "$(GUESTS)"

lint:
	@scripts/setup lint
	cargo fmt --check
	cd examples && cargo fmt --check
	cd tests/guests && cargo fmt --check
	cd fuzz && cargo fmt --check
	cd guest-sdk && cargo fmt --check && CARGO_TARGET_DIR="$(GUESTS)" cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps -p millstream
	"$(HOME)/.cache/millstream/tools/bin/cargo-deny" --locked check --hide-inclusion-graph licenses bans sources

guests: setup
	cd tests/guests && CARGO_TARGET_DIR="$(GUESTS)" cargo build --locked --release --target wasm32-unknown-unknown
	cd examples && CARGO_TARGET_DIR="$(GUESTS)" cargo build --locked --release --target wasm32-unknown-unknown
	cd tests/guests && CARGO_TARGET_DIR="$(GUESTS)" cargo build --locked --release --target wasm32-wasip2 -p clocks -p printing -p sockets

test: build guests
	@scripts/setup test
	MILLSTREAM_GUESTS="$(GUESTS)" cargo test --locked -p millstream -- --skip agrees_with_kafka_streams
	MILLSTREAM_GUESTS="$(GUESTS)" cargo test --locked -p millstream --test conformance -- --nocapture
	MILLSTREAM_GUESTS="$(GUESTS)" cargo test --locked -p millstream --test kafka agrees_with_kafka_streams -- --nocapture
	cd guest-sdk && CARGO_TARGET_DIR="$(GUESTS)" cargo test --locked
	cd examples && CARGO_TARGET_DIR="$(GUESTS)" cargo test --locked
	cd xtask && CARGO_TARGET_DIR="$(TARGET)/xtask" cargo run --locked -q -- bindings --check
	scripts/test-demo "$(MILLSTREAM)" "$(GUESTS)"
	cd tests/verifier && python3 -B -m unittest -q
	cargo test --locked -p millstream --features kill-points,faults --test changelog --test reset killed
	MILLSTREAM_GUESTS="$(GUESTS)" cargo test --locked -p millstream --features kill-points,faults --test crash -- --nocapture --test-threads 1
	MILLSTREAM_GUESTS="$(GUESTS)" cargo test --locked -p millstream --features kill-points,faults --test kafka -- crash:: reset:: local_state:: --nocapture --test-threads 2
	MILLSTREAM_GUESTS="$(GUESTS)" cargo test --locked -p millstream --features kill-points,faults --test properties mistakes -- --nocapture

bench:
	@scripts/setup bench
	MILLSTREAM_GUESTS="$(GUESTS)" bench/run
	MILLSTREAM_GUESTS="$(GUESTS)" bench/run kafka --json bench/samples-kafka.json --document docs/benchmarks.md
