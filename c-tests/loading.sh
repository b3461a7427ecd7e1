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

. "$(dirname "$0")/results.sh"
take_stage "$@"
unset LD_LIBRARY_PATH LD_PRELOAD
flags="-std=gnu11 -O1 -g -Wall -Wextra -Werror"
library=$stage/lib/libtalloc.so.2
original=$(original_library)

for program in reload last namespaces static_tls; do
	# shellcheck disable=SC2086 # flags are words
	$cc $flags -o "$work/$program" c-tests/two-libraries/$program.c -ldl -lpthread \
		>"$work/err" 2>&1 || {
		check 1 "$program compiles" "$work/err"
		exit 1
	}
done

# ---- loaded and let go -----------------------------------------------------------

# Blocks in the C library's own cache of a thread count as in use: it is off.
GLIBC_TUNABLES=glibc.malloc.tcache_count=0
export GLIBC_TUNABLES
try 60 "$work/reload" "$library"
unset GLIBC_TUNABLES
try 60 "$work/last" "$library"

# ---- thread-local storage ----------------------------------------------------------

if command -v readelf >/dev/null 2>&1; then
	# the sixth column of the segment's line is its size in memory
	size=$(readelf -lW "$library" | awk '$1 == "TLS" { print $6 }')
	[ $((${size:-0})) -le 8 ]
	check $? "at most 8 bytes of static thread-local storage ($((${size:-0})))"
else
	skip "size of thread-local storage: package binutils"
fi

ours=$("$work/namespaces" "$library" 2>"$work/err")
check $? "copies in namespaces of their own work"
if [ -n "$original" ]; then
	theirs=$("$work/namespaces" "$original" 2>"$work/err")
	[ -n "$theirs" ] && [ "${ours:-0}" -ge "$theirs" ]
	check $? "as many copies in namespaces as of the original (${ours:-none}, $theirs)"
else
	skip "copies in namespaces, of the original: package libtalloc2"
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
	plugin "p$bytes" $bytes || check 1 "a plugin compiles"
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
check $? "loads when others have taken the room for thread-local storage ($loaded plugins, $refused refused)"

finish
