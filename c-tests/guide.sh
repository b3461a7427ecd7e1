#!/bin/sh
# Is docs/guide.md true? Its code is what stands in examples/guide, which compiles and
# runs; what it says is printed is printed, here and on the original; and each link
# between the documents leads somewhere.
#
# usage: guide.sh STAGE_DIR
#
# In the guide a line above a block says what the block is:
#
#	<!-- file: FILE part: NAME -->	the lines of FILE from "part: NAME" to "end"
#	<!-- prints: FILE -->		what the program prints
#	<!-- session: before|after -->	commands of talloc-view and their output, on
#					leak.c after a thousand requests and after two
#	<!-- within: valgrind -->	a command, and some lines of what it prints
#
# Addresses, process numbers (4711 in the guide) and what a thread keeps are masked.
set -u
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ
unset TALLOC_FREE_FILL TALLOC_THREAD_CACHE TALLOC_REPORT

. "$(dirname "$0")/results.sh"
take_stage "$@"
top=$PWD
guide=docs/guide.md
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT

# Addresses may be of any width, and so may what stands beside them.
masked() {
	sed 's/0x[0-9a-f][0-9a-f]*/ADDRESS/g; s/process [0-9]*/process PID/
		s/; [0-9]* bytes in [0-9]* freed blocks kept//; s/  */ /g; s/ $//'
}

same() { # EXPECTED FOUND NAME
	diff "$1" "$2" >"$work/diff" 2>&1
	check $? "$3" "$work/diff"
}

# ---- the blocks of the guide -----------------------------------------------------

