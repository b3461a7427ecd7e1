#!/bin/sh
# Does the library work with whatever malloc there is?
#
# usage: mallocs.sh STAGE_DIR
#
# Runs programs with a malloc of their own, aligned to 16, 8 and 4, and under
# allocators that are preloaded, where they are installed: Debian's packages
# libdmalloc5, duma, electric-fence and libc-devtools. What a program prints is the
# same as with glibc's malloc. One line per check; 1 if one failed, 77 if some of
# them had to be skipped.
set -u
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

. "$(dirname "$0")/results.sh"
take_stage "$@"
flags="-std=gnu11 -O1 -g -Wall -Wextra -Werror -fno-builtin -Ic-tests -I$stage/include"
ulimit -c 0

build() { # PROGRAM SOURCES AND OBJECTS...
	program=$1
	shift
	# shellcheck disable=SC2086 # flags are words
	$cc $flags -rdynamic -o "$work/$program" "$@" "$stage/lib/libtalloc.so.2" -ldl -lpthread \
		>"$work/err" 2>&1 && return
	check 1 "$program compiles" "$work/err"
	return 1
}

object() { # OBJECT SOURCE [FLAGS]
	object=$1
	shift
	# shellcheck disable=SC2086
	$cc $flags -c -o "$work/$object.o" "$@" >"$work/err" 2>&1 && return
	check 1 "$object compiles" "$work/err"
	return 1
}

# run NAME PROGRAM ARGUMENTS: its stdout in NAME.out, with $preload
preload=
run() {
	name=$1
	shift
	env LD_LIBRARY_PATH="$stage/lib" ${preload:+LD_PRELOAD="$preload"} \
		MEMUSAGE_OUTPUT=/dev/null timeout 60 "$@" >"$work/$name.out" 2>"$work/err"
}

# compare NAME CHECK PROGRAM ARGUMENTS: as NAME.out, which ran with glibc's malloc
compare() {
	want=$work/$1.out
	check=$2
	shift 2
	run here "$@"
	status=$?
	# where blocks are aligned to less than 16 the walk complains, and counts that
	sed 's/ NOT ALIGNED//; /^@complaints /d' "$work/here.out" >"$work/plain.out"
	sed '/^@complaints /d' "$want" >"$work/want"
	echo "exit $status" >>"$work/err"
	diff "$work/want" "$work/plain.out" >"$work/diff" && [ $status -lt 2 ] && [ -s "$work/want" ]
	status=$?
	head -n 10 "$work/diff" >>"$work/err"
	check $status "$check" "$work/err"
}

seeds="1 2 3 4 5"
own=c-tests/mallocs/own_malloc.c

object mixed c-tests/mallocs/mixed.c && object walk c-tests/walk/walk.c || exit 1
build mixed "$work/mixed.o" && build walk "$work/walk.o" || exit 1
run mixed "$work/mixed"
status=$?
[ $status -eq 0 ] && grep -q '^ok' "$work/mixed.out" && ! grep -q '^not ok' "$work/mixed.out"
check $? "glibc's malloc: mixed" "$work/err"
for seed in $seeds; do
	run "walk$seed" "$work/walk" "$seed" 400
done

# ---- a malloc of the program's own ---------------------------------------------

for align in 16 8 4; do
	for usable in USABLE NO_USABLE; do
		text="own malloc, aligned to $align"
		[ $usable = USABLE ] || text="$text, glibc's malloc_usable_size"
		object own -DALIGN=$align -D$usable $own || continue
		build own-mixed "$work/mixed.o" "$work/own.o" || continue
		compare mixed "$text: mixed" "$work/own-mixed" $align
		build own-walk "$work/walk.o" "$work/own.o" || continue
		for seed in $seeds; do
			compare "walk$seed" "$text: random walk $seed" "$work/own-walk" "$seed" 400
		done
	done
done

# Other tests on it: they print what they print with glibc's.
object own -DUSABLE $own
for source in alloc free memlimit pools resize strings; do
	object $source c-tests/common/$source.c || continue
	build "$source" "$work/$source.o" && build "own-$source" "$work/$source.o" "$work/own.o" ||
		continue
	run "$source" "$work/$source"
	compare "$source" "own malloc: common/$source.c" "$work/own-$source"
done

# ---- preloaded -------------------------------------------------------------------

# A name that the loader does not find is said on stderr, and no failure to it.
for each in libdmalloc.so.5:libdmalloc5 libduma.so.0:duma libefence.so.0:electric-fence \
	libmemusage.so:libc-devtools; do
	preload=${each%:*}
	library=$preload
	env LD_PRELOAD="$preload" true >/dev/null 2>"$work/err"
	if grep -q "$preload.*cannot be preloaded" "$work/err"; then
		skip "$preload: package ${each#*:}"
		continue
	fi
	compare mixed "$library: mixed" "$work/mixed"
	# it says something on stderr at the end of each process, which the walk shows
	[ $library != libmemusage.so ] || continue
	for seed in 1 2; do
		compare "walk$seed" "$library: random walk $seed" "$work/walk" "$seed" 400
	done
done
preload=

finish
