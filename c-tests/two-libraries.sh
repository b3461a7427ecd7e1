#!/bin/sh
# What the loader can do with the library: put it into one process with the
# original, load it and let it go.
#
# usage: two-libraries.sh STAGE_DIR
#
# Prints "ok", "not ok" and "skip" lines; exits with 77 if the original is not
# installed and nothing else is wrong.
set -u
LC_ALL=C.UTF-8
export LC_ALL

if [ $# -ne 1 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR, where \`make stage\` has installed the library" >&2
	exit 2
fi
stage=$(cd "$1" && pwd)
cd "$(dirname "$0")/.." || exit 2
# The programs find their libraries by the paths given to the linker.
unset LD_LIBRARY_PATH LD_PRELOAD
cc=${CC:-cc}
flags="-std=gnu11 -O1 -g -Wall -Wextra -Werror -Wl,--enable-new-dtags"
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

compile() { # program, rest of the command line
	program=$1
	shift
	$cc $flags "$@" -o "$work/$program" >"$work/err" 2>&1 && return
	echo "not ok - $program compiles"
	cat "$work/err" >&2
	failed=1
	return 1
}

try() { # program, arguments
	timeout 120 "$@" >"$work/out" 2>"$work/err"
	status=$?
	grep -E '^(ok|not ok) - ' "$work/out"
	if [ $status -ne 0 ]; then
		grep -q '^not ok' "$work/out" || echo "not ok - $(basename "$1") (exit $status)"
		head -n 40 "$work/err" >&2
		failed=1
	fi
}

if compile dlopen c-tests/two-libraries/dlopen.c -ldl -lpthread; then
	try "$work/dlopen" "$stage/lib/libtalloc.so.2"
fi

# The loader takes one library of a name, so the other one gets another name, of
# the same length: in the file name, and where it is written inside.
rename() { # LIBRARY NUMBER
	LC_ALL=C sed "s/libtalloc\.so\.2/libtalloc.so.$2/g" "$1" >"$work/libtalloc.so.$2"
}

if compile copies c-tests/two-libraries/copies.c -Ic-tests -I"$stage/include" \
	"$stage/lib/libtalloc.so.2" -ldl -Wl,-rpath,"$stage/lib"; then
	rename "$stage/lib/libtalloc.so.2" 8
	try "$work/copies" "$work/libtalloc.so.8"
fi

original=$(ldconfig -p 2>/dev/null | sed -n 's/.*libtalloc\.so\.2 .*=> //p' | head -n 1)
if [ -z "$original" ]; then
	echo "skip - beside the original: package libtalloc2"
	[ $failed -eq 0 ] || exit 1
	exit 77
fi

compile host c-tests/two-libraries/host.c -Ic-tests -I"$stage/include" \
	"$stage/lib/libtalloc.so.2" -ldl -Wl,-rpath,"$stage/lib" || exit 1

rename "$original" 9
# shellcheck disable=SC2016 # the loader's $ORIGIN
if compile plugin.so c-tests/two-libraries/plugin.c -fPIC -shared -I"$stage/include" \
	"$work/libtalloc.so.9" -Wl,-rpath,'$ORIGIN'; then
	try "$work/host" "$work/plugin.so"
fi

# The same with the original as it is, in a namespace of its own.
if compile plugin2.so c-tests/two-libraries/plugin.c -fPIC -shared -I"$stage/include" \
	"$original"; then
	try "$work/host" "$work/plugin2.so" namespace
fi
exit $failed
