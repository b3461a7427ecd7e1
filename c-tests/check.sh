#!/bin/sh
# Every test, one line each, and the count at the end.
#
# usage: check.sh STAGE_DIR        (`make check` calls it)
#
# Installs the Debian packages it needs if it may; what is missing otherwise is
# named in one line and counted as skipped. With CHECK_STRICT=1 a skip fails.
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
cc=${CC:-cc}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
passed=0
failed=0
skipped=0

count() { # ok|not ok|skip, text
	printf '%s - %s\n' "$1" "$2"
	case $1 in
	ok) passed=$((passed + 1)) ;;
	skip) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
}

# ---- packages --------------------------------------------------------------

packages="binutils clang file g++ gcc heaptrack ldb-tools libclang-rt-14-dev libtalloc-dev libtalloc2 pkg-config
	samba-testsuite valgrind"
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

# The original library, where it is installed.
reference=$(ldconfig -p 2>/dev/null | sed -n 's/.*libtalloc\.so\.2 .*=> //p' | head -n 1)

# ---- C programs ------------------------------------------------------------

# run NAME LIBDIR PROGRAM: its stdout in NAME.out, 0 if it says so
run() {
	LD_LIBRARY_PATH=$2 timeout 120 "$3" >"$work/$1.out" 2>"$work/$1.err"
}

# program SOURCE [on_original]
program() {
	name=$(basename "$(dirname "$1")")-$(basename "$1" .c)
	if ! "$cc" -std=gnu11 -O1 -g -Wall -Wextra -Werror -Ic-tests -I"$stage/include" \
		-o "$work/$name" "$1" "$stage/lib/libtalloc.so.2" -lpthread >"$work/$name.err" 2>&1; then
		count "not ok" "$1 compiles"
		cat "$work/$name.err"
		return
	fi
	run "$name" "$stage/lib" "$work/$name"
	status=$?
	checks=$(grep -c '^ok' "$work/$name.out")
	if [ $status -ne 0 ] || [ "$checks" -eq 0 ] || grep -q '^not ok' "$work/$name.out"; then
		count "not ok" "$1 (exit $status)"
		tail -n 20 "$work/$name.err"
		return
	fi
	count ok "$1 ($checks checks)"
	[ "${2-}" = on_original ] || return
	if [ -z "$reference" ]; then
		count skip "$1 on the original: package libtalloc2"
		return
	fi
	mv "$work/$name.out" "$work/$name.ours"
	if run "$name" "" "$work/$name" && cmp -s "$work/$name.ours" "$work/$name.out"; then
		count ok "$1: the original prints the same"
	else
		count "not ok" "$1: the original prints the same"
		diff "$work/$name.ours" "$work/$name.out" | head -n 20
	fi
}

for source in c-tests/common/*.c; do
	program "$source" on_original
done
for source in c-tests/ours/*.c c-tests/talloc_test.c; do
	program "$source"
done

# ---- scripts that print their own lines -------------------------------------

limit=900
script() {
	timeout $limit "$@" >"$work/script.out" 2>"$work/script.err"
	status=$?
	grep -E '^(ok|not ok|skip) - ' "$work/script.out" >"$work/script.lines"
	n=$(grep -c '^ok' "$work/script.lines")
	bad=$(grep -c '^not ok' "$work/script.lines")
	skips=$(grep -c '^skip' "$work/script.lines")
	grep -E '^(not ok|skip)' "$work/script.lines"
	passed=$((passed + n))
	failed=$((failed + bad))
	skipped=$((skipped + skips))
	if [ $status -ne 0 ] && [ $status -ne 77 ]; then
		[ "$bad" -gt 0 ] || failed=$((failed + 1))
		tail -n 20 "$work/script.err"
	fi
	if [ "$n" -gt 0 ] || [ "$bad" -gt 0 ]; then
		echo "$1: $n of $((n + bad + skips)) checks"
	elif [ "$skips" -eq 0 ]; then
		count "not ok" "$1 printed nothing (exit $status)"
	fi
}

header_of_original=-
[ ! -f /usr/include/talloc.h ] || header_of_original=/usr/include/talloc.h
script c-tests/header.sh "$stage/include"
script c-tests/signatures.sh "$stage/include" "$header_of_original"
script c-tests/signatures-ctest2.sh "$stage/include"
script c-tests/abi.sh "$stage/lib/libtalloc.so.2.5.0" "$stage/lib/libtalloc.a"
script c-tests/install.sh
script c-tests/two-libraries.sh "$stage"
script c-tests/oom/oom-all.sh "$stage"
script c-tests/attacks.sh "$stage"
grep -vE '^(ok|not ok|skip) - ' "$work/script.out"
script c-tests/memory-tools.sh "$stage"
script c-tests/profilers.sh "$stage"
script benches/instructions.sh "$stage" check
# The race detector of Rust comes with nightly alone, which is nobody's duty.
if rustup run nightly rustc --version >/dev/null 2>&1; then
	script c-tests/tsan.sh "$stage"
else
	echo "no nightly Rust: the thread tests run without a race detector"
fi
# The same inputs each time; `make soak` looks for new ones.
FUZZ_SEED=${FUZZ_SEED-1}
export FUZZ_SEED
script c-tests/fuzz.sh "${FUZZ_SECONDS-60}"
script c-tests/smbtorture.sh "$stage/lib"

# A fifth of the work of `make check-programs`.
limit=1200
SCALE=${SCALE-20}
export SCALE
script programs/check.sh "$stage"

# ---- random walks beside the original ----------------------------------------

walk() { # SOURCE PROGRAM
	"$cc" -std=gnu11 -O2 -Wall -Wextra -Werror -I"$stage/include" -o "$work/$2" "$1" \
		-L"$stage/lib" -ltalloc >"$work/walk.err" 2>&1
}
if walk c-tests/walk/walk.c walk && walk c-tests/walk/pair.c pair; then
	if [ -n "$reference" ]; then
		script "$work/pair" --calls "${WALK_CALLS-1000000}" "$stage/lib"
		sed -n '/calls/p' "$work/script.out" | head -n 5
	else
		count skip "random walks beside the original: package libtalloc2"
	fi
else
	count "not ok" "the random walk compiles"
	cat "$work/walk.err"
fi

# ---- inside ----------------------------------------------------------------

if timeout 600 cargo test --locked -q >"$work/cargo.out" 2>&1; then
	n=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$work/cargo.out" | paste -sd+ - | sed 's/^$/0/')
	count ok "cargo test ($((n)) tests)"
else
	count "not ok" "cargo test"
	tail -n 20 "$work/cargo.out"
fi

if [ $skipped -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ] || exit 1
[ $skipped -eq 0 ] || [ "${CHECK_STRICT-0}" != 1 ]
