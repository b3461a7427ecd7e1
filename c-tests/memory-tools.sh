#!/bin/sh
# Under valgrind, AddressSanitizer and UBSan: the tests are clean, and bugs of a
# test program are reported, also inside pools and caches.
#
# usage: memory-tools.sh STAGE_DIR
#
# The sanitizers are those of gcc for the C side. Where a nightly Rust with its
# runtime is installed the Rust side is instrumented too.
set -u
LC_ALL=C
export LC_ALL

. "$(dirname "$0")/results.sh"
take_stage "$@"

# Deep trees and threads have tests of their own kind; faults.c, misuse.c,
# corrupted.c and free_fill.c use freed and overwritten memory to see what comes of
# it, stale_headers.c copies what lies between chunks. Signals by the thousand, limits
# of the address space and times are nothing for a tool.
programs=$(ls c-tests/common/*.c c-tests/ours/*.c c-tests/talloc_test.c |
	grep -v -e /thread_cache -e /depth -e /threads -e /faults -e /misuse -e /corrupted -e /free_fill -e /stale_headers -e /signal_ -e /address_space -e /late_class \
		-e /width -e two_libraries -e dlopen)

build() { # NAME SOURCE LIBRARY FLAGS...
	name=$1
	source=$2
	library=$3
	shift 3
	"$cc" -std=gnu11 -O0 -g -Ic-tests -I"$stage/include" "$@" -o "$work/$name" "$source" \
		"$library" -lpthread -ldl >"$work/$name.log" 2>&1
}

# ---- valgrind ---------------------------------------------------------------

if command -v valgrind >/dev/null 2>&1; then
	for source in $programs; do
		name=$(basename "$(dirname "$source")")-$(basename "$source" .c)
		build "$name" "$source" "$stage/lib/libtalloc.so.2" || {
			check 1 "$source compiles" "$work/$name.log"
			continue
		}
		# Checks of how much fits into a pool do not hold: members lie
		# further apart under a tool. Errors alone count here.
		LD_LIBRARY_PATH=$stage/lib timeout 300 valgrind -q --error-exitcode=99 \
			--child-silent-after-fork=yes --errors-for-leak-kinds=definite \
			--log-file="$work/$name.vg" "$work/$name" >"$work/$name.out" 2>&1
		[ $? -lt 99 ] && [ ! -s "$work/$name.vg" ]
		check $? "valgrind: $source" "$work/$name.vg"
	done
	build walk c-tests/walk/walk.c "$stage/lib/libtalloc.so.2" || exit 1
	for seed in 1 2 3 4 5 6 7 8 9; do # one of each profile
		LD_LIBRARY_PATH=$stage/lib timeout 300 valgrind -q --error-exitcode=99 \
			--child-silent-after-fork=yes --errors-for-leak-kinds=definite \
			--log-file="$work/walk.vg" "$work/walk" $seed 300 >"$work/walk.out" 2>&1 &&
			[ ! -s "$work/walk.vg" ]
		check $? "valgrind: random walk $seed" "$work/walk.vg"
	done
	build bugs c-tests/tools/bugs.c "$stage/lib/libtalloc.so.2" || exit 1
	for bug in $("$work/bugs" list 2>/dev/null || LD_LIBRARY_PATH=$stage/lib "$work/bugs" list); do
		LD_LIBRARY_PATH=$stage/lib timeout 60 valgrind -q --error-exitcode=99 \
			"$work/bugs" "$bug" >"$work/$bug.vg" 2>&1
		[ $? -eq 99 ] && grep -A1 'Invalid write of size 1' "$work/$bug.vg" | grep -q ': touch '
		check $? "valgrind reports $bug" "$work/$bug.vg"
	done
else
	echo "skip - no valgrind (package valgrind)"
fi

# ---- AddressSanitizer and UBSan ---------------------------------------------

sanitize='-fsanitize=address,undefined -fno-sanitize-recover=undefined'
library=$stage/lib/libtalloc.a
host=$(rustc -vV 2>/dev/null | sed -n 's/^host: //p')
how="the C side"
# shellcheck disable=SC2086 # flags are words
if rustup run nightly rustc --version >/dev/null 2>&1 &&
	CARGO_TARGET_DIR=build/asan RUSTFLAGS="-Zsanitizer=address" CFLAGS="$sanitize" \
		rustup run nightly cargo build -q --release --locked --target "$host" \
		>"$work/nightly.log" 2>&1; then
	library=build/asan/$host/release/libtalloc.a
	how="both sides"
fi
echo 'int main(void) { return 0; }' >"$work/empty.c"
# shellcheck disable=SC2086
if ! "$cc" $sanitize -o "$work/empty" "$work/empty.c" 2>/dev/null; then
	echo "skip - no sanitizer runtime for $cc"
	[ $failed -eq 0 ]
	exit
fi

ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0:allocator_may_return_null=1
UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS UBSAN_OPTIONS
for source in $programs; do
	# It looks at freed memory, to see what it was filled with.
	[ "$source" != c-tests/common/free.c ] || continue
	name=$(basename "$(dirname "$source")")-$(basename "$source" .c)-asan
	# shellcheck disable=SC2086
	build "$name" "$source" "$library" $sanitize || {
		check 1 "$source compiles with the sanitizers" "$work/$name.log"
		continue
	}
	timeout 300 "$work/$name" >"$work/$name.out" 2>"$work/$name.err"
	! grep -q -e 'ERROR: AddressSanitizer' -e 'runtime error:' "$work/$name.out" "$work/$name.err"
	check $? "sanitizers, $how: $source" "$work/$name.err"
done
# shellcheck disable=SC2086
build walk-asan c-tests/walk/walk.c "$library" $sanitize || exit 1
for seed in 1 2 3 4 5 6 7 8 9; do
	timeout 300 "$work/walk-asan" $seed 300 >"$work/walk.out" 2>"$work/walk.err"
	status=$?
	[ $status -eq 0 ] && ! grep -q -e 'ERROR: AddressSanitizer' -e 'runtime error:' "$work/walk.err"
	check $? "sanitizers, $how: random walk $seed" "$work/walk.err"
done
# shellcheck disable=SC2086
build bugs-asan c-tests/tools/bugs.c "$library" $sanitize || exit 1
for bug in $("$work/bugs-asan" list); do
	timeout 60 "$work/bugs-asan" "$bug" >"$work/$bug.asan" 2>&1
	[ $? -ne 0 ] && grep -q 'ERROR: AddressSanitizer' "$work/$bug.asan" &&
		grep -q '#0 .* in touch' "$work/$bug.asan"
	check $? "AddressSanitizer reports $bug" "$work/$bug.asan"
done
finish