# For each block a file with its text, and a line "number kind what part".
mkdir "$work/blocks"
awk -v folder="$work/blocks" '
	/^```/ && !inside {
		inside = 1
		if (mark ~ /^<!-- (file|prints|session|within): .* -->$/) {
			split(mark, word, " ")
			file = folder "/" ++n
			printf "" >file
			print n, word[2], word[3], word[4] == "part:" ? word[5] : ""
		} else if ($0 == "```c")
			print NR, "unmarked"
		next
	}
	/^```/ { inside = 0; if (file) close(file); file = ""; next }
	inside { if (file) print >file; next }
	{ mark = $0 }' $guide >"$work/list"
[ "$(grep -c ' file: ' "$work/list")" -gt 10 ] && [ "$(grep -c ' prints: ' "$work/list")" -gt 5 ] &&
	[ "$(grep -c ' session: ' "$work/list")" -gt 1 ]
check $? "$guide has blocks of all kinds" "$work/list"
! grep unmarked "$work/list" >"$work/log"
check $? "all C code of $guide says which file it is from" "$work/log"

part() { # FILE NAME: without the tabs that stand before its mark
	awk -v name="$2" '
		$0 ~ "^\t*/\\* part: " name " \\*/$" { inside = 1; tabs = index($0, "/") - 1; next }
		inside && /^\t*\/\* end \*\/$/ { exit }
		inside {
			for (i = 0; i < tabs; i++)
				sub("^\t", "")
			print
		}' "$1"
}

while read -r number kind what name; do
	[ "$kind" = file: ] || continue
	part "$what" "$name" >"$work/part"
	[ -s "$work/part" ] || echo "$what has no part $name" >"$work/part"
	same "$work/blocks/$number" "$work/part" "$what, $name: as in the guide"
done <"$work/list"
grep -o 'part: [a-z]*' examples/guide/*.c | sed 's/:part: / /' | sort >"$work/parts"
awk '$2 == "file:" { print $3, $4 }' "$work/list" | sort | diff "$work/parts" - >"$work/log"
check $? "each part of each file is in the guide, once" "$work/log"

# ---- the programs ----------------------------------------------------------------

original=$(original_library)
[ -n "$original" ] || skip "the examples on the original: package libtalloc2"

run() { # LIBRARY_FOLDER PROGRAM: what it prints in $work/out
	arguments=
	case $2 in
	debug) arguments=fills ;;
	cache-times) arguments=100 ;;
	esac
	LD_LIBRARY_PATH=$1 timeout 20 "$work/$2" $arguments </dev/null >"$work/out" 2>&1
}

for source in examples/guide/*.c; do
	name=$(basename "$source" .c)
	"${CC:-cc}" -std=gnu11 -O1 -Wall -Wextra -Werror -I"$stage/include" -o "$work/$name" "$source" \
		"$stage/lib/libtalloc.so.2" -lpthread >"$work/log" 2>&1
	check $? "$source compiles" "$work/log"
	[ -x "$work/$name" ] || continue
	run "$stage/lib" "$name"
	check $? "$source runs" "$work/out"
	masked <"$work/out" >"$work/ours"
	number=$(awk -v file="$source" '$2 == "prints:" && $3 == file { print $1 }' "$work/list")
	if [ -n "$number" ]; then
		masked <"$work/blocks/$number" >"$work/expected"
		same "$work/expected" "$work/ours" "$source prints what the guide says"
	fi
	# Caches are this library's own.
	[ -n "$original" ] && ! grep -q 'talloc_pool_cache' "$source" || continue
	run "" "$name"
	check $? "$source runs on the original" "$work/out"
	masked <"$work/out" >"$work/theirs"
	same "$work/ours" "$work/theirs" "$source: the original prints the same"
done

# ---- the session -----------------------------------------------------------------

number=$(awk '$2 == "within:" && $3 == "valgrind" { print $1 }' "$work/list")
if ! command -v valgrind >/dev/null 2>&1; then
	skip "valgrind in chapter 9: package valgrind"
else
	command=$(sed -n 's/^\$ //p' "$work/blocks/$number")
	(
		cd "$work" && LD_LIBRARY_PATH=$stage/lib
		export LD_LIBRARY_PATH
		eval "timeout 40 $command" </dev/null
	) 2>&1 | sed 's/^==[0-9]*==/==PID==/' >"$work/out"
	sed '/^\$ /d; s/^==[0-9]*==/==PID==/' "$work/blocks/$number" >"$work/lines"
	[ "$(grep -c . "$work/lines")" -gt 1 ] && [ "$(grep -cFx -f "$work/lines" "$work/out")" -eq "$(grep -c . "$work/lines")" ]
	check $? "chapter 9: $command" "$work/out"
fi

served() { # COUNT: until so many requests are served
	tries=100
	until grep -q "^$1 served" "$work/served"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

session() { # WHEN: runs the commands of these blocks
	while read -r number kind what _; do
		[ "$kind" = session: ] && [ "$what" = "$1" ] || continue
		grep '^\$ talloc-view ' "$work/blocks/$number" | sed 's/^\$ //' | while read -r command; do
			echo "\$ $command"
			# Ends with 1 where it has found something.
			(cd "$work" && eval "timeout 20 $(echo "$command" | sed "s/4711/$pid/g")" 2>&1)
		done | masked >"$work/found"
		masked <"$work/blocks/$number" >"$work/expected"
		same "$work/expected" "$work/found" "session of chapter 9: $(sed -n 's/^\$ //p' "$work/blocks/$number" | tail -n 1)"
	done <"$work/list"
}

titles() { # SVG: all that it shows
	grep -o '<title>[^<]*' "$1" | sort
}

PATH=$top/build/view:$PATH
export PATH
if [ ! -x build/view/talloc-view ]; then
	skip "the session of chapter 9: make view"
elif ! command -v gcore >/dev/null 2>&1; then
	skip "the session of chapter 9: package gdb"
else
	mkfifo "$work/requests"
	LD_LIBRARY_PATH=$stage/lib timeout 50 sh -c 'echo $$ >"$0/pid"; exec "$0/leak" 1000' "$work" \
		<"$work/requests" >"$work/served" 2>&1 &
	exec 3>"$work/requests"
	served 1000
	check $? "examples/guide/leak.c serves a thousand requests"
	pid=$(cat "$work/pid")
	session before
	talloc-view flame "$pid" -o "$work/leak.svg"
	titles "$work/leak.svg" >"$work/found"
	titles docs/leak.svg >"$work/expected"
	same "$work/expected" "$work/found" "docs/leak.svg is its picture"
	grep -q 'log line' "$work/found"
	check $? "... with the log lines in it"
	gcore -o "$work/before" "$pid" >"$work/log" 2>&1
	check $? "gcore" "$work/log"
	echo >&3
	served 2000
	check $? "a thousand more"
	session after
	exec 3>&-
	wait
	pid=
fi

# ---- links -----------------------------------------------------------------------

# FILE: target of each link that stands outside of code, a line each
links() {
	awk '/^```/ { code = !code; next } !code' "$1" | sed 's/`[^`]*`//g' | grep -o '\](<*[^)]*)' |
		sed 's/^](//; s/)$//' | grep -v '^[a-z]*:'
}

# FILE: the anchors of its headings
anchors() {
	awk '/^```/ { code = !code; next } !code && /^#+ /' "$1" | sed 's/^#* //; s/\[\([^]]*\)\]([^)]*)/\1/g' |
		tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

for file in README.md docs/*.md; do
	links "$file" >"$work/links"
	while read -r link; do
		target=${link%%#*}
		anchor=
		case $link in *'#'*) anchor=${link#*#} ;; esac
		path=$(dirname "$file")/$target
		[ -n "$target" ] || path=$file
		if [ ! -e "$path" ]; then
			echo "$file: no $link"
		elif [ -n "$anchor" ] && ! anchors "$path" | grep -qFx -- "$anchor"; then
			echo "$file: no heading $link"
		fi
	done <"$work/links" >>"$work/broken"
	cat "$work/links" >>"$work/all"
done
[ "$(wc -l <"$work/all")" -gt 20 ] && [ ! -s "$work/broken" ]
check $? "the $(wc -l <"$work/all") links of README.md and docs lead somewhere" "$work/broken"

finish
