#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts/mutate.sh SEED COUNT [MINUTES]: would the tests find a bug? Changes a line of src/ or
# models/nvme (scripts/mutate.awk), builds, runs the tests until one fails, takes the change back; COUNT
# times, for the seed the same each time. Ends with "mutations: N caught, N survived".
#
# Works in copies of the tree, one a CPU (MUTATE_JOBS), in build-mutate/. A change that does not
# compile, or compiles to the same code, is replaced by another. What is done is in
# build-mutate/seed-SEED.log, a line a mutation, so that the next call goes on where one was ended;
# diffs are beside it.
#
# A test has caught a change when it fails twice: on a busy machine some test may fail for want of
# time. One that takes several times as much of a CPU as it should has failed, and one whose threads
# all wait for good; never one that merely takes long. What is no longer given back is looked for by
# LeakSanitizer in unit tests (make check has it, too). Which test caught what is remembered by folder
# (build-mutate/caught), so that those that have done so come first.
#
# MUTATE_STAGES=3 runs only the first of these: the tests of the change's own folder and the fuzzers. It
# finds many places that want a unit test in little time; what it calls survivors another test may catch.
# MUTATE_FILES='src/mem/*' changes nothing else.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
seed=${1:?usage: scripts/mutate.sh SEED COUNT} count=${2:?usage: scripts/mutate.sh SEED COUNT}
root=$PWD/build-mutate
jobs=${MUTATE_JOBS:-$(nproc)}
last_stage=${MUTATE_STAGES:-6}
longest=${MUTATE_LONGEST:-10} # seconds: what takes longer is not run; for a model, twice that
files=${MUTATE_FILES:-src/*.c src/*.h models/nvme/*.c models/nvme/*.h}
log=$root/seed-$seed.log diffs=$root/seed-$seed list=$root/seed-$seed.list
leak_library=$(gcc -print-file-name=liblsan.so)
[ -e "$leak_library" ] || leak_library=
# What is written beside an array is found as by UBSan in make check.
options="-Ddebug=false -Doptimization=2 -Dwerror=false -Dlock-order=enabled -Db_lundef=false"
bounds='-fsanitize=bounds -fno-sanitize-recover=bounds'

list_files() {
	git ls-files -co --exclude-standard
}

# What the copies are made of; another tree begins anew.
state() {
	list_files | sort | xargs sha1sum 2>/dev/null | sha1sum | cut -c 1-40
}

# Each test is a script of its own in a copy: FOLDER/tests/NAME, with what ninja has to build for it.
# A line of the table: name, suite, folder of src it is about, targets ("-": none, since read takes
# two tabs for one).
make_table() {
	local folder=$1
	mkdir -p "$folder/tests"
	meson introspect --targets "$folder/tree/build" >"$folder/targets.json"
	meson introspect --tests "$folder/tree/build" | jq -r --slurpfile targets "$folder/targets.json" \
		--arg build "$folder/tree/build" '
		($targets[0] | map({key: .id, value: [.filename[] | ltrimstr($build + "/")]}) | from_entries) as $file
		| .[] | (.suite | map(ltrimstr("uiommufd:"))) as $suites
		| select($suites[0] | IN("unit", "uapi", "flow"))
		| [.name, $suites[0], $suites[1] // "-", ([.depends[] | $file[.] // [] | .[]] | join(",") | if . == "" then "-" else . end),
		   ([.env | to_entries[] | "\(.key)=\(.value)"] | map(@sh) | join(" ")), (.cmd | @sh)] | @tsv' |
		while IFS=$'\t' read -r name suite about targets env cmd; do
			printf '#!/bin/sh\ncd %q\necho 1000 >/proc/self/oom_score_adj\nexec env %s %s\n' "$folder/tree/build" "$env" "$cmd" \
				>"$folder/tests/$name"
			chmod +x "$folder/tests/$name"
			printf '%s\t%s\t%s\t%s\n' "$name" "$suite" "$about" "$targets"
		done >"$folder/table"
}

# Makes a copy's files what they are here: whoever was ended has left one changed.
bring_up_to_date() {
	local file
	list_files | while read -r file; do
		if ! cmp -s "$file" "$1/tree/$file" && [ -e "$file" ]; then
			mkdir -p "$(dirname "$1/tree/$file")"
			cp "$file" "$1/tree/$file"
		fi
	done
}

# A copy of the tree, built, with its tests' scripts; one that is there is brought up to date.
make_copy() {
	local folder=$1
	mkdir -p "$folder/tree"
	bring_up_to_date "$folder"
	rm -rf "$folder/pristine" "$folder/tests"
	# shellcheck disable=SC2086
	(
		cd "$folder/tree" || exit
		[ -f build/build.ninja ] || CFLAGS=$bounds LDFLAGS=$bounds meson setup build $options || exit
		ninja -C build
	) >"$folder/build.log" 2>&1 || {
		tail -n 30 "$folder/build.log"
		echo "mutate: the tree does not build"
		return 1
	}
	make_table "$folder"
	mkdir -p "$folder/pristine"
	(cd "$folder/tree/build" && find src models -name '*.o' | cpio -pdm --quiet "../../pristine")
}

# run_test FOLDER NAME CPU-SECONDS SUITE; with `leaks` set what it leaks is a failure. 124: it hangs,
# which is: for half a minute none of its threads has wanted a CPU. On a busy machine that is not the
# same as to take long.
run_test() {
	local preload='' pid polls=0 still=0 failed=0
	# Not in programs that are not ours, nor in what stands between a program and its malloc.
	[ "$4" != unit ] || [[ $2 == preload_* ]] || preload=${leaks-}
	(
		ulimit -t "$3"
		TMPDIR=$1/tmp exec setsid env LD_PRELOAD="$preload" "$1/tests/$2" >"$1/test.log" 2>&1 </dev/null
	) &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		if [ $((++polls)) -le 25 ]; then
			sleep 0.02
			continue
		fi
		sleep 0.5
		# A test that has failed need not end well.
		if grep -qE '^\[ +(ERROR|FAILED) +\]' "$1/test.log" && [ $((++failed)) -ge 4 ]; then
			ps -s "$pid" -o pid= | xargs -r kill -KILL 2>/dev/null
			wait "$pid" 2>/dev/null
			return 1
		fi
		# Of the session that it leads.
		if ps -L -s "$pid" -o stat= | grep -q '^[RD]'; then
			still=0
		elif [ $((++still)) -ge 60 ]; then
			ps -s "$pid" -o pid= | xargs -r kill -KILL 2>/dev/null
			wait "$pid" 2>/dev/null
			return 124
		fi
	done
	wait "$pid" 2>/dev/null
	still=$?
	# What it has left behind.
	ps -s "$pid" -o pid= | xargs -r kill -KILL 2>/dev/null
	return "$still"
}

# How much of a CPU each test takes, all of which must pass: a line a test, in milliseconds, the
# fastest first. Without those that take too much to be run for each mutation.
measure() {
	local folder=$1 name suite about targets spent status leaks=$leak_library
	local TIMEFORMAT='%U %S'
	mkdir -p "$folder/tmp"
	while IFS=$'\t' read -r name suite about targets; do
		spent=$({ time run_test "$folder" "$name" $((longest * 2)) plain; } 2>&1)
		status=$?
		case $status in
		124 | 137 | 152 | 77) continue ;;
		0) ;;
		*)
			# As in a verdict, it has to do so twice.
			if ! spent=$({ time run_test "$folder" "$name" $((longest * 2)) plain; } 2>&1); then
				tail -n 20 "$folder/test.log" >&2
				echo "mutate: $name fails without a mutation" >&2
				return 1
			fi
			;;
		esac
		# Some cannot do with LeakSanitizer.
		[ "$suite" != unit ] || run_test "$folder" "$name" $((longest * 2)) "$suite" || suite=plain
		printf '%d\t%s\t%s\t%s\t%s\n' "$(tail -n 1 <<<"$spent" | awk '{ print ($1 + $2) * 1000 }')" "$name" "$suite" "$about" "$targets"
	done <"$folder/table" | sort -n >"$root/times.new" || return 1
	mv "$root/times.new" "$root/times"
}

# The folder of src that a file belongs to, as the tests' suites call it.
folder_of() {
	case $1 in
	models/*) echo models ;;
	src/*/*) cut -d / -f 2 <<<"$1" ;;
	*) echo - ;;
	esac
}

