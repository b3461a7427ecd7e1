#!/bin/sh
# Runs the original's own test program on this library.
#
# usage: run.sh TALLOC_SRC STAGE_DIR
#
# TALLOC_SRC  the original's source folder, the one with testsuite.c
# STAGE_DIR   where this library was installed: talloc.h and libtalloc.so.2
#             are somewhere below
#
# Nothing of TALLOC_SRC but its test programs and the headers beside them is
# used: they are copied first, all but talloc.h, so that it is not found.
set -u
LC_ALL=C
export LC_ALL

die() {
	echo "$0: $1" >&2
	exit 2
}

[ $# -eq 2 ] || die "usage: $0 TALLOC_SRC STAGE_DIR"
src=$1
stage=$2
here=$(cd "$(dirname "$0")" && pwd) || exit 2
[ -n "$src" ] || die "TALLOC_SRC is empty: the folder with the original's testsuite.c"
[ -d "$src" ] || die "TALLOC_SRC: no such folder: $src"
if [ ! -f "$src/testsuite.c" ]; then
	[ ! -f "$src/lib/talloc/testsuite.c" ] ||
		die "TALLOC_SRC: no testsuite.c in $src (but in $src/lib/talloc: take that)"
	die "TALLOC_SRC: no testsuite.c in $src"
fi
[ -d "$stage" ] || die "STAGE_DIR: no such folder: $stage"
stage=$(cd "$stage" && pwd) || exit 2
header=$(find "$stage" -name talloc.h | head -n 1)
[ -n "$header" ] || die "STAGE_DIR: no talloc.h below $stage"
library=$(find "$stage" -name libtalloc.so.2 | head -n 1)
[ -n "$library" ] || die "STAGE_DIR: no libtalloc.so.2 below $stage"
libdir=$(dirname "$library")
cc=${CC:-cc}
command -v "$cc" >/dev/null 2>&1 || die "no C compiler: $cc"

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

for file in "$src"/*.h "$src/testsuite.c" "$src/testsuite_main.c" "$src/talloc_test.c"; do
	case $file in
	*/talloc.h | */replace.h | */config.h) ;; # ours
	*) [ ! -f "$file" ] || cp "$file" "$work/" || exit 2 ;;
	esac
done

failed=0

# own SOURCE: -D for each helper that the source has a function of its own for
own() {
	for helper in timeval_current timeval_elapsed timeval_elapsed2; do
		# where a line begins with a definition, not inside of one
		if grep -Eq "^([A-Za-z_][^=;\"]*[^A-Za-z0-9_])?$helper[[:space:]]*\(" \
			"$work/$1"; then
			echo "-DOWN_$helper"
		fi
	done
}

# build PROGRAM SOURCE...
build() {
	program=$1
	shift
	# Old code: its warnings are not ours, and are shown only if it does not
	# compile. But what is declared nowhere must not wait for the linker.
	# --as-needed: a program that uses nothing of the library does not have it.
	# shellcheck disable=SC2046 # words
	(cd "$work" && "$cc" -std=gnu11 -g -Werror=implicit-function-declaration -Werror=implicit-int \
		-I "$here/include" -I "$(dirname "$header")" -I . $(own "$1") \
		-o "$program" "$@" -Wl,--as-needed "$library" -lpthread) >"$work/$program.log" 2>&1 && return 0
	echo "not ok - $program does not compile"
	grep -E -A3 'error|undefined|multiple definition' "$work/$program.log" |
		head -n 40 | sed 's/^/    /' >&2
	failed=$((failed + 1))
	return 1
}

run() { # PROGRAM
	(cd "$work" && LD_LIBRARY_PATH=$libdir LD_DEBUG=libs LD_DEBUG_OUTPUT="$work/$1.libs" \
		timeout 300 "./$1" >"$work/$1.log" 2>&1) 2>/dev/null
	status=$?
	# The program may fork: one of its files has it.
	if cat "$work/$1.libs".* 2>/dev/null | grep -Fq "calling init: $libdir/libtalloc.so.2"; then
		echo "ok - $1 ran on $library"
	else
		echo "not ok - $1 did not run on $library"
		failed=$((failed + 1))
	fi
	passed=$(grep -c '^success: ' "$work/$1.log")
	late=
	[ "$status" -ne 124 ] || late=" (out of time)"
	said=
	[ "$1" = talloc_test ] || said=", $passed successes"
	if [ "$status" -eq 0 ] && ! grep -Eq '^(failure|error): ' "$work/$1.log" &&
		{ [ -z "$said" ] || [ "$passed" -gt 0 ]; }; then
		echo "ok - $1: exit 0$said"
	else
		echo "not ok - $1: exit $status$late$said"
		tail -n 40 "$work/$1.log" | sed 's/^/    /' >&2
		failed=$((failed + 1))
	fi
}

if [ -f "$work/testsuite_main.c" ]; then
	main=testsuite_main.c
else
	main=$here/main.c
fi
build testsuite testsuite.c "$main" && run testsuite

# The test of the static pool caches, in trees that have it: a program of its own.
if [ -f "$work/talloc_test.c" ]; then
	build talloc_test talloc_test.c && run talloc_test
fi

[ "$failed" -eq 0 ]
