#!/bin/sh
# Servers under load for so many minutes, on this library and on the original at
# the same time; the memory of every process sampled, and what is left at the end
# compared.
#
# usage: soak.sh STAGE_DIR MINUTES        (`make soak-programs MINUTES=10` calls it)
#
# PROGRAMS="smbd" picks. Prints "ok" and "not ok" lines.
set -u
case ${2-} in
'' | *[!0-9]* | 0)
	echo "usage: $0 STAGE_DIR MINUTES (a whole number)" >&2
	exit 2
	;;
esac
minutes=$2
: "${PROGRAMS:=smbd freeradius}"
. "$(dirname "$0")/common.sh"
begin "$1"
failed=0
slack=1024 # KB; an arena more or less, and a twentieth of the peak
few=16 # blocks; what a process was at when it had to end

check() { # STATUS TEXT
	if [ "$1" -eq 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
		failed=1
	fi
}

# The most that a process has grown from the second quarter of the time to the
# last, in the mean: PROGRAM KB, then its peak.
growth() { # SAMPLES
	awk '
		{ if ($1 > last) last = $1; time[NR] = $1; id[NR] = $3 " " $2; rss[NR] = $4 }
		END {
			for (i = 1; i <= NR; i++) {
				if (time[i] >= last / 4 && time[i] < last / 2) { early[id[i]] += rss[i]; n[id[i]]++ }
				if (time[i] >= last * 3 / 4) { late[id[i]] += rss[i]; m[id[i]]++ }
				split(id[i], program, " ")
				if (rss[i] > peak[program[1]]) peak[program[1]] = rss[i]
			}
			for (p in late)
				if (p in early) {
					split(p, program, " ")
					g = late[p] / m[p] - early[p] / n[p]
					if (!(program[1] in most) || g > most[program[1]]) most[program[1]] = g
				}
			for (p in most) printf "%s %.0f %d\n", p, most[p], peak[p]
		}' "$1" | sort
}

# The blocks of the longest report of talloc's at the end of a process.
left() { # DIR
	sed -n 's/.*talloc report on .* in *\([0-9]*\) blocks).*/\1/p' "$1/result/leaks" | sort -n | tail -n 1
}

for name in $PROGRAMS; do
	scale=10
	purpose=soak
	function=soak
	seconds=0
	load "$name" || {
		failed=1
		continue
	}
	seconds=$((minutes * 60 + 300))
	export minutes
	for way in original path; do
		(
			# At the same time, so not in the same place.
			place_of_run=run-$way
			watched "$name" $way "$work/$name/$way"
			echo $? >"$work/$name/$way.status"
		) &
	done
	wait
	for way in original path; do
		dir=$work/$name/$way
		[ "$(cat "$dir.status")" -eq 0 ]
		check $? "$name, $way: $(grep -c '' "$dir/rounds") rounds in $minutes minutes" ||
			tail -n 20 "$dir/stderr" >&2
		growth "$dir/samples" >"$dir.growth"
	done
	join "$work/$name/original.growth" "$work/$name/path.growth" >"$work/$name/growth"
	[ -s "$work/$name/growth" ]
	check $? "$name: sampled $(wc -l <"$work/$name/path/samples") times"
	while read -r program theirs their_peak ours_grown our_peak; do
		limit=$(((theirs > 0 ? theirs : 0) + slack + their_peak / 20))
		[ "$ours_grown" -le $limit ]
		check $? "$name: $program grew by $ours_grown KB (original $theirs), its peak $our_peak KB (original $their_peak)"
	done <"$work/$name/growth"
	ours_left=$(left "$work/$name/path")
	theirs_left=$(left "$work/$name/original")
	[ -n "$ours_left" ] && [ "$ours_left" -le $((theirs_left + few)) ]
	check $? "$name: at the end a process has $ours_left blocks at most (original $theirs_left)"
	awk '$2 == "both" || $2 == "other"' "$work/$name/path/processes" >"$work/wrong"
	[ ! -s "$work/wrong" ]
	check $? "$name: this library in all of its $(grep -c ' ours ' "$work/$name/path/processes") processes"
	done_with "$name"
done
[ $failed -eq 0 ]
