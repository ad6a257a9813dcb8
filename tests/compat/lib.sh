#!/bin/bash
# SPDX-License-Identifier: MIT
# What every compat test needs: real programs, drives for them, and one way to run them.
#
# A test is written against drives by number. COMPAT_TARGET says what stands behind them:
#   ioas       (default) NVMe devices of `ioas run`
#   reference  QEMU's own: the raw file itself for qemu-img and qemu-io, an emulated
#              `-device nvme` for guests. It proves the script, not us.
#
# Sourced by bash scripts. Environment: IOAS, the tool (default: ioas in the current folder's
# build/); UIOMMUFD_CACHE, where downloaded guest kernels are kept.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${COMPAT_TARGET:-ioas}
ioas=${IOAS:-build/ioas}
limit=120 # seconds one program may take
drives=()    # files, drives[0] is drive 1
options=()   # model keys of each, ",key=value..."
extra=()     # more arguments of ioas run
as=()        # a prefix that changes the user
last_log=

skip()
{
	echo "SKIP: $*"
	exit 77
}

note()
{
	echo "--- $*"
}

fail()
{
	echo "FAIL: $*" >&2
	if [ -n "$last_log" ] && [ -s "$last_log" ]; then
		echo "last program said:" >&2
		tail -n 40 "$last_log" >&2
	fi
	exit 1
}

# need PROGRAM PACKAGE: skips the test when a program is absent.
need()
{
	command -v "$1" >/dev/null || skip "$1 is not installed (Debian package $2)"
}

# A folder for this run, readable by the ordinary user that some tests become.
scratch()
{
	work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-compat.XXXXXX")
	chmod 711 "$work"
	trap 'rm -rf "$work"' EXIT
	last_log=$work/log
	if [ "$target" = ioas ]; then
		[ -x "$ioas" ] || fail "$ioas is not built"
		ioas=$(realpath "$ioas")
	fi
}

# drive N FILE [KEYS]: puts drive N (1, 2, ...) on FILE, with more model keys: ",volatile=on".
drive()
{
	drives[$1 - 1]=$2
	options[$1 - 1]=${3:-}
}

# The PCI address of drive N, as `ioas run` hands them out.
bdf()
{
	printf '0000:%02x:00.0' "$1"
}

# What qemu-img and qemu-io call drive N.
url()
{
	if [ "$target" = ioas ]; then
		echo "nvme://$(bdf "$1")/1"
	else
		echo "${drives[$1 - 1]}"
	fi
}

# Fills `argv` with the command that runs "$@" with all drives present.
command_of()
{
	local i

	argv=(timeout -k 5 "$limit" ${as[@]+"${as[@]}"})
	if [ "$target" = ioas ]; then
		argv+=("$ioas" run)
		for i in "${!drives[@]}"; do
			argv+=(--device "nvme,drive=${drives[i]}${options[i]}")
		done
		argv+=(${extra[@]+"${extra[@]}"} --)
	fi
	argv+=("$@")
}

# try PROGRAM ARGS...: runs it with the drives; output to $last_log; returns its status.
# A status of a signal is no refusal but a crash, and never what a test wants.
try()
{
	local status=0

	command_of "$@"
	# No command line echo here: a test says with `note` what it is doing.
	"${argv[@]}" >"$last_log" 2>&1 </dev/null || status=$?
	if [ "$status" -ge 124 ] && [ "${allow_signal:-}" != yes ]; then
		fail "$1 ended with status $status (signal or time-out): $*"
	fi
	return "$status"
}

run()
{
	try "$@" || fail "status $?: $*"
}

refused()
{
	! try "$@" || fail "should have been refused: $*"
}

said()
{
	grep -q -e "$1" "$last_log" || fail "no \"$1\" in the output"
}

same()
{
	cmp "$1" "$2" || fail "$1 and $2 differ"
}

# A file of SIZE bytes made of what the machine has: documents, headers, programs.
machine_file()
{
	local file=$1 size=$2

	# tar dies of SIGPIPE when head has enough.
	(set +o pipefail
	 tar -C / -cf - usr/share/doc usr/include usr/bin usr/share 2>/dev/null | head -c "$size") \
		>"$file"
	# A machine with less than that gets the rest repeated.
	while [ "$(stat -c %s "$file")" -lt "$size" ]; do
		head -c "$((size - $(stat -c %s "$file")))" "$file" >>"$file"
	done
}

# qemu_io N COMMAND...: qemu-io on drive N, one -c for each; io_args for more options.
io_args=()
qemu_io()
{
	local n=$1 c
	local args=(-f raw ${io_args[@]+"${io_args[@]}"})

	shift
	for c in "$@"; do
		args+=(-c "$c")
	done
	run qemu-io "${args[@]}" "$(url "$n")"
	! grep -q -i -e 'verification failed' -e 'failed:' "$last_log" || fail "qemu-io: $*"
}

# The same, where at least one command must be refused.
qemu_io_refused()
{
	local n=$1 c
	local args=(-f raw ${io_args[@]+"${io_args[@]}"})

	shift
	for c in "$@"; do
		args+=(-c "$c")
	done
	refused qemu-io "${args[@]}" "$(url "$n")"
}

# Runs a function as an ordinary user too: when we are root, as uid 65534 with no groups.
as_ordinary_user()
{
	if [ "$(id -u)" != 0 ]; then
		return
	fi
	if ! command -v setpriv >/dev/null; then
		note "SKIP part: no setpriv, nothing was run as an ordinary user"
		return
	fi
	as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	if [ "$target" = ioas ] && ! "${as[@]}" test -r "$ioas"; then
		note "SKIP part: uid 65534 cannot reach $ioas, nothing was run as an ordinary user"
		as=()
		return
	fi
	note "as uid 65534"
	"$@"
	as=()
}

# Gives files to whoever runs the programs now.
own()
{
	if [ ${#as[@]} -gt 0 ]; then
		chown 65534:65534 "$@"
	fi
}
