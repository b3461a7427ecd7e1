#!/bin/sh
# Every test: a line for each topic when it is done, and the count at the end.
#
# usage: check.sh STAGE_DIR        (`make check` calls it)
#
# Installs the Debian packages it needs if it may; what is missing otherwise is
# named in one line and counted as skipped. With CHECK_STRICT=1 a skip fails.
# Two topics run at a time, CHECK_JOBS=1 for one; PROGRAMS="ldb notmuch" picks
# among the real programs.
set -u
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

if [ $# -ne 1 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR, where \`make stage\` has installed the library" >&2
	exit 2
fi
stage=$(cd "$1" && pwd)
cd "$(dirname "$0")/.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# ---- packages --------------------------------------------------------------

packages="binutils bsdextrautils clang doxygen duma electric-fence file g++ gcc gdb git heaptrack ldb-tools libc-devtools
	libclang-rt-14-dev libdmalloc5 libtalloc-dev libtalloc2 mandoc pkg-config samba-testsuite strace valgrind xz-utils"
missing=
for package in $packages; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
		missing="$missing $package"
done
if [ -n "$missing" ]; then
	root=
	[ "$(id -u)" -eq 0 ] || root='sudo -n'
	if command -v apt-get >/dev/null 2>&1 && { [ -z "$root" ] || $root true 2>/dev/null; }; then
		echo "installing$missing"
		# No daemon may start because of a test.
		{ $root apt-get -q update &&
			$root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
				apt-get -q install -y --no-install-recommends $missing
		} >"$work/apt.log" 2>&1 || tail -n 5 "$work/apt.log"
	else
		echo "some tests need:  apt-get install$missing"
	fi
fi

# ---- topics ----------------------------------------------------------------

# topic KIND NAME SECONDS COMMAND: what prints "ok", "not ok" and "skip" lines, in
# so many seconds at most; see lane.sh. $stage and what else is exported below is
# there for it.
topic() {
	printf '%s\t%s\t%s\t%s\n' "$@" >>"$work/topics"
}

topic test lanes 60 'sh c-tests/lane-test.sh'
topic test packaging 700 'sh c-tests/packaging.sh'
for source in c-tests/common/*.c; do
	topic test "common/$(basename "$source" .c)" 900 "sh c-tests/program.sh \"\$stage\" $source on_original"
done
for source in c-tests/ours/*.c c-tests/talloc_test.c; do
	name=${source#c-tests/}
	topic test "${name%.c}" 900 "sh c-tests/program.sh \"\$stage\" $source"
done

header_of_original=-
[ ! -f /usr/include/talloc.h ] || header_of_original=/usr/include/talloc.h
# The same inputs each time; `make soak` looks for new ones.
: "${FUZZ_SEED=1}" "${FUZZ_SECONDS=60}" "${WALK_CALLS=1000000}"
# A fifth of the work of `make check-programs`.
: "${SCALE=20}"
export stage header_of_original FUZZ_SEED FUZZ_SECONDS WALK_CALLS SCALE

topic test header 900 'sh c-tests/header.sh "$stage/include"'
topic test signatures 900 'sh c-tests/signatures.sh "$stage/include" "$header_of_original"'
topic test signatures-ctest2 900 'sh c-tests/signatures-ctest2.sh "$stage/include"'
topic test abi 900 'sh c-tests/abi.sh "$stage/lib/libtalloc.so.2.5.0" "$stage/lib/libtalloc.a"'
topic test install 900 'sh c-tests/install.sh'
topic test manual 300 'sh c-tests/manual.sh "$stage"'
topic test upstream/generations 900 'sh c-tests/upstream/generations.sh "$stage"'
topic test two-libraries 900 'sh c-tests/two-libraries.sh "$stage"'
topic test loading 900 'sh c-tests/loading.sh "$stage"'
topic test mallocs 900 'sh c-tests/mallocs.sh "$stage"'
topic test oom 900 'sh c-tests/oom/oom-all.sh "$stage"'
topic test attacks 900 'sh c-tests/attacks.sh "$stage"'
topic test memory-tools 900 'sh c-tests/memory-tools.sh "$stage"'
topic test profilers 900 'sh c-tests/profilers.sh "$stage"'
topic test instructions 900 'sh benches/instructions.sh "$stage" check'
topic test memory 300 'sh benches/memory.sh "$stage" check'
# The race detector of Rust comes with nightly alone, which is nobody's duty.
if rustup run nightly rustc --version >/dev/null 2>&1; then
	topic test tsan 900 'sh c-tests/tsan.sh "$stage"'
else
	echo "no nightly Rust: the thread tests run without a race detector"
fi
topic test fuzz 900 'sh c-tests/fuzz.sh "$FUZZ_SECONDS"'
topic test smbtorture 900 'sh c-tests/smbtorture.sh "$stage/lib"'
topic test walk 900 'sh c-tests/walk/walk.sh "$stage" "$WALK_CALLS"'
topic test view 900 'sh c-tests/view.sh "$stage"'
topic test report-env 300 'sh c-tests/report-env.sh "$stage"'
topic test gdb 300 'sh c-tests/gdb.sh "$stage"'
topic test guide 300 'sh c-tests/guide.sh "$stage"'
topic test cargo 900 'sh c-tests/unit.sh'

all=$(sh -c '. programs/common.sh && echo $all_programs' programs/check.sh) || exit 2
: "${PROGRAMS:=$all}"
for name in $PROGRAMS; do
	topic real "programs/$name" 1200 "env PROGRAMS=$name sh programs/check.sh \"\$stage\""
done
unset PROGRAMS

# ---- run -------------------------------------------------------------------

jobs=${CHECK_JOBS:-$(nproc 2>/dev/null || echo 1)}
[ "$jobs" -le 2 ] || jobs=2
mkdir "$work/results" "$work/running" "$work/taken" || exit 2
strict=${CHECK_STRICT-0}
unset CHECK_STRICT # a skip is counted here, not by each of them
start=$(date +%s)
printf 'test\nreal\n' | xargs -n 1 -P "$jobs" sh c-tests/lane.sh "$work"
took=$(($(date +%s) - start))

cat "$work/results"/* | awk -v topics="$(wc -l <"$work/topics")" -v took=$took -v strict="$strict" '
	{ passed += $1; failed += $2; skipped += $3 }
	END {
		if (NR < topics) {
			printf "not ok - %d topics did not run to their end\n", topics - NR
			failed += topics - NR
		}
		printf "%d min %d s\n", took / 60, took % 60
		printf "%d passed, %d failed", passed, failed
		if (skipped) printf ", %d skipped", skipped
		printf "\n"
		exit failed || (skipped && strict == 1)
	}'
