#!/bin/sh
# One C program of the tests: compiled, run, and, if it is for both libraries, run
# on the original, which has to print the same.
#
# usage: program.sh STAGE_DIR SOURCE [on_original]
set -u
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

if [ $# -lt 2 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR SOURCE [on_original]" >&2
	exit 2
fi
stage=$(cd "$1" && pwd) || exit 2
source=$2
cd "$(dirname "$0")/.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
name=$(basename "$source" .c)

if ! "${CC:-cc}" -std=gnu11 -O1 -g -Wall -Wextra -Werror -Ic-tests -I"$stage/include" \
	-o "$work/$name" "$source" "$stage/lib/libtalloc.so.2" -lpthread >"$work/err" 2>&1; then
	echo "not ok - $source compiles"
	cat "$work/err" >&2
	exit 1
fi

# run LIBDIR: what it prints in $work/out; 0 if it is content
run() {
	LD_LIBRARY_PATH=$1 timeout 120 "$work/$name" >"$work/out" 2>"$work/err"
}

run "$stage/lib"
status=$?
checks=$(grep -c '^ok' "$work/out")
if [ $status -ne 0 ] || [ "$checks" -eq 0 ] || grep -q '^not ok' "$work/out"; then
	echo "not ok - $source (exit $status)"
	tail -n 20 "$work/err" >&2
	exit 1
fi
echo "checks: $checks"
echo "ok - $source ($checks checks)"
[ "${3-}" = on_original ] || exit 0
if ! ldconfig -p 2>/dev/null | grep -q 'libtalloc\.so\.2 '; then
	echo "skip - $source on the original: package libtalloc2"
	exit 77
fi
mv "$work/out" "$work/ours"
if run "" && cmp -s "$work/ours" "$work/out"; then
	echo "ok - $source: the original prints the same"
else
	echo "not ok - $source: the original prints the same"
	diff "$work/ours" "$work/out" | head -n 20 >&2
	exit 1
fi
