#!/bin/sh
# Random walks on this library and the original for so many minutes, with
# progress on the terminal, then fuzzing for a tenth of that.
#
# usage: soak.sh STAGE_DIR MINUTES        (`make soak MINUTES=n` calls it)
set -u

case ${2-} in
'' | *[!0-9]* | 0)
	echo "usage: $0 STAGE_DIR MINUTES (a whole number)" >&2
	exit 2
	;;
esac
if [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "$0: no lib/libtalloc.so.2 in $1: make stage" >&2
	exit 2
fi
stage=$(cd "$1" && pwd)
cd "$(dirname "$0")/.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cc=${CC:-cc}
"$cc" -std=gnu11 -O2 -I"$stage/include" -o "$work/walk" c-tests/walk/walk.c \
	-L"$stage/lib" -ltalloc || exit 2
"$cc" -std=gnu11 -O2 -o "$work/pair" c-tests/walk/pair.c || exit 2
"$work/pair" --minutes "$2" "$stage/lib"
walks=$?
sh c-tests/fuzz.sh $(($2 * 6))
fuzz=$?
[ $walks -eq 0 ] && { [ $fuzz -eq 0 ] || [ $fuzz -eq 77 ]; }
