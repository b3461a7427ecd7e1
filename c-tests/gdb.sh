#!/bin/sh
# The commands for gdb: on a process and on a core, what is wrong in a tree, what cannot be
# looked at, and whether gdb loads them by itself.
#
# usage: gdb.sh STAGE_DIR
# shellcheck disable=SC2016 # ` and $ are for gdb
set -u
LC_ALL=C.UTF-8
export LC_ALL
unset DEBUGINFOD_URLS TALLOC_FREE_FILL TALLOC_THREAD_CACHE

. "$(dirname "$0")/results.sh"
take_stage "$@"
if ! gdb -batch -nx -ex 'python print(1)' 2>/dev/null | grep -q 1; then
	echo "skip - gdb with Python: package gdb"
	exit 77
fi
script=$PWD/tools/gdb/talloc-gdb.py

says() { # TEXT NAME: is this a line of the log?
	grep -qxF -e "$1" "$work/log"
	check $? "$2"
}

build() { # NAME SOURCE [FLAG...]
	name=$1
	source=$2
	shift 2
	"$cc" -g -O1 -Wall -Wextra -Werror -I"$stage/include" -o "$work/$name" "$source" "$@" 2>"$work/log"
	check $? "$name compiles"
}

# debug PROGRAM COMMAND...: what gdb says to that, in $work/log; $arguments are its own
arguments=
debug() {
	program=$1
	shift
	for command; do
		set -- "$@" -ex "$command"
		shift
	done
	# shellcheck disable=SC2086 # words
	timeout 50 gdb -batch -nx -ex "set auto-load no" -ex "source $script" "$@" $arguments "$program" \
		>"$work/raw" 2>&1 </dev/null
	# Addresses differ.
	sed 's/0x[0-9a-f]\{6,\}/@/g' "$work/raw" >"$work/log"
}

build known c-tests/gdb/known.c -L"$stage/lib" -Wl,-rpath,"$stage/lib" -ltalloc

# ---- a tree that is known ------------------------------------------------------

cat >"$work/want" <<-'END'
	BYTES  BLOCKS  COUNT  NAME               REMARKS
	  379      10      1  top                @
	  110       2      1    struct thing     @, ref 1, destructor
	   10       1      1      some text      @
	  100       1      1    limited          @, destructor, limit 164/100000
	   61       2      2    twin
	   50       2      1    the pool         @, pool 128/1000
	   50       1      1      member         @, in a pool
	   48       2      1    the cache        @, cache 112/1120
	   48       1      1      object         @, in a pool
	   20       2      1  other\n\u{1b}name  @
	    0       1      1    -> struct thing  @
	399 bytes in 12 blocks
	BYTES  BLOCKS  COUNT  NAME            REMARKS
	  379      10      1  top             @
	  110       2      1    struct thing  @, ref 1, destructor
	  100       1      1    limited       @, destructor, limit 164/100000
	   61       2      2    twin
	   50       2      1    the pool      @, pool 128/1000
	   48       2      1    the cache     @, cache 112/1120
	ADDRESS         BYTES  PATH
	@     10  top
	@     30  top/twin
	@     31  top/twin
	@      0  top/the pool
	@      0  top/the cache
	5 of 12 chunks
	12 chunks, nothing wrong
	10 chunks, nothing wrong
	name          struct thing
	address       @
	size          100
	with below    110 bytes in 2 blocks
	parent        @ top
	children      1
	              @ some text
	references    1
	              of @ other\n\u{1b}name, at c-tests/gdb/known.c:LINE
	destructor    @ end_of_thing
	memory limit  none
	pool          none
	address       @
	size          100
	freed at      c-tests/gdb/known.c:LINE
	name          the pool
	address       @
	size          0
	with below    50 bytes in 2 blocks
	parent        @ top
	children      1
	              @ member
	references    0
	destructor    none
	memory limit  none
	pool          is a pool: 128 of 1000 bytes used, 1 member
	name          the cache
	address       @
	size          0
	with below    48 bytes in 2 blocks
	parent        @ top
	children      1
	              @ object
	references    0
	destructor    none
	memory limit  none
	pool          is a cache: 1 of 10 objects of 48 bytes taken
	name          object
	address       @
	size          48
	with below    48 bytes in 1 block
	parent        @ the cache
	children      0
	references    0
	destructor    none
	memory limit  none
	pool          lies in the cache @ the cache
	name          limited
	address       @
	size          100
	with below    100 bytes in 1 block
	parent        @ top
	children      0
	references    0
	destructor    @ end_of_limited
	memory limit  164 of 100000 bytes used
	pool          none
	"struct thing"
	"(no chunk)"
	@ "top"
	(void *) @ <not_talloc>
