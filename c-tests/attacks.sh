#!/bin/sh
# Is a corrupted heap caught, and not obeyed?
#
# usage: attacks.sh STAGE_DIR
#
# Overwrites headers and looks at what the library makes of it, here and on the
# original; and reads some, and computes. Prints the tables, and one line per check;
# ends with 1 if one failed. ATTACKS=1000 makes all attacks of one word, not 30 in 1000;
# ATTACKS_SEED picks others.
set -u
LC_ALL=C.UTF-8
export LC_ALL

. "$(dirname "$0")/results.sh"
take_stage "$@"

build() { # PROGRAM
	"$cc" -std=gnu11 -O1 -g -Wall -Wextra -Werror -I"$stage/include" -o "$work/$1" \
		"c-tests/attack/$1.c" "$stage/lib/libtalloc.so.2" >"$work/err" 2>&1 && return
	check 1 "$1 compiles" "$work/err"
	return 1
}

# The table to stdout; the worst of what went through to stderr, if it matters.
attack() { # PROGRAM LIBDIR TITLE [FLAG...]
	program=$1
	libdir=$2
	title=$3
	shift 3
	LD_LIBRARY_PATH=$libdir timeout 600 "$work/$program" -v "$@" "$title" \
		>"$work/$program.out" 2>"$work/err"
	status=$?
	grep -v '^  ' "$work/$program.out"
	# what is no finding of the suite is a fault of it
	[ $status -le 1 ] || cat "$work/err" >&2
	return $status
}

worst() { # PROGRAM
	for verdict in ran written crashed hung; do
		grep "^  $verdict" "$work/$1.out"
	done | head -n 20 >&2
}

if build any_layout; then
	original=$(original_library)
	if [ -z "$original" ]; then
		skip "attacks on the original: package libtalloc2"
	else
		# Attacks that never succeed would prove nothing.
		attack any_layout "$(dirname "$original")" "the original"
		[ $? -eq 1 ] && grep -q '^  ran: heap' "$work/any_layout.out" &&
			grep -q '^  written: pool' "$work/any_layout.out"
		check $? "the attacks are real: some succeed on the original"
	fi
	attack any_layout "$stage/lib" "this library"
	check $? "one word of a header overwritten: caught, or without effect"
	worst any_layout
	attack any_layout "$stage/lib" "abort function returns" -r
	check $? "the same when the abort function returns: the call fails, nothing else"
	worst any_layout
fi
if build our_layout; then
	attack our_layout "$stage/lib" "this library, by its source" \
		-n "${ATTACKS:-30}" -s "${ATTACKS_SEED:-1}"
	check $? "the blind writer: nothing runs, nothing is written, no crash but on a wild read"
	worst our_layout
fi
if build reader; then
	attack reader "$stage/lib" "this library, by one who reads"
	check $? "the reader who computes: one header is worth no more than a guess"
fi
finish