# The tests for a file, in the order in which they are run, a stage a line; a stage's programs are
# linked together. Those that caught most in that folder; those that are about it; the fuzzers, whose
# model sees most, and a program an ioctl, which are quick; the other unit tests; end to end; what
# takes long.
stages() {
	awk -F '\t' -v about="$(folder_of "$1")" -v longest="$longest" '
		FILENAME != ARGV[2] { if ($1 == about) caught[$2]++; next }
		$1 > longest * (about == "models" ? 2000 : 1000) { next }
		# Page tables stand alone, and most other tests have no models.
		$4 == "pt" && about != "pt" && about != "util" { next }
		about == "models" && $3 !~ /^(uapi|flow)$/ && $4 !~ /^(models|tools|fuzz)$/ { next }
		{
			stage = $3 == "flow" ? 5 : $3 == "uapi" || $4 == "fuzz" ? 3 : $4 == about ? 2 : 4
			if (caught[$2])
				stage = 1
			else if ($1 > 1500 && stage != 3 && stage != 2)
				stage = 6
			print stage "\t" (stage == 1 ? $1 / caught[$2] : $1) "\t" $1 "\t" $2 "\t" $5 "\t" $3
		}' "$root/caught" "$root/times" | sort -n -k 1,1 -k 2,2 | awk -F '\t' -v OFS='\t' '
		# Of those of the first stage only the best: the others come where they belong.
		$1 == 1 && ++best > 8 { $1 = 4 }
		{ print $1, $3, $4, $5, $6 }' | sort -s -n -k 1,1
}

