#!/bin/sh
# Nanoseconds of each call, here and on the original: the least of some runs, one library
# after the other. Writes docs/calls.md.
#
# usage: calls.sh STAGE_DIR [RUNS]        (`make bench-calls` calls it)
set -eu
LC_ALL=C
export LC_ALL

runs=${2-7}
case $#-$runs in
[12]-*[!0-9]* | [12]- | [12]-0) bad=yes ;;
[12]-*) bad= ;;
*) bad=yes ;;
esac
if [ -n "$bad" ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR [RUNS], where \`make stage\` has installed the library" >&2
	exit 2
fi
stage=$(cd "$1" && pwd)
cd "$(dirname "$0")"
original=$(ldconfig -p 2>/dev/null | sed -n 's/^[[:space:]]*libtalloc\.so\.2 .*=> //p' | head -n 1)
if [ -z "$original" ]; then
	echo "$0 needs the original:  apt-get install libtalloc2" >&2
	exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
"${CC:-cc}" -std=gnu11 -O2 -I"$stage/include" -o "$work/calls" calls.c "$stage/lib/libtalloc.so.2"
unset TALLOC_FREE_FILL TALLOC_THREAD_CACHE LD_PRELOAD

run=0
while [ "$run" -lt "$runs" ]; do
	for library in "$stage/lib" "$(dirname "$original")"; do
		LD_LIBRARY_PATH=$library timeout 120 "$work/calls" >"$work/out"
		side=ours
		[ "$library" = "$stage/lib" ] || side=original
		sed "s/^/$side /" "$work/out" >>"$work/runs"
	done
	run=$((run + 1))
done

{
	cat <<-'END'
		# Calls

		Nanoseconds of each call of the interface, here and on the original, all of them in one process, one
		after the other; the least of some runs. The rows "first" are those of a process that has just begun, in which
		nothing was freed and all that is made stays. `make bench-calls` takes the figures on your machine and writes them
		here. What each row does: `benches/calls.c`. `new`, `free` and so on stand for `talloc_new`, `talloc_free`.

	END
	awk '
		{
			side = $1; ns = $2; name = $0
			sub(/^[^ ]+ [^ ]+ /, "", name)
			if (!(name in seen)) { seen[name] = 1; order[++n] = name }
			if (!((side, name) in least) || ns < least[side, name]) least[side, name] = ns
		}
		END {
			for (i = 1; i <= n; i++) {
				name = order[i]
				ratio = least["ours", name] / least["original", name]
				line[i] = sprintf("| %s | %.1f | %.1f | %.2f |", name, least["ours", name],
					least["original", name], ratio)
				# Beyond what the clock tells.
				if (ratio < 0.97) quicker++
				else if (ratio <= 1.03) same++
				else slower++
			}
			printf "Of %d, %d are quicker here, %d take the same time to 3 %%, %d longer.\n\n",
				n, quicker, same, slower
			print "| call | here, ns | original | here / original |"
			print "|---|---|---|---|"
			for (i = 1; i <= n; i++) print line[i]
		}' "$work/runs"
} >"$work/calls.md"
cp "$work/calls.md" ../docs/calls.md
grep '^Of' ../docs/calls.md
awk -F'|' 'NF == 6 && $5 + 0 > 1.03 { print "longer:" $2 $3 $4 $5 }' ../docs/calls.md
