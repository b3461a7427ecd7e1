#!/bin/sh
# Memory of a small process, here and on the original, in pairs of runs: the means, since
# how many pages of a file the kernel maps depends on where it lies.
#
# usage: memory.sh STAGE_DIR table     KiB: resident, proportional, written
#        memory.sh STAGE_DIR check     what is written: ok, not ok
#
# "Written" are the pages that the process has for itself. Those of the library's file are
# shared by all processes.
set -eu
LC_ALL=C
export LC_ALL

case $#-${2-} in
2-table | 2-check) ;;
*)
	echo "usage: $0 STAGE_DIR table|check" >&2
	exit 2
	;;
esac
if [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "$0: no lib/libtalloc.so.2 in $1: make stage" >&2
	exit 2
fi
stage=$(cd "$1" && pwd)
what=$2
cd "$(dirname "$0")"
if ! ldconfig -p 2>/dev/null | grep -q 'libtalloc\.so\.2 '; then
	echo "skip - memory of a small process: package libtalloc2"
	exit 77
fi
if ! grep -q '^Private_Dirty:' /proc/self/smaps 2>/dev/null; then
	echo "skip - memory of a small process: no smaps here"
	exit 77
fi
unset TALLOC_FREE_FILL TALLOC_THREAD_CACHE LD_PRELOAD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
"${CC:-cc}" -std=gnu11 -O2 -I"$stage/include" -o "$work/memory" memory.c \
	-Wl,--no-as-needed "$stage/lib/libtalloc.so.2"

runs=24
# one LIBDIR ROUNDS: resident, proportional and written KiB
one() {
	LD_LIBRARY_PATH=$1 "$work/memory" "$2" >"$work/smaps"
	awk '/^Rss:/ { r += $2 } /^Pss:/ { p += $2 } /^Private_Dirty:/ { d += $2 }
		END { print r, p, d }' "$work/smaps"
}
# What may be written more than by the original, KiB: a page of magazines, and as much for
# the stack, which takes a page more or less from run to run.
more=8
failed=0
for rounds in 0 3 300; do
	run=0
	while [ $run -lt $runs ]; do
		one "$stage/lib" $rounds >>"$work/ours.$rounds"
		one "" $rounds >>"$work/original.$rounds"
		run=$((run + 1))
	done
	figures=$(cat "$work/ours.$rounds" "$work/original.$rounds" | awk -v n=$runs '
		{ for (i = 1; i <= 3; i++) sum[NR > n, i] += $i }
		END { for (i = 1; i <= 3; i++) printf "%.0f %.0f ", sum[0, i] / n, sum[1, i] / n }')
	set -- $figures
	if [ $what = table ]; then
		echo "$rounds rounds: resident $1 here, $2 original; proportional $3, $4; written $5, $6"
	elif [ "$5" -gt 0 ] && [ "$5" -le $(($6 + more)) ]; then
		echo "ok - memory of a small process, $rounds rounds: $5 KiB written, original $6"
	else
		echo "not ok - memory of a small process, $rounds rounds: $5 KiB written, original $6"
		failed=1
	fi
done
exit $failed
