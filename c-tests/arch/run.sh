#!/bin/sh
# All tests of one platform, in a mount namespace of its own (see arch.sh).
#
# usage: run.sh PLATFORM LIBC FOLDER [EMULATOR HEADER]
#
# FOLDER has the compiler (cc), the library (make/stage), the platform's files (root).
# HEADER: class, byte order and the two bytes of the machine of a program for qemu's
# EMULATOR. Prints what failed; writes the row of the table to FOLDER/row.
set -u
platform=$1
libc=$2
here=$3
emulator=$4
cd "$(dirname "$0")/../.." || exit 2
work=$here/work
stage=$here/make/stage
native=$PWD/build/stage/lib
# With AGAIN=1 those alone run that failed.
before=
[ "${AGAIN-}" != 1 ] || [ ! -f "$work/results" ] || before=$(grep -v '^not ok - ' "$work/results")
rm -rf "$work"
mkdir -p "$work" || exit 2
how=natively

if [ -n "$emulator" ]; then
	# shellcheck disable=SC2086 # four words
	set -- $5
	qemu=$(command -v "qemu-$emulator") || exit 2
	how="$emulator, qemu $("$qemu" --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')"
	all='\xff\xff\xff\xff\xff\xff\xff'
	none='\x00\x00\x00\x00\x00\x00\x00\x00\x00'
	kind='\x02\x00' mask='\xfe\xff'
	[ "$2" = 1 ] || kind='\x00\x02' mask='\xff\xfe'
	mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
		printf '%s' ":talloc:M::\\x7fELF\\x0$1\\x0$2\\x01$none$kind\\x$3\\x$4:$all$none$mask\\xff\\xff:$qemu:F" \
			>/proc/sys/fs/binfmt_misc/register || {
		echo "not ok - $platform: the kernel lets us start its programs"
		exit 1
	}
	QEMU_LD_PREFIX=$here/root
	export QEMU_LD_PREFIX
fi

# What judges: the original in a folder of its own, and the compiler of programs for it.
judge=$here/original
judge_cc=$here/cc
mkdir -p "$judge"
original=$(echo "$here"/root/usr/lib/*/libtalloc.so.2)
case $libc$emulator in
musl) # on glibc, natively
	judge_cc=cc
	original=/usr/lib/x86_64-linux-gnu/libtalloc.so.2
	;;
musl*) judge_cc=$emulator-linux-gnu-gcc ;;
esac
cp "$original" "$judge" || exit 2

export here stage work judge judge_cc emulator native
{
	printf 'common/%s\n' $(cd c-tests/common && ls ./*.c)
	printf 'ours/%s\n' $(cd c-tests/ours && ls ./*.c)
	printf '%s\n' talloc_test.c attack/reader walk loading
	# thousands of processes each
	[ -n "$emulator" ] || printf '%s\n' attack/any_layout attack/our_layout
} | sed 's|\./||; s|\.c$||' >"$work/all"
echo "$before" | sed -n 's/^[a-z]* - \([^:]*\).*/\1/p' >"$work/before"
grep -vxFf "$work/before" "$work/all" | xargs -n 1 -P 2 sh c-tests/arch/one.sh >"$work/new"
{
	[ -z "$before" ] || echo "$before"
	cat "$work/new"
} >"$work/results"

grep -hE '^(not ok|skip|emulator) - ' "$work/results"
count() {
	grep -c "^$1 - " "$work/results"
}
cc=$here/cc
header() { # LIBDIR CC LIBDIR_TO_LINK
	"$2" -O1 -Iinclude -I"$stage/include" -o "$work/header" c-tests/arch/header.c "$3/libtalloc.so.2" \
		2>/dev/null && LD_LIBRARY_PATH=$1 "$work/header"
}
# one program for both, where there is one compiler
linked=$stage/lib
[ "$judge_cc" = "$cc" ] || linked=$judge
row="| $platform | $how | $(header "$stage/lib" "$cc" "$stage/lib") | $(header "$judge" "$judge_cc" "$linked") | $(count ok)"
row="$row | $(count emulator) | $(count skip) | $(count 'not ok') |"
echo "$row" >"$here/row"
[ "$(wc -l <"$work/results")" -eq "$(wc -l <"$work/all")" ] && [ "$(count 'not ok')" -eq 0 ] && [ "$(count ok)" -gt 0 ]
