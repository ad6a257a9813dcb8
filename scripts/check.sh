#!/bin/bash
# SPDX-License-Identifier: MIT
# All checks: scripts/check.sh [--only-lint|--only-asan|--only-tsan] BUILD ASAN-BUILD TSAN-BUILD
# Ends with the one line "N passed, N failed" (", N skipped" if any), and 1 if something failed.
set -u
cd "$(dirname "$0")/.."

what=all
case ${1-} in
--only-*) what=${1#--only-} && shift ;;
esac
build=${1:-build} asan=${2:-build-asan} tsan=${3:-build-tsan}
passed=0 failed=0 skipped=0
begun=$(mktemp)

# A named check that is one command: its output is shown when it fails.
step() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "ok    $name"
		passed=$((passed + 1))
	else
		echo "$out" | tail -n 60
		echo "FAIL  $name"
		failed=$((failed + 1))
	fi
}

skip() {
	echo "SKIP  $1: $2"
	skipped=$((skipped + 1))
}

# Adds up meson's results. A cmocka program counts each of its tests, the kernel's selftests each of
# theirs (those known to fail as skipped), any other program counts one.
count() {
	local log=$1/meson-logs/testlog.json p f s
	read -r p f s < <(jq -rs '
		def cases(word): [(.stdout // "") + (.stderr // "")
			| scan("\\[  \(word)  \\] ([0-9]+) test") | .[0] | tonumber] | add // 0;
		def kernel: [(.stdout // "") | scan("kernel selftests: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) known")
			| map(tonumber)] | .[0];
		map(if kernel then kernel
		    elif .result == "SKIP" then [0, 0, 1]
		    elif .result == "OK" or .result == "EXPECTEDFAIL" then [[cases("PASSED"), 1] | max, 0, 0]
		    else [cases("PASSED"), ([cases("FAILED"), 1] | max), 0] end)
		| transpose | map(add // 0) | join(" ")' "$log")
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1})) skipped=$((skipped + ${s:-0}))
	# What was skipped says why in its last line.
	jq -rs '.[] | select(.result == "SKIP")
		| "SKIP  \(.name): \((.stdout // "") | split("\n") | map(select(. != "")) | last // "" | ltrimstr("SKIP: "))"' "$log"
	# What is known to fail, with its reason.
	jq -rs '.[] | (.stdout // "") | split("\n")[] | select(startswith("known "))
		| "SKIP  " + ltrimstr("known ")' "$log"
	jq -rs '.[] | select(.result | IN("OK", "SKIP", "EXPECTEDFAIL") | not) | "FAIL  \(.name) (\(.result))"' "$log"
}

# What the failed tests of a folder have printed.
failed_output() {
	jq -rs '.[] | select(.result | IN("OK", "SKIP", "EXPECTEDFAIL") | not)
		| (.stdout // ""), (.stderr // "")' "$1/meson-logs/testlog.json"
}

# Builds and runs a folder's tests.
tests() {
	local folder=$1 name=$2
	shift 2
	echo "== $name: build"
	if ! scripts/build.sh "$folder" "$@" >"$folder.log" 2>&1; then
		tail -n 40 "$folder.log"
		echo "FAIL  build of $folder"
		failed=$((failed + 1))
		return
	fi
	rm -f "$folder.log" "$folder/meson-logs/testlog.json"
	echo "== $name: tests"
	meson test -C "$folder" --no-rebuild --print-errorlogs
	if [ -f "$folder/meson-logs/testlog.json" ]; then
		count "$folder"
	else
		echo "FAIL  no test ran in $folder"
		failed=$((failed + 1))
	fi
}

lint() {
	echo "== formatting, rules, static analysis"
	step "clang-format" sh -c "git ls-files -co --exclude-standard '*.c' '*.h' |
		xargs clang-format --dry-run -Werror"
	step "rules of CONTRIBUTING.md" scripts/check-style.sh
	step "cppcheck" scripts/cppcheck.sh
	if command -v shellcheck >/dev/null; then
		step "shellcheck" sh -c "git ls-files -co --exclude-standard '*.sh' | xargs shellcheck -S error"
	fi
}

# Leaks are not searched for in programs that are not ours; tools/ioas sets that for its child.
asan_tests() {
	ASAN_OPTIONS=detect_stack_use_after_return=0:abort_on_error=0 \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	tests "$asan" 'ASan and UBSan' -Db_sanitize=address,undefined -Db_lundef=false
}

# The tests that have threads, with the engine inside: the sanitizer cannot be preloaded into
# programs that are not ours.
tsan_names='pt_dirty_race_test mem_lend_test space_fire_test tlp_fire_test tlp_lend_test
	pci_config_test pci_irq_test uapi_threads_test models_nvme_ctrl_test models_nvme_queue_test
	models_nvme_io_engine_test models_tlpgun_burst_test models_tlpgun_queue_test dma_space
	routes_fire crowd_engine storm flood models_nvme_direct_test models_nvme_direct_engine_test
	models_nvme_shadow_test models_nvme_shadow_engine_test
	models_nvme_watch_test models_nvme_wake_test models_nvme_ats_engine_test models_nvme_burst_engine_test tlp_batch_again_test tlp_ats_test tlp_atc_test tlp_pri_test tlp_nested_fire_test tlp_inflight_test space_nest_fire_test space_share_fire_test obj_viommu_test'
tsan_tests() {
	local folder=$tsan
	echo '== TSan: build and tests'
	# It knows no fences and warns of each; ours stand between atomics, which it knows.
	[ -f "$folder/build.ninja" ] ||
		meson setup "$folder" -Db_sanitize=thread -Db_lundef=false -Dc_args=-Wno-tsan \
			>"$folder.log" 2>&1
	rm -f "$folder/meson-logs/testlog.json"
	# shellcheck disable=SC2086
	meson test -C "$folder" -t 3 --print-errorlogs $tsan_names >>"$folder.log" 2>&1
	if grep -q 'ThreadSanitizer: unexpected memory mapping' "$folder.log"; then
		skip TSan 'this kernel puts memory where the sanitizer cannot have it (vm.mmap_rnd_bits)'
	elif [ -f "$folder/meson-logs/testlog.json" ]; then
		grep -E 'WARNING: ThreadSanitizer|SUMMARY: ThreadSanitizer' "$folder.log"
		failed_output "$folder" | tail -n 60
		count "$folder"
	else
		tail -n 40 "$folder.log"
		echo "FAIL  no test ran in $folder"
		failed=$((failed + 1))
	fi
	rm -f "$folder.log"
}

case $what in
lint) lint ;;
asan) asan_tests ;;
tsan) tsan_tests ;;
all)
	lint
	tests "$build" 'tests'
	step "docs/errno.md against tests/uapi" scripts/check-errno.sh "$build"
	asan_tests
	tsan_tests
	;;
*)
	echo "usage: scripts/check.sh [--only-lint|--only-asan|--only-tsan] [BUILD [ASAN-BUILD [TSAN-BUILD]]]" >&2
	exit 2
	;;
esac

echo
# What the tests that count have tried, without a sanitizer and with each.
logs=
for folder in "$build" "$asan" "$tsan"; do
	[ ! "$folder/meson-logs/testlog.json" -nt "$begun" ] || logs="$logs $folder/meson-logs/testlog.json"
done
# shellcheck disable=SC2086
[ -z "$logs" ] || scripts/tried.sh $logs
rm -f "$begun"
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ]
