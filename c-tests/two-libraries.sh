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

. "$(dirname "$0")/results.sh"
take_stage "$@"
# The programs find their libraries by the paths given to the linker.
unset LD_LIBRARY_PATH LD_PRELOAD
flags="-std=gnu11 -O1 -g -Wall -Wextra -Werror -Wl,--enable-new-dtags"

compile() { # program, rest of the command line
	program=$1
	shift
	$cc $flags "$@" -o "$work/$program" >"$work/err" 2>&1 && return
	check 1 "$program compiles" "$work/err"
	return 1
}

if compile dlopen c-tests/two-libraries/dlopen.c -ldl -lpthread; then
	try 120 "$work/dlopen" "$stage/lib/libtalloc.so.2"
fi

# The loader takes one library of a name, so the other one gets another name, of
# the same length: in the file name, and where it is written inside.
rename() { # LIBRARY NUMBER
	LC_ALL=C sed "s/libtalloc\.so\.2/libtalloc.so.$2/g" "$1" >"$work/libtalloc.so.$2"
}

if compile copies c-tests/two-libraries/copies.c -Ic-tests -I"$stage/include" \
	"$stage/lib/libtalloc.so.2" -ldl -Wl,-rpath,"$stage/lib"; then
	rename "$stage/lib/libtalloc.so.2" 8
	try 120 "$work/copies" "$work/libtalloc.so.8"
fi

original=$(original_library)
if [ -z "$original" ]; then
	skip "beside the original: package libtalloc2"
	finish
fi

compile host c-tests/two-libraries/host.c -Ic-tests -I"$stage/include" \
	"$stage/lib/libtalloc.so.2" -ldl -Wl,-rpath,"$stage/lib" || exit 1

rename "$original" 9
# shellcheck disable=SC2016 # the loader's $ORIGIN
if compile plugin.so c-tests/two-libraries/plugin.c -fPIC -shared -I"$stage/include" \
	"$work/libtalloc.so.9" -Wl,-rpath,'$ORIGIN'; then
	try 120 "$work/host" "$work/plugin.so"
fi

# The same with the original as it is, in a namespace of its own.
if compile plugin2.so c-tests/two-libraries/plugin.c -fPIC -shared -I"$stage/include" \
	"$original"; then
	try 120 "$work/host" "$work/plugin2.so" namespace
fi
finish
