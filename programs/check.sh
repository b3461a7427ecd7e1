#!/bin/sh
# Debian's own programs on this library and on the original, results compared.
#
# usage: check.sh STAGE_DIR        (`make check-programs` calls it)
#
# PROGRAMS="ldb notmuch" picks, SCALE=20 does a fifth of the work. Prints "ok",
# "not ok" and "skip" lines. With CHECK_STRICT=1 a skip fails.
set -u
if [ $# -ne 1 ]; then
	echo "usage: $0 STAGE_DIR, where \`make stage\` has installed the library" >&2
	exit 2
fi
. "$(dirname "$0")/common.sh"
begin "$1"
passed=0
failed=0
skipped=0

check() { # STATUS TEXT
	if [ "$1" -eq 0 ]; then
		echo "ok - $2"
		passed=$((passed + 1))
	else
		echo "not ok - $2"
		failed=$((failed + 1))
	fi
	return "$1"
}

# PROGRAM of the lines of a log that have this library
with() { # LIBRARY LOG
	awk -v library="$1" '$2 == library { print $1 }' "$2" | sort -u
}

# PROGRAM and SIGNAL of what died as only programs with a bug do
crashed() { # DIR
	awk '$4 ~ /^(4|6|7|8|11)$/ { print $1, $4 }' "$1/processes" | sort
}

# Which programs ran on libtalloc, and all of them on the one they should?
loaded() { # LIBRARY DIR
	! grep '^left ' "$2/processes" >&2 || return 1
	[ -z "$(with both "$2/processes")" ] || return 1
	case $1 in
	ours) [ -z "$(with other "$2/processes")" ] ;;
	*) [ -z "$(with ours "$2/processes")" ] ;;
	esac || return 1
	# Nothing crashed that does not on the original.
	crashed "$first" >"$first.crashed"
	crashed "$2" | diff "$first.crashed" - >&2 || return 1
	# What loads it on the original does so on ours, in every process.
	with other "$first/processes" | while read -r program; do
		awk -v program="$program" -v library="$1" '
			$1 == program { n[$2]++ }
			END { exit !n[library] }' "$2/processes" || exit 1
		grep -q "^$program - " "$2/processes" && ! grep -q "^$program - " "$first/processes" && exit 1
	done
	return 0
}

# How many they were; when preloaded, every process has the library.
processes() { # LIBRARY DIR
	awk -v library="$1" '
		FNR == NR { if ($2 == "other") counts[$1]; next }
		$2 == library && $1 in counts { n[$1]++; all++ }
		END {
			printf "%d processes:", all
			for (p in n) printf " %s %d", p, n[p]
		}' "$first/processes" "$2/processes"
}

compare() { # WAY
	dir=$work/$name/$1
	watched "$name" "$1" "$dir"
	status=$?
	check $status "$name, $1: runs (exit $status)" || {
		tail -n 20 "$dir/stderr" >&2
		return
	}
	results "$dir" >"$dir/compared"
	cmp -s "$first/compared" "$dir/compared"
	check $? "$name, $1: the same $(wc -l <"$dir/compared") lines of results" ||
		diff "$first/compared" "$dir/compared" | head -n 20 >&2
	normal <"$dir/stderr" >"$dir/messages"
	cmp -s "$first/messages" "$dir/messages"
	check $? "$name, $1: the same on stderr ($(wc -l <"$dir/messages") lines)" ||
		diff "$first/messages" "$dir/messages" | head -n 20 >&2
	loaded ours "$dir"
	check $? "$name, $1: this library in $(processes ours "$dir")" ||
		sort "$dir/processes" | uniq -c | sort -rn | head -n 20 >&2
}

# Mounts of its own are not allowed everywhere.
map=
[ "$(id -u)" -eq 0 ] || map=--map-root-user
mounts=yes
unshare --mount $map true 2>/dev/null || mounts=

scale=$SCALE
purpose=check
for name in $PROGRAMS; do
	is_loaded "$name" || continue
	case $mounts-$privileges in
	-*mounts*)
		echo "$name: not run, it needs mounts of its own, which are not allowed here"
		continue
		;;
	esac
	first=$work/$name/original
	start=$(date +%s)
	watched "$name" original "$first"
	status=$?
	results "$first" >"$first/compared"
	normal <"$first/stderr" >"$first/messages"
	[ $status -eq 0 ] && [ "$(wc -l <"$first/compared")" -gt 1 ] && loaded other "$first"
	check $? "$name, original: $(processes other "$first")" || {
		echo "exit $status" >&2
		tail -n 20 "$first/stderr" >&2
		continue
	}
	for way in $ways; do
		if [ "$way" = replaced ] && [ -z "$mounts" ]; then
			echo "$name: not run with the file replaced: no mounts of its own are allowed here"
			continue
		fi
		compare "$way"
	done
	echo "$name: $(($(date +%s) - start)) seconds"
	done_with "$name"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] || exit 1
[ $skipped -eq 0 ] || [ "${CHECK_STRICT-0}" != 1 ]
