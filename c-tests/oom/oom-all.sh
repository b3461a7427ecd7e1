#!/bin/sh
# Does the library survive when memory runs out, and say so as the original does?
#
# usage: oom-all.sh STAGE_DIR [SECONDS]
#
# oom.c has every call that needs memory fail at each of its allocations, here
# and on the original; then walks at random with failures; then all other C
# tests are run with each allocation failing, for about SECONDS (default 1.2) of
# processor time each, and half of that the second time.  All that is done twice: with TALLOC_THREAD_CACHE=0, where
# the library keeps no blocks, so that each failure alone reaches the call; and as
# it comes, where it gives back what it keeps and asks once more, with all
# allocations failing from some point on.  One line per check, those of the second
# time with "kept"; ends with 1 if one of them failed.
set -u
LC_ALL=C.UTF-8
TZ=UTC
unset TALLOC_THREAD_CACHE
export LC_ALL TZ

if [ $# -lt 1 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR [SECONDS]" >&2
	exit 2
fi
stage=$(cd "$1" && pwd) || exit 2
seconds=${2:-1.2}
half=$(awk "BEGIN { print $seconds / 2 }")
here=$(cd "$(dirname "$0")" && pwd) || exit 2
tests=$(dirname "$here")
cc=${CC:-cc}
if ! command -v "$cc" >/dev/null 2>&1; then
	echo "skip - no C compiler"
	exit 77
fi
if ! printf '#include <gnu/libc-version.h>\n' | $cc -E - >/dev/null 2>&1; then
	echo "skip - failing_malloc.c needs glibc"
	exit 77
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

failed=0

report() { # STATUS NAME
	if [ "$1" -eq 0 ]; then
		printf 'ok - %s\n' "$2"
	else
		printf 'not ok - %s\n' "$2"
		head -n 40 "$work/log" | sed 's/^/    /' >&2
		failed=$((failed + 1))
	fi
}

# The library may be built anew while this runs.
cp -RP "$stage/lib" "$stage/include" "$work/" || exit 2
lib=$work/lib
flags="-std=gnu11 -O1 -g -Wall -Wextra -Werror"

# shellcheck disable=SC2086
{
	$cc $flags -shared -fPIC -o "$work/failing_malloc.so" "$here/failing_malloc.c" -ldl -lpthread &&
		$cc $flags -I"$work/include" -o "$work/oom" "$here/oom.c" "$lib/libtalloc.so.2" -ldl
} >"$work/log" 2>&1
status=$?
report $status "it compiles"
[ $status -eq 0 ] || exit 1

# ---- is every allocation seen? ------------------------------------------------

# What fails are malloc, calloc, realloc, mmap and mprotect.  Whatever else could get
# memory is not to be imported.
nm -D --undefined-only "$lib/libtalloc.so.2" | sed 's/.* //; s/@.*//' |
	grep -E '^(.*alloc|.*alloc(64|array|_aligned)|.*memalign|cfree|free|.*strn?dup.*|.*asprintf.*|getline|getw?delim|mmap.*|munmap|mremap|mprotect|pkey_.*|madvise|shm.*|memfd_.*|s?brk|open_w?memstream|fmemopen|f?open.*|fdopen|tmpfile.*|scandir.*|getcwd|realpath|qsort)$' |
	sort >"$work/imported"
printf '%s\n' free malloc mmap mprotect munmap realloc | diff - "$work/imported" >"$work/log"
report $? "the library gets memory from malloc, calloc and realloc, and from mmap for its own records, what it keeps and reports: it calls$(sed 's/^/ /' "$work/imported" | tr -d '\n')"

# By name, or looked up because the original does not have it.
{
	nm -D --undefined-only "$work/oom" | sed 's/.* //; s/@.*//'
	sed -n 's/.*dlsym(.*"\(_*talloc[a-z_]*\)").*/\1/p; s/^[^"]*"\(_*talloc[a-z_]*\)");$/\1/p' "$here/oom.c"
} | sort -u >"$work/used"
cut -d' ' -f1 "$tests/abi/exports.txt" | sort | comm -23 - "$work/used" >"$work/log"
[ ! -s "$work/log" ]
report $? "oom.c calls every function there is ($(wc -l <"$tests/abi/exports.txt"))"

# ---- the scenarios --------------------------------------------------------------

preloaded() { # LIBDIR ARGUMENTS...
	dir=$1
	shift
	LD_LIBRARY_PATH=$dir LD_PRELOAD=$work/failing_malloc.so timeout 60 "$work/oom" "$@"
}

# The first time no block is kept, the second time blocks are.
keep() { # TURN
	case $1 in
	first)
		when='' all='' budget=$seconds
		TALLOC_THREAD_CACHE=0
		export TALLOC_THREAD_CACHE
		;;
	second)
		when='kept, ' all=+ budget=$half
		unset TALLOC_THREAD_CACHE
		;;
	esac
}

