#!/bin/sh
# The thread tests under ThreadSanitizer, with the library instrumented as well.
#
# usage: tsan.sh STAGE_DIR
#
# Needs a nightly rustc with the sanitizer's runtime; says "skip" and exits with
# 77 where there is none. Prints one line "ok - NAME" or "not ok - NAME" a test.
set -u
LC_ALL=C.UTF-8
export LC_ALL

if [ $# -ne 1 ] || [ ! -f "$1/include/talloc.h" ]; then
	echo "usage: $0 STAGE_DIR, where \`make stage\` has installed the header" >&2
	exit 2
fi
stage=$(cd "$1" && pwd)
cd "$(dirname "$0")/.." || exit 2
target=$(rustc -vV 2>/dev/null | sed -n 's/^host: //p')

skip() {
	echo "skip - ThreadSanitizer: $*"
	exit 77
}

command -v rustup >/dev/null 2>&1 && rustup run nightly rustc --version >/dev/null 2>&1 ||
	skip "no nightly rustc"
# Older C compilers have a runtime without all that rustc's code calls: link this.
libdir=$(rustup run nightly rustc --print target-libdir)
runtime=$(ls "$libdir"/*_rt.tsan.a 2>/dev/null | head -n 1)
[ -n "$runtime" ] || skip "nightly rustc has no runtime for it"
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

link_with() { # cc, object, ..., -o program
	linker=$1
	shift
	"$linker" "$@" -Wl,--whole-archive "$runtime" -Wl,--no-whole-archive \
		-Wl,--export-dynamic -lpthread -ldl -lm -lrt
}

cc=
echo 'int main(void) { return 0; }' >"$work/try.c"
for candidate in ${TSAN_CC-} clang gcc; do
	if "$candidate" -fsanitize=thread -c -o "$work/try.o" "$work/try.c" 2>/dev/null &&
		link_with "$candidate" "$work/try.o" -o "$work/try" 2>/dev/null &&
		timeout 60 "$work/try" 2>/dev/null; then
		cc=$candidate
		break
	fi
done
# It does not run where addresses are more random than it expects, for one.
[ -n "$cc" ] || skip "no C compiler makes a program of it that runs here"

# Only this crate is instrumented, and its C files. `core` is not: it has no
# memory of its own, and what of it is inlined is instrumented here.
lib=build/tsan/$target/release/libtalloc.a
if ! CARGO_TARGET_DIR=build/tsan CC=$cc CFLAGS="-fsanitize=thread ${CFLAGS-}" \
	RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
	rustup run nightly cargo build --release --locked -q --target "$target" \
	>"$work/cargo.log" 2>&1; then
	echo "not ok - ThreadSanitizer: the library compiles"
	tail -n 20 "$work/cargo.log" >&2
	exit 1
fi
nm "$lib" 2>/dev/null | grep -q __tsan_write8 || {
	echo "not ok - ThreadSanitizer: the library is instrumented"
	exit 1
}

failed=0

# build NAME SOURCE [-D...]
build() {
	name=$1
	source=$2
	shift 2
	"$cc" -std=gnu11 -O1 -g -fsanitize=thread -DUNDER_TSAN -Ic-tests -I"$stage/include" \
		"$@" -c -o "$work/$name.o" "$source" >"$work/$name.err" 2>&1 &&
		link_with "$cc" "$work/$name.o" "$lib" -o "$work/$name" >>"$work/$name.err" 2>&1
}

# try SOURCE [-D...]
try() {
	name=$(basename "$1" .c)
	if ! build "$name" "$@"; then
		echo "not ok - $1 compiles"
		tail -n 20 "$work/$name.err" >&2
		failed=1
		return
	fi
	TSAN_OPTIONS="exitcode=66 halt_on_error=0 atexit_sleep_ms=0 second_deadlock_stack=1" \
		timeout 300 "$work/$name" >"$work/$name.out" 2>"$work/$name.err"
	status=$?
	if [ $status -ne 0 ] || ! grep -q '^ok' "$work/$name.out" ||
		grep -q '^not ok' "$work/$name.out" || grep -q ThreadSanitizer "$work/$name.err"; then
		echo "not ok - $1 under ThreadSanitizer (exit $status)"
		grep '^not ok' "$work/$name.out" >&2
		head -n 60 "$work/$name.err" >&2
		failed=1
	else
		echo "ok - $1 under ThreadSanitizer ($(grep -c '^ok' "$work/$name.out") checks)"
	fi
}

# That a race in the library would be seen: a tree in two hands is one.
cat >"$work/race.c" <<'RACE'
#include <pthread.h>
#include <talloc.h>
static void *add(void *ctx)
{
	int i;
	for (i = 0; i < 1000; i++)
		talloc_named_const(ctx, 1, "one");
	return ctx;
}
int main(void)
{
	pthread_t thread;
	void *ctx = talloc_named_const(NULL, 0, "ctx");
	pthread_create(&thread, NULL, add, ctx);
	talloc_total_blocks(ctx);
	talloc_get_name(ctx);
	talloc_set_name_const(ctx, "other");
	pthread_join(thread, NULL);
	talloc_named_const(ctx, 1, "one");
	return 0;
}
RACE
build race "$work/race.c" &&
	TSAN_OPTIONS="exitcode=66" timeout 60 "$work/race" >/dev/null 2>"$work/race.err"
if [ $? -eq 66 ] && grep -q 'data race' "$work/race.err"; then
	echo "ok - a tree in the hands of two threads is reported"
else
	echo "not ok - a tree in the hands of two threads is reported"
	failed=1
fi

try c-tests/ours/threads.c -DROUNDS=20000
try c-tests/ours/threads_trees.c -DSTEPS=20000 -DHANDOVERS=5000
try c-tests/ours/threads_top.c -DSTEPS=3000
try c-tests/ours/threads_many.c -DCOUNT=3000
try c-tests/ours/threads_fork.c -DFORKS=100
exit $failed
