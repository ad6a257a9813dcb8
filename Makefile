# Thin: scripts/deps.sh fetches Debian packages, meson builds and tests. `make` teaches.

BUILD := build
ASAN := build-asan
TSAN := build-tsan
FUZZ := build-fuzz
BENCH := build-bench
SECONDS := 60
SEED := $(shell date +%s)
COUNT := 20
WINDOWS := 31
MINUTES := 15
COVERAGE := build-cov

.PHONY: help build run check check-asan check-tsan check-formats check-kinds check-kernel-selftests check-twin twin-topology bench bench-page bench-twin lint fuzz mutate soak coverage clean

help:
	@echo 'uiommufd: /dev/iommu and VFIO in user space, with software devices behind them.'
	@echo
	@echo '  make run         build, then show it: stock qemu-img on an NVMe disk that is only software'
	@echo '  make check       all tests, also under ASan, UBSan and TSan; ends with "N passed, N failed"'
	@echo '  make build       just build: build/ioas, build/libioas.so, build/libioas-preload.so'
	@echo '  make check-asan  only the tests under ASan and UBSan'
	@echo '  make check-formats  all end-to-end tests over page tables of each format (10 minutes)'
	@echo '  make check-kinds  all end-to-end tests behind each kind of IOMMU (10 minutes)'
	@echo '  make check-kernel-selftests  only the kernel'"'"'s own iommufd selftests (part of check)'
	@echo '  make check-twin  tests/uapi on a real Linux kernel too, which it builds first (10 minutes, once)'
	@echo '  make twin-topology [QEMU='"'"'-device pcie-root-port,id=a -device e1000e,bus=a'"'"']'
	@echo '                   a real Linux kernel'"'"'s groups and ours of that PCI tree, or of all kept ones'
	@echo '  make lint        only formatting, static analysis and the rules of CONTRIBUTING.md'
	@echo '  make bench [WINDOWS=31]'
	@echo '                   all benchmarks, in one table: ratios measured in one run, and which goals are met'
	@echo '  make bench-page  the same, into the tables and the plot of docs/performance.md'
	@echo '  make bench-twin  MAP, UNMAP and more on a real Linux kernel and here, in one boot of an emulator'
	@echo '  make check-tsan  only the tests with threads under TSan'
	@echo '  make fuzz [SECONDS=60] [TARGET=engine]'
	@echo '                   libFuzzer on each target of tests/fuzz, judged by tests/model (docs/reliability.md)'
	@echo '  make mutate [SEED=n] [COUNT=20]'
	@echo '                   changes one line of the engine, runs the tests, COUNT times: which test catches it?'
	@echo '  make soak [MINUTES=15]'
	@echo '                   the long form of what is random in check: fuzzers, threads, kills, failures on purpose'
	@echo '  make coverage    which lines of src/ and models/ the tests run: at least 90 %'
	@echo '  make clean       remove build/, build-asan/, build-tsan/, build-fuzz/, build-bench/, build-mutate/ and build-cov/'
	@echo
	@echo 'Missing Debian packages are installed first (apt-get, through sudo if need be).'
	@echo 'After a build:  build/ioas run --device nvme,drive=disk.img -- qemu-img info nvme://0000:01:00.0/1'

build:
	@scripts/deps.sh build
	@scripts/build.sh $(BUILD)

run:
	@scripts/deps.sh build run
	@scripts/build.sh $(BUILD)
	@scripts/demo.sh $(BUILD)

check:
	@scripts/deps.sh build run check
	@scripts/check.sh $(BUILD) $(ASAN) $(TSAN)

check-asan:
	@scripts/deps.sh build run check
	@scripts/check.sh --only-asan $(BUILD) $(ASAN)

check-tsan:
	@scripts/deps.sh build run check
	@scripts/check.sh --only-tsan $(BUILD) $(ASAN) $(TSAN)

# Not part of check, which has a short form of it: after a change to page tables.
check-formats:
	@scripts/deps.sh build run check
	@scripts/build.sh $(BUILD)
	@scripts/check-formats.sh $(BUILD)

# Nor of this: after a change to kinds of IOMMU.
check-kinds:
	@scripts/deps.sh build run check
	@scripts/build.sh $(BUILD)
	@scripts/check-kinds.sh $(BUILD)

check-kernel-selftests:
	@scripts/deps.sh build run check
	@scripts/build.sh $(BUILD)
	@IOAS=$(BUILD)/ioas tests/kernel/selftests.sh

# Not part of check: run it after a change to what an ioctl answers.
check-twin:
	@scripts/deps.sh build run check
	@scripts/build.sh $(BUILD)
	@tests/twin/check.sh $(BUILD)

# Not part of check either, which compares the kept captures without a kernel.
twin-topology:
	@scripts/deps.sh build run check
	@scripts/build.sh $(BUILD)
	@tests/twin/topology.sh check $(BUILD)

# Not part of bench: a kernel is built for it, once, and it takes minutes.
bench-twin:
	@scripts/deps.sh build run check bench
	@scripts/bench.sh $(BENCH) --build
	@tests/twin/speed.sh $(BENCH)

lint:
	@scripts/deps.sh build check
	@scripts/check.sh --only-lint $(BUILD) $(ASAN)

bench:
	@scripts/deps.sh build bench
	@BENCH_WINDOWS=$(WINDOWS) scripts/bench.sh $(BENCH)

# The same, kept: docs/performance.json, and from it the tables and the plot of docs/performance.md.
bench-page:
	@scripts/deps.sh build bench
	@BENCH_WINDOWS=$(WINDOWS) scripts/bench.sh $(BENCH) --page

# Not part of check, where each target runs its kept inputs and some random ones.
fuzz:
	@scripts/deps.sh build fuzz
	@scripts/fuzz.sh $(FUZZ) $(SECONDS) $(TARGET)

# Goes on where it was ended, if the tree is the same.
mutate:
	@scripts/deps.sh build run check
	@scripts/mutate.sh $(SEED) $(COUNT)

soak:
	@scripts/deps.sh build run check
	@scripts/build.sh $(BUILD)
	@scripts/soak.sh $(BUILD) $(MINUTES)

coverage:
	@scripts/deps.sh build run check
	@scripts/coverage.sh $(COVERAGE)

clean:
	rm -rf $(BUILD) $(ASAN) $(TSAN) $(FUZZ) $(BENCH) $(COVERAGE) build-mutate