# Applies a mutation: apply TREE FILE LINE OPERATOR NEW
apply() {
	local file=$1/$2
	cp -p "$file" "$1/../original"
	if [ "$4" = unlock-early ]; then
		awk -v at="$3" 'NR == at - 1 { held = $0; next } { print } NR == at { print held }' "$1/../original" >"$file"
	else
		NEW=$5 awk -v at="$3" 'NR == at { print ENVIRON["NEW"]; next } { print }' "$1/../original" >"$file"
	fi
}

# Whether all that was compiled since the stamp is what it was without the mutation.
same_code() {
	local object
	for object in $(cd "$1/tree/build" && find src models -name '*.o' -newer "$1/stamp"); do
		cmp -s "$1/tree/build/$object" "$1/pristine/$object" || return 1
	done
}

# passes FOLDER NAME CPU-SECONDS SUITE: runs a test; a skipped one passes. `how` says if its time was up.
passes() {
	run_test "$1" "$2" "$3" "$4"
	case $? in
	0 | 77) return 0 ;;
	124 | 137 | 152) how='(hangs)' ;;
	*) how='' ;;
	esac
	return 1
}

# The verdict about the tree as it is: "VERDICT TEST".
verdict() {
	local folder=$1 file=$2 stage millis name targets suite limit built='' build how=''
	touch "$folder/stamp"
	sleep 0.01
	ninja -C "$folder/tree/build" src/libengine.a models/libnvme.a >"$folder/build.log" 2>&1 || {
		echo 'unbuilt -'
		return
	}
	if same_code "$folder"; then
		echo 'same -'
		return
	fi
	stages "$file" >"$folder/stages"
	while IFS=$'\t' read -r stage millis name targets suite; do
		[ "$stage" -le "$last_stage" ] || continue
		# A stage's programs are linked together, when it is its turn.
		if [ "$stage" != "$built" ]; then
			build=$(awk -F '\t' -v stage="$stage" '$1 == stage && $4 != "-" { print $4 }' "$folder/stages" | tr ',' '\n' | sort -u)
			# shellcheck disable=SC2086
			ninja -C "$folder/tree/build" $build >"$folder/build.log" 2>&1 || {
				echo "unbuilt stage-$stage"
				return
			}
			built=$stage
		fi
		limit=$((millis * 4 / 1000 + 3))
		if ! passes "$folder" "$name" "$limit" "$suite" && ! passes "$folder" "$name" "$limit" "$suite"; then
			echo "caught $name$how"
			return
		fi
	done <"$folder/stages"
	echo 'survived -'
}