for turn in second first; do
	keep "$turn"
	preloaded "$lib" >"$work/ours" 2>"$work/log"
	status=$?
	grep -E '^(not )?ok - ' "$work/ours" | sed "s/ok - /&$when/"
	bad=$(grep -c '^not ok' "$work/ours")
	failed=$((failed + bad))
	[ "$bad" -eq 0 ] || head -n 40 "$work/log" | sed 's/^/    /' >&2
	[ $status -eq 0 ] || [ "$bad" -gt 0 ]
	report $? "${when}all scenarios: $(sed -n 's/^# //p' "$work/ours")"
done

reference=$(ldconfig -p 2>/dev/null | sed -n 's/.*libtalloc\.so\.2 .*=> //p' | head -n 1)
if [ -z "$reference" ]; then
	echo "skip - the scenarios on the original: package libtalloc2"
else
	# Each line that the original prints, its excuses aside, is one of ours.
	preloaded "$(dirname "$reference")" >"$work/theirs" 2>"$work/log"
	status=$?
	grep '^ok - ' "$work/ours" | sort >"$work/ours-sorted"
	grep -v '^excuse\|^#' "$work/theirs" | sort | comm -13 "$work/ours-sorted" - >>"$work/log"
	n=$(grep -c '^ok - ' "$work/theirs")
	grep -v '^excuse\|^#' "$work/theirs" | sort | comm -13 "$work/ours-sorted" - >"$work/other"
	[ $status -eq 0 ] && [ "$n" -gt 50 ] && [ ! -s "$work/other" ]
	report $? "the original answers the same in $n scenarios"
	sed -n 's/^excuse - .*: //p' "$work/theirs" | sort | uniq -c |
		while read -r cases why; do
			echo "ok - excused: the original $why ($cases cases)"
		done
fi

for turn in first second; do
	keep "$turn"
	preloaded "$lib" -w 200 >"$work/walks" 2>"$work/log"
	status=$?
	text=$(sed 's/^[a-z ]* - //' "$work/walks")
	report $status "$when${text:-random walks}"
done

# ---- all other tests ---------------------------------------------------------------

if [ "$(uname -m)" != x86_64 ]; then
	echo "skip - the other tests: the stubs of verdict.c are for x86-64"
	[ $failed -eq 0 ] && exit 77
	exit 1
fi
sed 's/^\([a-z_]*\) .*/STUB(\1)/' "$tests/abi/exports.txt" >"$work/stubs.h"
# shellcheck disable=SC2086
{
	$cc $flags -I"$work" -shared -fPIC -o "$work/verdict.so" "$here/verdict.c" \
		"$here/failing_malloc.c" -ldl -lpthread &&
		$cc $flags -o "$work/each" "$here/each.c"
} >"$work/log" 2>&1
report $? "verdict.c and each.c compile"

for source in "$tests"/common/*.c "$tests/talloc_test.c"; do
	name=${source#"$tests/"}
	program=$work/$(printf '%s' "$name" | tr / -)
	# shellcheck disable=SC2086
	if ! $cc $flags -I"$tests" -I"$work/include" -o "$program" "$source" \
		"$lib/libtalloc.so.2" -lpthread >"$work/log" 2>&1; then
		report 1 "$name compiles"
		continue
	fi
	for turn in first second; do
		keep "$turn"
		# shellcheck disable=SC2086
		LD_LIBRARY_PATH=$lib "$work/each" "$budget" "$work/verdict.so" "$name" \
			"$program" $all >"$work/each.out" 2>"$work/log"
		status=$?
		text=$(sed 's/^[a-z ]* - //' "$work/each.out")
		report $status "$when${text:-$name}"
	done
done

[ $failed -eq 0 ]