END
asked() { # COMMAND...: what comes before, then all that can be asked
	debug "$work/known" "$@" 'echo ---\n' 'talloc tree all' 'talloc tree top --depth 1' \
		'talloc find "t*"' 'talloc check all' 'talloc check top' 'talloc info thing' \
		'talloc info gone' 'talloc info pool' 'talloc info cache' 'talloc info object' \
		'talloc info limited' 'output $talloc_name(thing)' 'echo \n' \
		'output $talloc_name(unrelated)' 'echo \n' 'output top' 'echo \n' \
		'output unrelated' 'echo \n'
	sed -e '1,/^---/d' -e 's/\(known\.c:\)[0-9]*/\1LINE/' "$work/log" >"$work/got"
	diff "$work/want" "$work/got" >>"$work/log"
}

asked "break stop_here" run "generate-core-file $work/core"
check $? "each command, in a process"
asked "core-file $work/core"
check $? "the same in a core"

# ---- what is wrong in a tree ---------------------------------------------------

in_broken() { # WORD COMMAND...
	word=$1
	shift
	debug "$work/known" "break stop_here" "run $word" 'echo ---\n' "$@"
	sed -i '1,/^---/d' "$work/log"
}
broken() { # WORD NAME PROBLEM: does `check` tell that of a chunk of this name, and only such?
	in_broken "$1" 'talloc check all' 'talloc tree all'
	awk -v name="$2" -v problem="$3" '
		index($0, name) && index($0, problem) { told = 1 }
		/^1 chunk|^[0-9]+ chunks, [0-9]+ problem/ { counted = 1 }
		/^[0-9]+ bytes in [0-9]+ blocks$/ { whole = 1 }
		END { exit !(told && counted && whole) }' "$work/log"
	check $? "found: $1"
}
broken head 'struct thing' 'its link `child` leads to @, where no header is'
broken parent 'some text' 'its parent @ is no live chunk'
broken child 'the pool' 'its link `child` leads to @, which does not lead back'
broken next 'limited' 'its link `next` leads to @, where no header is'
broken pprev 'some text' 'its link `pprev` leads to a word that does not lead back'
broken destructor 'limited' 'its destructor was overwritten'
broken references 'struct thing' 'its list of references is broken'
broken home 'member' 'it says that it lies in a pool, and does not'
broken loop 'some text' 'its link `child` leads to @, which does not lead back'
in_broken parent 'talloc check top'
says '@  struct thing  its link `child` leads to @, which does not lead back' "found below a chunk"
in_broken next 'talloc tree all'
says '399 bytes in 12 blocks' "what no link leads to is in the tree"
in_broken null 'talloc tree null --depth 1'
grep -qE '^ *399 +13 +1  null_context' "$work/log" && grep -qE '^ *379 +10 +1    top' "$work/log"
check $? "the null context"

# ---- much memory ---------------------------------------------------------------

start=$(date +%s)
in_broken many 'talloc find t[ow]*' 'talloc check all'
says '3 of 100012 chunks' "100 MB: all chunks are found"
says '100012 chunks, nothing wrong' "100 MB: all chunks are sound"
[ $(($(date +%s) - start)) -le 30 ]
check $? "100 MB: within seconds"

# ---- what cannot be looked at --------------------------------------------------

refused() { # LINE NAME COMMAND: is that line the answer to a command in the process?
	debug "$work/known" "break stop_here" run 'echo ---\n' "$3"
	sed -i '1,/^---/d' "$work/log"
	[ "$(cat "$work/log")" = "$1" ]
	check $? "one line: $2"
}
usage='usage: talloc tree EXPRESSION|null|all [--depth N]'
refused 'talloc: @ is no chunk' "no chunk" 'talloc tree not_talloc'
refused 'talloc: 0x8 is no chunk: memory before it cannot be read' "no memory" 'talloc info 8'
refused 'talloc: 0 is NULL' "NULL" 'talloc check 0'
refused 'talloc: by_value is of type struct thing, no pointer' "no pointer" 'talloc info by_value'
refused 'talloc: nothing: No symbol "nothing" in current context.' "no symbol" 'talloc info nothing'
freed=$(grep -n 'talloc_free(gone)' c-tests/gdb/known.c | cut -d: -f1)
refused "talloc: @ was freed at c-tests/gdb/known.c:$freed" "freed" 'talloc tree gone'
refused 'talloc: would_be_called(): Cannot call functions in the program: may-call-functions is off.' \
	"nothing is called" 'talloc info would_be_called()'
refused 'talloc: null tracking is off: `talloc tree all` shows what has no parent' \
	"no null tracking" 'talloc tree null'
refused "$usage" "no argument" 'talloc tree'
refused "$usage" "no number" 'talloc tree top --depth x'
refused 'usage: talloc find PATTERN' "no pattern" 'talloc find'
debug "$work/known" "break stop_here" run 'print calls' 'show may-call-functions'
grep -q '= 0$' "$work/log" && grep -q 'is on\.$' "$work/log"
check $? "gdb may call functions as before"

debug "$work/known" 'talloc tree all'
says 'talloc: there is no process and no core' "one line: not running"
debug "$work/known" "break stop_here" run kill 'talloc tree all'
says 'talloc: there is no process and no core' "one line: not running any more"