# The next of the list, unless enough are done or under way: "INDEX FILE LINE OPERATOR NEW".
take_next() {
	(
		flock 9
		while :; do
			good=$(grep -cE '^[0-9]+ (caught|survived) ' "$log")
			busy=$(find "$root/busy" -type f | wc -l)
			if [ "$good" -ge "$count" ]; then
				exit 1
			elif [ $((good + busy)) -lt "$count" ]; then
				break
			fi
			flock -u 9
			sleep 1
			flock 9
		done
		done_list=$(cut -d ' ' -f 1 "$log" && ls "$root/busy")
		line=$(awk -v done="$done_list" 'BEGIN { split(done, d, "\n"); for (i in d) gone[d[i]] = 1 } !($1 in gone) { print; exit }' "$list")
		[ -n "$line" ] || exit 1
		touch "$root/busy/${line%% *}"
		printf '%s\n' "$line"
	) 9>"$root/lock"
}

# One copy's work.
work() {
	local folder=$1 line index file at operator new answer begun
	bring_up_to_date "$folder"
	while line=$(take_next); do
		IFS=' ' read -r index file at operator new <<<"$line"
		apply "$folder/tree" "$file" "$at" "$operator" "$new"
		begun=$(date +%s)
		diff -u --label "$file" --label "$operator" "$folder/original" "$folder/tree/$file" >"$diffs/$index.diff"
		leaks=
		[ "$operator" != leave-a-pin ] || leaks=$leak_library
		answer=$(verdict "$folder" "$file")
		cat "$folder/original" >"$folder/tree/$file"
		rm -rf "$folder/tmp" && mkdir "$folder/tmp"
		(
			flock 9
			printf '%s %s %s:%s %s %s\n' "$index" "$answer" "$file" "$at" "$operator" "$(($(date +%s) - begun))s" |
				tee -a "$log"
			case $answer in
			caught*) echo "$(folder_of "$file")	$(sed 's/caught //; s/(hangs)//' <<<"$answer")" >>"$root/caught" ;;
			esac
			rm -f "$root/busy/$index"
		) 9>"$root/lock"
	done
}

mkdir -p "$root" "$diffs"
rm -rf "$root/busy" && mkdir "$root/busy"
if [ "$(cat "$root/state" 2>/dev/null)" != "$(state)" ]; then
	echo "mutate: $jobs copies of the tree, built; all tests without a mutation"
	rm -f "$root"/seed-*.log "$root/times"
	for job in $(seq "$jobs"); do
		make_copy "$root/$job" || exit 1
	done
	measure "$root/1" || exit 1
	state >"$root/state"
fi
mkdir -p "$diffs" && touch "$log" "$root/caught"
# The patterns are git's, not the shell's.
set -f
# shellcheck disable=SC2046,SC2086
awk -v seed="$seed" -v count=$((count * 4 + 40)) -f scripts/mutate.awk $(git ls-files $files) >"$list"
set +f
for job in $(seq "$jobs"); do
	work "$root/$job" &
done
trap 'kill $(jobs -p) 2>/dev/null' INT TERM
wait

for index in $(awk '$2 == "survived" { print $1 }' "$log"); do
	echo
	cat "$diffs/$index.diff"
done
echo
awk '{ n[$2]++ } $2 == "caught" { sub(/\(hangs\)/, "", $3); by[$3]++ } END {
	for (test in by) printf "  %4d by %s\n", by[test], test | "sort -rn"
	close("sort -rn")
	printf "replaced: %d that do not compile, %d that change no code\n", n["unbuilt"], n["same"]
	printf "mutations: %d caught, %d survived\n", n["caught"], n["survived"] }' "$log"
