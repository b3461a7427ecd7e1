#!/bin/sh
# Random walks on this library and on the original, transcripts compared.
#
# usage: walk.sh STAGE_DIR [CALLS]
set -u
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

if [ $# -lt 1 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR [CALLS]" >&2
	exit 2
fi
stage=$(cd "$1" && pwd) || exit 2
cd "$(dirname "$0")" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

for name in walk pair; do
	if ! "${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Werror -I"$stage/include" \
		-o "$work/$name" $name.c -L"$stage/lib" -ltalloc >"$work/err" 2>&1; then
		echo "not ok - $name.c compiles"
		cat "$work/err" >&2
		exit 1
	fi
done
if ! ldconfig -p 2>/dev/null | grep -q 'libtalloc\.so\.2 '; then
	echo "skip - random walks beside the original: package libtalloc2"
	exit 77
fi
"$work/pair" --calls "${2:-1000000}" "$stage/lib" >"$work/out"
status=$?
grep -E '^(ok|not ok) - ' "$work/out"
# What differs, and the calls that show it.
[ $status -eq 0 ] || grep -vE '^(ok|not ok) - ' "$work/out" | tail -n 60 >&2
exit $status