cat >"$work/maps.c" <<-'END'
	#include <fcntl.h>
	#include <sys/mman.h>

	__attribute__((noinline)) void stop_here(void)
	{
		__asm__ volatile("" ::: "memory");
	}

	int main(int argc, char **argv)
	{
		if (argc > 1)
			mmap(0, 4096, PROT_READ, MAP_PRIVATE, open(argv[1], O_RDONLY), 0);
		stop_here();
		return 0;
	}
END
build maps "$work/maps.c"
none() { # LINE NAME [FILE]
	debug "$work/maps" 'break stop_here' "run ${3-}" 'talloc tree all'
	says "$1" "one line: $2"
}
none 'talloc: there is no libtalloc in the process' "no libtalloc"
printf '\177ELF\001\001' >"$work/libtalloc.so.32"
none "talloc: $work/libtalloc.so.32 has 32 bits, and its chunks tell nothing there" \
	"32 bits" "$work/libtalloc.so.32"

cat >"$work/plain.c" <<-'END'
	#include <dlfcn.h>
	#include <stddef.h>
	#include <talloc.h>

	int main(int argc, char **argv)
	{
		void *c = talloc_named_const(NULL, 10, "plain");

		if (argc > 1 && dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) == NULL)
			return 1;
		return talloc_free(c);
	}
END
build plain "$work/plain.c" -L"$stage/lib" -Wl,-rpath,"$stage/lib" -ltalloc
plain() { # LIBRARY ARGUMENTS...: the tree of a program that runs on another library
	debug "$work/plain" "set environment LD_LIBRARY_PATH=$1" 'break 11' "run ${2-}" 'talloc tree all'
}
# The version of the layout is the first word of the note, behind its header and its name.
note=$(readelf -SW "$stage/lib/libtalloc.so.2" | sed -n 's/.* \.note\.talloc *NOTE *[0-9a-f]* \([0-9a-f]*\).*/\1/p')
mkdir "$work/new" "$work/cut" "$work/second"
for name in new cut second; do
	cp "$stage/lib/libtalloc.so.2" "$work/$name/"
done
printf '\143' | dd of="$work/new/libtalloc.so.2" bs=1 seek=$((0x$note + 20)) conv=notrunc 2>/dev/null
plain "$work/new"
says "talloc: $work/new/libtalloc.so.2 has layout version 99, this script knows 2 alone" \
	"one line: an unknown version"
# The length of the description.
printf '\100' | dd of="$work/cut/libtalloc.so.2" bs=1 seek=$((0x$note + 4)) conv=notrunc 2>/dev/null
plain "$work/cut"
says "talloc: the note of $work/cut/libtalloc.so.2 is garbled" "one line: a garbled note"
plain "$stage/lib" "$work/second/libtalloc.so.2"
says "$work/second/libtalloc.so.2:" "two libraries: the one" &&
	says "$(readlink -f "$stage/lib/libtalloc.so.2"):" "two libraries: the other"
says '   10       1      1  plain  @' "two libraries: what is in them"
debug "$work/plain" "set environment LD_LIBRARY_PATH=$stage/lib" 'break 11' \
	"run $work/second/libtalloc.so.2" 'talloc info c' 'talloc check all'
says 'name          plain' "two libraries: a chunk"
says '1 chunk, nothing wrong' "two libraries: check"
original=
for folder in /usr/lib/*-linux-gnu /usr/lib64 /usr/lib; do
	[ ! -f "$folder/libtalloc.so.2" ] || readelf -SW "$folder/libtalloc.so.2" | grep -q '\.note\.talloc' ||
		original=$folder
done
if [ -n "$original" ]; then
	plain "$original"
	grep -qE '^talloc: /.*/libtalloc\.so\.2\S* is another libtalloc: its chunks cannot be told from outside$' \
		"$work/log"
	check $? "one line: the original"
else
	skip "the original: package libtalloc2"
fi

# ---- gdb loads it ------------------------------------------------------------

root=$(cd "$work" && pwd -P)/root
loaded() { # GDB_ARGUMENTS...: has gdb the commands when the library is there?
	timeout 20 gdb -batch -nx "$@" -ex "set environment LD_LIBRARY_PATH=$root/usr/lib" \
		-ex 'break 11' -ex run -ex 'talloc tree c' "$work/plain" >"$work/log" 2>&1 </dev/null
	grep -q '^ *10 *1 *1  plain ' "$work/log"
}
make -s install prefix="$root/usr" view_made= >"$work/log" 2>&1
check $? "make install"
at=$root/usr/share/gdb/auto-load
[ -f "$at$root/usr/lib/libtalloc.so.2.5.0-gdb.py" ]
check $? "the script is installed where gdb looks for it"
# As Debian's gdb has it for /usr/share/gdb/auto-load, and as docs/gdb.md says for others.
loaded -iex "add-auto-load-scripts-directory $at" -iex "add-auto-load-safe-path $at"
check $? "gdb loads it with the library"
! loaded
check $? "... and from no folder that is not known to be safe"
make -s uninstall prefix="$root/usr" >"$work/log" 2>&1 && [ -z "$(find "$root" ! -type d)" ]
check $? "nothing is left by make uninstall"

finish
