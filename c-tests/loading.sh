#!/bin/sh
# What the library costs whoever loads it: the loader's room for thread-local storage,
# and memory each time that it is let go while threads go on.
#
# usage: loading.sh STAGE_DIR
#
# Prints "ok", "not ok" and "skip" lines; exits with 77 if something was skipped and
# nothing is wrong.
set -u
LC_ALL=C.UTF-8
export LC_ALL

if [ $# -ne 1 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR, where \`make stage\` has installed the library" >&2
	exit 2
fi
stage=$(cd "$1" && pwd)
cd "$(dirname "$0")/.." || exit 2
unset LD_LIBRARY_PATH LD_PRELOAD
cc=${CC:-cc}
flags="-std=gnu11 -O1 -g -Wall -Wextra -Werror"
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
library=$stage/lib/libtalloc.so.2
original=$(ldconfig -p 2>/dev/null | sed -n 's/.*libtalloc\.so\.2 .*=> //p' | head -n 1)
failed=0
skipped=0

report() { # STATUS NAME
	if [ "$1" -eq 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
		failed=1
	fi
}

for program in reload last namespaces static_tls; do
	# shellcheck disable=SC2086 # flags are words
	$cc $flags -o "$work/$program" c-tests/two-libraries/$program.c -ldl -lpthread \
		>"$work/err" 2>&1 || {
		report 1 "$program compiles"
		cat "$work/err" >&2
		exit 1
	}
done

# ---- loaded and let go -----------------------------------------------------------

# Blocks in the C library's own cache of a thread count as in use: it is off.
GLIBC_TUNABLES=glibc.malloc.tcache_count=0 timeout 60 "$work/reload" "$library" >"$work/out" 2>"$work/err"
status=$?
grep -E '^(ok|not ok) - ' "$work/out"
if [ $status -ne 0 ]; then
	grep -q '^not ok' "$work/out" || report 1 "reload (exit $status)"
	cat "$work/err" >&2
	failed=1
fi

timeout 60 "$work/last" "$library" >"$work/out" 2>"$work/err"
status=$?
grep -E '^(ok|not ok) - ' "$work/out"
if [ $status -ne 0 ]; then
	grep -q '^not ok' "$work/out" || report 1 "last (exit $status)"
	cat "$work/err" >&2
	failed=1
fi

# ---- thread-local storage ----------------------------------------------------------

if command -v readelf >/dev/null 2>&1; then
	# the sixth column of the segment's line is its size in memory
	size=$(readelf -lW "$library" | awk '$1 == "TLS" { print $6 }')
	[ $((${size:-0})) -le 8 ]
	report $? "at most 8 bytes of static thread-local storage ($((${size:-0})))"
else
	echo "skip - size of thread-local storage: package binutils"
	skipped=1
fi

ours=$("$work/namespaces" "$library" 2>"$work/err")
report $? "copies in namespaces of their own work"
if [ -n "$original" ]; then
	theirs=$("$work/namespaces" "$original" 2>"$work/err")
	[ -n "$theirs" ] && [ "${ours:-0}" -ge "$theirs" ]
	report $? "as many copies in namespaces as of the original (${ours:-none}, $theirs)"
else
	echo "skip - copies in namespaces, of the original: package libtalloc2"
	skipped=1
fi

# Plugins that take all the room there is, in the end in steps of 8 bytes: the library
# loads as long as there are 8 bytes.
plugin() { # NAME BYTES
	printf '%s\n' '__attribute__((tls_model("initial-exec"))) __thread char block[SIZE];' \
		'char *tls_block(void) { return block; }' |
		"$cc" -shared -fPIC -O1 -DSIZE="$2" -o "$work/$1.so" -x c - 2>"$work/err"
}
plugins=
for bytes in 512 64 8; do
	plugin "p$bytes" $bytes || report 1 "a plugin compiles"
	for n in 1 2 3 4 5 6 7 8 9; do
		cp "$work/p$bytes.so" "$work/p$bytes-$n.so"
		[ $bytes -eq 8 ] || plugins="$plugins $work/p$bytes-$n.so"
	done
done
refused=0
before=none
for n in 1 2 3 4 5 6 7 8 9; do
	# shellcheck disable=SC2086
	"$work/static_tls" "$library" $plugins >"$work/out" 2>"$work/err" ||
		refused=$((refused + 1))
	plugins="$plugins $work/p8-$n.so"
	loaded=$(sed 's/[^0-9].*//' "$work/out")
	[ "$loaded" != "$before" ] || break
	before=$loaded
done
# without any room left it may fail: the last of them, and the one that found no more
[ "$before" != none ] && [ $refused -le 2 ]
report $? "loads when others have taken the room for thread-local storage ($loaded plugins, $refused refused)"

[ $failed -eq 0 ] || exit 1
[ $skipped -eq 0 ] || exit 77
