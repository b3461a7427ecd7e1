#!/bin/sh
# Under tools that make out by the calls of malloc and free whose a block is, a thread
# keeps nothing: valgrind's tools, heaptrack, LeakSanitizer.
#
# usage: profilers.sh STAGE_DIR
set -u
LC_ALL=C
export LC_ALL
unset TALLOC_FREE_FILL TALLOC_THREAD_CACHE

. "$(dirname "$0")/results.sh"
take_stage "$@"

build() { # NAME FLAGS...
	name=$1
	shift
	"$cc" -std=gnu11 -O1 -g -fno-optimize-sibling-calls -Wall -Wextra -Werror \
		-I"$stage/include" "$@" -o "$work/$name" c-tests/tools/keeps.c \
		"$stage/lib/libtalloc.so.2" >"$work/$name.log" 2>&1
}

build keeps || {
	check 1 "c-tests/tools/keeps.c compiles" "$work/keeps.log"
	exit 1
}

# under COMMAND...: with this library, what it says in $work/log
under() {
	LD_LIBRARY_PATH=$stage/lib timeout 120 "$@" >"$work/log" 2>&1
}

# at_least COUNT TEXT: does TEXT, with commas between digits, say so many?
at_least() {
	n=$(echo "$2" | tr -d ,)
	[ "${n:-0}" -ge "$1" ]
}

# Each of the 1,000 blocks, and the context above them, is asked for twice, or it has
# been kept.
twice=2000

# ---- valgrind ----------------------------------------------------------------

if command -v valgrind >/dev/null 2>&1; then
	for shape in small large pools; do
		under valgrind "$work/keeps" $shape
		at_least $twice "$(sed -n 's/.*total heap usage: \([0-9,]*\) allocs.*/\1/p' "$work/log")"
		check $? "memcheck sees each block ($shape)" "$work/log"
		under valgrind --tool=dhat --dhat-out-file=/dev/null "$work/keeps" $shape
		at_least $twice "$(sed -n 's/.*Total: .* in \([0-9,]*\) blocks/\1/p' "$work/log")"
		check $? "DHAT sees each block ($shape)" "$work/log"
	done
	under valgrind --tool=massif --massif-out-file="$work/massif" --detailed-freq=1 \
		--peak-inaccuracy=0.0 "$work/keeps"
	awk '/keeper/ { has = 1 } /^snapshot=/ { now = has; has = 0 } END { exit !(now || has) }' "$work/massif"
	check $? "massif names the function that keeps" "$work/massif"
	under env TALLOC_THREAD_CACHE=262144 valgrind --tool=dhat --dhat-out-file=/dev/null "$work/keeps"
	! at_least $twice "$(sed -n 's/.*Total: .* in \([0-9,]*\) blocks/\1/p' "$work/log")"
	check $? "TALLOC_THREAD_CACHE has it keep them under DHAT" "$work/log"
	under env TALLOC_THREAD_CACHE=262144 valgrind "$work/keeps"
	at_least $twice "$(sed -n 's/.*total heap usage: \([0-9,]*\) allocs.*/\1/p' "$work/log")"
	check $? "... but not under memcheck" "$work/log"
	# What is counted with callgrind is the calls of malloc that the library makes.
	for bytes in '' 262144; do
		under env ${bytes:+TALLOC_THREAD_CACHE=$bytes} valgrind --tool=callgrind \
			--callgrind-out-file="$work/callgrind" --compress-strings=no "$work/keeps"
		calls=$(awk '/^cfn=/ { m = $0 == "cfn=malloc" } /^calls=/ && m { sub("calls=", "", $1); n += $1 } END { print n + 0 }' "$work/callgrind")
		if [ -z "$bytes" ]; then
			at_least $twice "$calls"
			check $? "callgrind: nothing is kept"
		else
			! at_least $twice "$calls"
			check $? "callgrind: TALLOC_THREAD_CACHE=$bytes has it kept"
		fi
	done
else
	echo "skip - no valgrind (package valgrind)"
fi

# ---- heaptrack ---------------------------------------------------------------

if command -v heaptrack >/dev/null 2>&1; then
	for bytes in '' 262144; do
		rm -f "$work"/ht.*
		# It would show the result in a window, where there is one.
		under env -u DISPLAY -u WAYLAND_DISPLAY ${bytes:+TALLOC_THREAD_CACHE=$bytes} \
			heaptrack -o "$work/ht" "$work/keeps"
		heaptrack_print "$work"/ht.* >"$work/ht.text" 2>"$work/log"
		calls=$(sed -n 's/^calls to allocation functions: \([0-9]*\).*/\1/p' "$work/ht.text")
		if [ -z "$bytes" ]; then
			at_least $twice "$calls"
			check $? "heaptrack sees each block" "$work/ht.text"
			sed -n '/^PEAK MEMORY/,/^MEMORY\|^$/p' "$work/ht.text" | grep -q keeper
			check $? "heaptrack names the function that keeps" "$work/ht.text"
		else
			! at_least $twice "$calls"
			check $? "TALLOC_THREAD_CACHE has it keep them under heaptrack" "$work/ht.text"
		fi
	done
else
	echo "skip - no heaptrack (package heaptrack)"
fi

# ---- LeakSanitizer -----------------------------------------------------------

for flags in -fsanitize=leak -fsanitize=address; do
	build keeps-leak $flags || {
		echo "skip - no runtime for $flags"
		continue
	}
	for shape in small large pools; do
		under env ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 LSAN_OPTIONS=detect_leaks=0 \
			"$work/keeps-leak" $shape
		grep -q '^0 bytes kept back' "$work/log"
		check $? "nothing is kept back with $flags ($shape)" "$work/log"
	done
done
finish
