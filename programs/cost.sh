#!/bin/sh
# What Debian's programs cost on this library and on the original: instructions,
# peak memory, wall time.
#
# usage: cost.sh STAGE_DIR        (`make cost-programs` calls it)
#
# PROGRAMS="ldb notmuch" picks programs, MEASURE="instructions memory wall" what is
# measured, PAIRS=5 how often for wall time. The lines of what was measured go to
# build/programs.tsv, in place of older ones, and from there into the tables of
# docs/real-programs.md and its chart. An hour for all. Both libraries are found by
# LD_LIBRARY_PATH: a search of one more folder costs, too, where many programs start.
set -u
if [ $# -ne 1 ]; then
	echo "usage: $0 STAGE_DIR, where \`make stage\` has installed the library" >&2
	exit 2
fi
. "$(dirname "$0")/common.sh"
begin "$1"
: "${MEASURE:=instructions memory wall}" "${PAIRS:=5}"
name=cost
need valgrind libc6-dbg || exit 1
"${CC:-cc}" -O2 -shared -fPIC -o "$work/zero.so" "$here/zero.c" || exit 2
data=$here/../build/programs.tsv
failed=0

# A table's lines: PROGRAM KIND WHAT OURS ORIGINAL
keep() { # KIND, the new lines on stdin
	cat >"$work/new"
	touch "$data"
	awk -F'\t' -v name="$name" -v kind="$1" '!($1 == name && $2 == kind)' "$data" >"$work/data"
	sort -u "$work/data" "$work/new" >"$data"
	sed 's/^/   /' "$work/new"
}

# join OURS ORIGINAL KIND: two lists "WHAT NUMBER", one behind the other
both() {
	awk -v OFS='\t' -v name="$name" -v kind="$3" '
		FNR == NR { ours[$1] = $2; next }
		$1 in ours { print name, kind, $1, ours[$1], $2 }' "$1" "$2" | keep "$3"
}

# The middle of each of some values: lines "WHAT NUMBER"
middle() { # FILE
	sort -k1,1 -k2,2n "$1" | awk '
		$1 != what { out(); what = $1; n = 0 }
		{ value[++n] = $2 }
		function out() { if (n) print what, value[int((n + 1) / 2)] }
		END { out() }'
}

try() { # COMMAND...
	"$@" && return
	echo "not ok - $name: $*" >&2
	tail -n 20 "$dir/stderr" >&2
	failed=1
	return 1
}

# ---- instructions ------------------------------------------------------------

# Every command of $programs starts as itself under callgrind.
before() {
	mkdir -p "$work/before"
	for program in $programs; do
		file=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v "$program")
		cat >"$work/before/$program" <<-END
			#!/bin/sh
			# Below valgrind already, which follows it.
			case \${LD_PRELOAD-} in *vgpreload*) exec $file "\$@" ;; esac
			LD_PRELOAD=$work/zero.so
			# As without valgrind, under which a thread keeps nothing otherwise.
			TALLOC_THREAD_CACHE=auto
			export LD_PRELOAD TALLOC_THREAD_CACHE
			exec valgrind -q --tool=callgrind --trace-children=yes --compress-strings=no \\
				--compress-pos=no --callgrind-out-file="\$counts/%p" $file "\$@"
		END
		chmod 755 "$work/before/$program"
	done
}

# How many, in all, inside libtalloc, and inside malloc and its kin.
count() { # DIR
	find "$1" -type f -exec cat {} + | awk '
		/^cmd: / { n = split($2, path, "/"); program = path[n] }
		/^ob=/ { talloc = /libtalloc\.so/ }
		/^fl=/ { malloc = /malloc\/(malloc|arena)\.c/ }
		/^calls=/ { inclusive = 1; next }
		/^[-+*0-9]/ {
			if (inclusive) { inclusive = 0; next }
			all[program] += $2
			if (talloc) in_talloc[program] += $2
			else if (malloc) in_malloc[program] += $2
		}
		END {
			for (p in all) {
				printf "%s %.0f\n%s:talloc %.0f\n%s:malloc %.0f\n", \
					p, all[p], p, in_talloc[p], p, in_malloc[p]
				sum += all[p]; talloc_sum += in_talloc[p]; malloc_sum += in_malloc[p]
			}
			printf "all %.0f\nall:talloc %.0f\nall:malloc %.0f\n", sum, talloc_sum, malloc_sum
		}'
}

instructions() {
	[ "$watch" = tracer ] && [ "$cost" -gt 0 ] || return
	scale=$cost
	# The work is smaller here, and so is the input.
	load "$name" || return
	before
	for way in copy path; do
		dir=$work/$name/$way
		counts=$work/counts
		export counts
		rm -rf "$counts"
		mkdir "$counts"
		chmod 777 "$counts"
		seconds=1500 try run "$name" $way "$dir" || return
		count "$counts" | sort >"$work/$way.count"
	done
	rm -rf "$work/before"
	both "$work/path.count" "$work/copy.count" instructions
}

# ---- memory ------------------------------------------------------------------

# The middle of three runs: how many pages of a file the kernel maps depends on where it lies,
# by some hundred KB.
memory() {
	[ "$watch" = tracer ] || return
	for pair in 1 2 3; do
		for way in copy path; do
			dir=$work/$name/memory-$way-$pair
			try watched "$name" $way "$dir" || return
			awk '$2 == "ours" || $2 == "other" { if ($3 > peak[$1]) peak[$1] = $3 }
				END { for (p in peak) print p, peak[p] }' "$dir/processes" >>"$work/$way.peaks"
			rm -rf "$dir"
		done
	done
	for way in copy path; do
		middle "$work/$way.peaks" >"$work/$way.peak"
		rm "$work/$way.peaks"
	done
	both "$work/path.peak" "$work/copy.peak" memory
}

# ---- wall time ---------------------------------------------------------------

# The middle of what each step took; the first pair fills the file cache.
wall() {
	pair=0
	while [ $pair -le "$PAIRS" ]; do
		pair=$((pair + 1))
		for way in copy path; do
			dir=$work/$name/wall-$way-$pair
			try run "$name" $way "$dir" || return
			if [ $pair -gt 1 ]; then
				awk '{ n[$1] += $2; all += $2 } END { for (s in n) print s, n[s]; print "all", all }' "$dir/times"
			fi >>"$work/$way.times"
			rm -rf "$dir"
		done
	done
	for way in copy path; do
		middle "$work/$way.times" >"$work/$way.median"
		rm "$work/$way.times"
	done
	both "$work/path.median" "$work/copy.median" wall
}

case $PROGRAMS in
"$all_programs") PROGRAMS=$(echo $all_programs | sed 's/samples.*//') ;; # not what is built
esac
for name in $PROGRAMS; do
	echo "$name"
	for measure in $MEASURE; do
		scale=$SCALE
		purpose=cost
		[ "$measure" != memory ] || purpose=check
		if load "$name"; then
			$measure
		else
			failed=1
		fi
		done_with "$name"
	done
done
docs=$here/../docs
awk -f "$here/table.awk" "$data" >"$work/table"
awk -f "$here/chart.awk" "$data" >"$docs/real-programs.svg"
# Only what is between the two marks is made.
awk -v table="$work/table" '
	/<!-- end -->/ { made = 0 }
	!made
	/<!-- made by/ { made = 1; while ((getline line <table) > 0) print line }' \
	"$docs/real-programs.md" >"$work/page" && cp "$work/page" "$docs/real-programs.md"
cat "$work/table"
[ $failed -eq 0 ]
