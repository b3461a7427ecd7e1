#!/bin/sh
# Instructions per operation, on this library and on the original: the same
# number each time, whatever else the machine does.
#
# usage: ops.sh STAGE_DIR        (`make ops` calls it)
set -eu
LC_ALL=C
export LC_ALL
if [ $# -ne 1 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR, where \`make stage\` has installed the library" >&2
	exit 2
fi
command -v valgrind >/dev/null 2>&1 || {
	echo "$0 needs valgrind" >&2
	exit 2
}
stage=$(cd "$1" && pwd)
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CC:-cc}" -O2 -I"$stage/include" -o "$work/ops" ops.c "$stage/lib/libtalloc.so.2"

instructions() { # LIBDIR WORKLOAD COUNT
	LD_LIBRARY_PATH=$1 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		"$work/ops" "$2" "$3" 2>&1 | sed -n 's/.*refs: *//p' | tr -d ,
}

per_op() { # LIBDIR WORKLOAD: without what start and end cost
	echo $((($(instructions "$1" "$2" 3000) - $(instructions "$1" "$2" 1000)) / 2000))
}

original=
ldconfig -p 2>/dev/null | grep -q 'libtalloc\.so\.2 ' && original=yes
printf '%-12s %8s %8s %6s\n' workload ours original ratio
for workload in $(LD_LIBRARY_PATH=$stage/lib "$work/ops" list); do
	ours=$(per_op "$stage/lib" "$workload")
	theirs=-
	ratio=-
	if [ -n "$original" ]; then
		theirs=$(per_op "" "$workload")
		ratio=$(awk "BEGIN { printf \"%.2f\", $ours / $theirs }")
	fi
	printf '%-12s %8s %8s %6s\n' "$workload" "$ours" "$theirs" "$ratio"
done
