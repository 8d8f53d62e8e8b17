# The two commands a newcomer needs are `make demo` and `make test`; `make help` lists the others.
PREFIX ?= /usr/local
DESTDIR ?=
# Jobs: every core, but 2 GiB of memory for each, which a file that includes LibTorch can take.
JOBS ?= $(shell awk -v cores=$$(nproc) '/^MemAvailable/ {n = int($$2 / 2097152); \
          print n < 1 ? 1 : n < cores ? n : cores}' /proc/meminfo)
SOURCES = git ls-files '*.h' '*.cpp'

.PHONY: help demo serve test build install format format-check lint sanitize tsan fuzz bench \
        bench-http clean
.DEFAULT_GOAL := help

help:  ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo:  ## Set up, build, index Tux Paint's stamps, ask them, write demo/index.html.
	scripts/setup --demo
	@$(MAKE) --no-print-directory program
	scripts/demo

# LISTEN=127.0.0.1:8080 listens elsewhere; DATA=DIR serves another data folder.
LISTEN ?= 127.0.0.1:6333
DATA ?= demo/data

serve:  ## Build, serve what `make demo` indexed: the page is at http://127.0.0.1:6333.
	@$(MAKE) --no-print-directory build
	@mkdir -p '$(DATA)'
	@echo 'The page: http://$(LISTEN)   (Ctrl-C ends it)'
	build/release/sightline serve --data '$(DATA)' --listen '$(LISTEN)'

test:  ## Set up, build the optimised program with assertions on, run all tests.
	scripts/setup --tests
	cmake --preset test
	cmake --build --preset test --parallel $(JOBS)
	scripts/run-tests test $(JOBS)

build:  ## Set up and build the program: build/release/sightline.
	scripts/setup
	@$(MAKE) --no-print-directory program

.PHONY: program
program:
	cmake --preset release
	cmake --build --preset release --parallel $(JOBS)

install: program  ## Install into PREFIX (/usr/local), below DESTDIR when packaging.
	DESTDIR='$(DESTDIR)' cmake --install build/release --prefix '$(PREFIX)'

format:  ## Lay out every C++ file as .clang-format says.
	$(SOURCES) | xargs clang-format -i

format-check:  ## Fail if `make format` would change a file.
	$(SOURCES) | xargs clang-format --dry-run -Werror

lint:  ## Check names and common mistakes with clang-tidy.
	scripts/setup --tests --lint --bench
	cmake --preset test -B build/lint -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON \
	  -DSIGHTLINE_UNITY=OFF -DSIGHTLINE_BENCHMARKS=ON
	scripts/lint -j $(JOBS)

# All modules; `make sanitize SANITIZED="core;storage"` takes these alone.
SANITIZED =

sanitize:  ## Build and run the tests with AddressSanitizer and UBSan.
	scripts/setup --tests
	cmake --preset dev '-DSIGHTLINE_MODULES=$(SANITIZED)'
	cmake --build --preset dev --parallel $(JOBS)
	scripts/run-tests dev $(JOBS)

tsan:  ## Build and run the tests with ThreadSanitizer.
	scripts/setup --tests
	cmake --preset tsan
	cmake --build --preset tsan --parallel $(JOBS)
	scripts/run-tests tsan $(JOBS)

# Seconds that each fuzzer runs.
FUZZ_SECONDS ?= 30

fuzz:  ## Build the fuzzers with Clang and run each for FUZZ_SECONDS.
	scripts/setup --tests --fuzz
	cmake --preset fuzz
	cmake --build --preset fuzz --parallel $(JOBS)
	@for program in build/fuzz/fuzz/*_fuzz; do echo "== $$program"; \
	  $$program -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; done

bench:  ## Build and run all benchmarks, one after the other.
	scripts/setup --bench
	cmake --preset bench
	cmake --build --preset bench --parallel $(JOBS)
	@for program in build/bench/benchmarks/*_bench; do echo "== $$program"; $$program || exit 1; done

bench-http:  ## Measure the service next to the library itself; JSON=FILE keeps the figures.
	scripts/setup --bench
	cmake --preset bench
	cmake --build --preset bench --parallel $(JOBS) --target http_load
	build/bench/benchmarks/http_load $(if $(JSON),--json '$(JSON)')

clean:  ## Remove everything that was built.
	rm -rf build demo
