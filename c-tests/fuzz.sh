#!/bin/sh
# Coverage-guided fuzzing: libFuzzer on fuzz/fuzz.c, in which bytes are calls.
#
# usage: fuzz.sh [SECONDS]      first the corpus, then so long new inputs (60)
#        fuzz.sh -p FILE        the calls that an input stands for
#        fuzz.sh -m             a new small corpus out of it and what was found
#
# The library is compiled with counters that libFuzzer reads, its calls of malloc
# are renamed to those of fuzz.c. Everything is in build/fuzz; inputs that crash
# stay there. FUZZ_SEED=n repeats a run as far as timing allows.
set -u
LC_ALL=C
# The target counts blocks, and looks into freed ones: none may be kept.
TALLOC_THREAD_CACHE=0
export LC_ALL TALLOC_THREAD_CACHE

cd "$(dirname "$0")/.." || exit 2
top=$PWD
build=$top/build/fuzz
corpus=$top/c-tests/fuzz/corpus
longest=300                      # bytes of an input

skip() {
	echo "skip - fuzzing: $1"
	exit 77
}

fail() { # TEXT [LOG]
	echo "not ok - $1"
	[ $# -lt 2 ] || tail -n 20 "$2" >&2
	exit 1
}

# ---- build -------------------------------------------------------------------

mkdir -p "$build/found" "$build/crashes" || exit 2
command -v cargo >/dev/null 2>&1 || skip "no cargo (rustup)"
command -v objcopy >/dev/null 2>&1 || skip "no objcopy (Debian package binutils)"
echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return p[n]; }' \
	>"$build/try.c"
clang -fsanitize=fuzzer -w -o "$build/try" "$build/try.c" >/dev/null 2>&1 ||
	skip "clang has no libFuzzer (Debian packages clang, libclang-rt-14-dev)"
host=$(rustc -vV | sed -n 's/^host: //p')

# --target, so that build.rs is not instrumented; rustc has had these options
# under -C since long, they need no nightly.
pass='-Cllvm-args=-sanitizer-coverage'
env -u CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR="$build" CARGO_PROFILE_RELEASE_LTO=off \
	CC=clang CFLAGS=-fsanitize=fuzzer-no-link \
	RUSTFLAGS="-Cpasses=sancov-module $pass-level=4 $pass-inline-8bit-counters $pass-pc-table $pass-trace-compares" \
	cargo build --release --locked --target "$host" >"$build/cargo.log" 2>&1 ||
	fail "the library builds for fuzzing" "$build/cargo.log"
objcopy --redefine-sym malloc=fuzz_malloc --redefine-sym realloc=fuzz_realloc \
	--redefine-sym free=fuzz_free --redefine-sym malloc_usable_size=fuzz_usable_size \
	"$build/$host/release/libtalloc.a" "$build/libtalloc.a" ||
	fail "objcopy"
clang -std=gnu11 -O1 -g -Wall -Wextra -Werror -fsanitize=fuzzer -Iinclude -o "$build/fuzz" \
	c-tests/fuzz/fuzz.c "$build/libtalloc.a" >"$build/clang.log" 2>&1 ||
	fail "fuzz.c compiles" "$build/clang.log"

# ---- run ---------------------------------------------------------------------

calls_of() { # INPUT
	FUZZ_TRACE=1 timeout 60 "$build/fuzz" -timeout=20 "$1" 2>&1 |
		grep -v -e '^INFO: ' -e '^NOTE: ' -e '^Combine' -e '^SUMMARY: ' -e '^Running: ' \
			-e '^Executed ' -e '^\*\*\*' -e 'Running 1 inputs' \
			-e 'in fuzzer::' -e '/nptl/' -e '/csu/' -e '/stdlib/'
}

crashed() { # what happened, its log
	found=$(sed -n 's/.*Test unit written to //p' "$2" | head -n 1)
	if [ -n "$found" ]; then
		# Shorter, if half a minute is enough for that.
		"$build/fuzz" -minimize_crash=1 -runs=100000 -timeout=10 -max_total_time=30 \
			-exact_artifact_path="$found.min" "$found" >/dev/null 2>&1
		[ ! -s "$found.min" ] || found=$found.min
		echo "input ${found#"$top"/}, its calls (fuzz.sh -p shows them again):" >&2
		calls_of "$found" >&2
		fail "$1"
	fi
	fail "$1" "$2"
}

limits="-max_len=$longest -rss_limit_mb=512 -timeout=10 -artifact_prefix=$build/crashes/"
case ${1:-60} in
-p)
	[ -f "${2-}" ] || fail "there is a file to print"
	calls_of "$2"
	exit
	;;
-m)
	# Only which code is reached counts, not how often: that is what makes it small.
	rm -rf "$build/small"
	mkdir "$build/small"
	# shellcheck disable=SC2086 # words
	"$build/fuzz" $limits -use_counters=0 -set_cover_merge=1 "$build/small" "$corpus" \
		"$build/found" >"$build/merge.log" 2>&1 || fail "the corpus is merged" "$build/merge.log"
	rm -rf "$corpus"
	cp -R "$build/small" "$corpus"
	echo "ok - corpus: $(ls "$corpus" | wc -l) inputs, $(cat "$corpus"/* | wc -c) bytes"
	exit
	;;
*[!0-9]*)
	echo "usage: $0 [SECONDS | -p FILE | -m]" >&2
	exit 2
	;;
esac
seconds=${1:-60}

count=$(ls "$corpus" | wc -l)
# shellcheck disable=SC2086
"$build/fuzz" $limits -runs=0 "$corpus" >"$build/corpus.log" 2>&1 ||
	crashed "the corpus ($count inputs)" "$build/corpus.log"
echo "ok - the corpus ($count inputs)"

# What is found stays for the next run, beside the corpus.
# shellcheck disable=SC2086
"$build/fuzz" $limits -seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -print_final_stats=1 \
	"$build/found" "$corpus" >"$build/fuzz.log" 2>&1 ||
	crashed "fuzzing for $seconds seconds" "$build/fuzz.log"
stat() {
	sed -n "s/^stat::$1: *//p" "$build/fuzz.log"
}
covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$build/fuzz.log" | tail -n 1)
echo "ok - fuzzing for $seconds seconds: $(stat number_of_executed_units) inputs," \
	"$(stat average_exec_per_sec) a second, $covered places in the code"
