# The table, from what statistics.awk wrote; -v markdown=1 for docs/figures.md, with
# -v only="ROW ROW" for README.md: these rows, without targets.

BEGIN {
	FS = "\t"
	split("jemalloc tcmalloc mimalloc", other, " ")
	if (only != "") {
		n = split(only, row, " ")
		for (k = 1; k <= n; k++)
			is_listed[row[k]] = 1
		print "| workload | here | original | malloc | here / original | here / malloc |"
		print "|---|---|---|---|---|---|"
	} else if (markdown) {
		print "| workload | here | original | malloc | here / original | here / malloc | target |"
		print "|---|---|---|---|---|---|---|"
	} else {
		printf "%-52s %12s %10s %10s  %-19s %-19s %s\n", "workload", "ours", "original", "malloc",
			"ours/original", "ours/malloc", "target"
	}
}

function short(x, unit) {
	if (x == "-" || unit == "instr")
		return x
	return sprintf(x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : "%.2f", x)
}

function ratio(x) {
	return x == "-" ? x : sprintf(x < 0.01 ? "%.0e" : "%.2f", x)
}

function spread(median, low, high) {
	if (median == "-")
		return "-"
	return sprintf("%s (%s to %s)", ratio(median), ratio(low), ratio(high))
}

function targets(    t) {
	t = ""
	if ($13 != "")
		t = t " " $13
	if ($14 != "")
		t = t (t == "" ? "" : ",") " " $14 " of malloc"
	if ($15 != "")
		t = t " " ($15 ~ /^<=/ ? "" : "at least ") substr($15, 3)
	if (sub(/[+]/, "", t))
		t = t " above the original"
	return t
}

# The one that ours is furthest behind, if it is behind any.
function behind(    k, most, whom) {
	most = 1
	if ($7 != "-" && $7 > most) {
		most = $7
		whom = "the original"
	}
	if ($10 != "-" && $10 > most) {
		most = $10
		whom = "malloc"
	}
	for (k = 1; k <= 3; k++) {
		if ($(14 + 4 * k) != "-" && $(14 + 4 * k) > most) {
			most = $(14 + 4 * k)
			whom = "the original with " other[k]
		}
		if ($(16 + 4 * k) != "-" && $(16 + 4 * k) > most) {
			most = $(16 + 4 * k)
			whom = other[k]
		}
	}
	return whom == "" ? "" : sprintf("%s (%s of %s)", $1, ratio(most), whom)
}

function listed(list, one) {
	return list (list == "" ? "" : ", ") one
}

# A row of the table of other mallocs.
function beside(    k, line) {
	line = sprintf("%-18s %10s %10s", $1, short($4, $3), short($5, $3))
	for (k = 1; k <= 3; k++)
		line = line sprintf(" %10s", short($(13 + 4 * k), $3))
	line = line sprintf("   %10s", short($6, $3))
	for (k = 1; k <= 3; k++)
		line = line sprintf(" %10s", short($(15 + 4 * k), $3))
	return line "\n"
}

function dash(x) {
	return markdown && x == "-" ? "" : x
}

# one row stands for these
/^session_/ {
	if ($4 != "-" && $4 > 1.1)
		apart = listed(apart, sprintf("%s %s", substr($1, 9), ratio($4)))
	if ($7 != "-" && $7 > 1)
		slower = listed(slower, sprintf("%s %s", substr($1, 9), ratio($7)))
	sessions++
	next
}
{
	has_target = $13 $14 $15 != ""
	if ($3 == "ns" && has_target) {
		one = behind()
		if (one == "")
			ahead++
		else
			not_ahead = listed(not_ahead, one)
	}
	if ($3 == "ns" && $17 $19 $21 $23 $25 $27 != "------")
		instead = instead beside()
	if ($1 ~ /^rss_/ && $5 != "-") {
		processes++
		# file pages come sixteen at a time, or do not
		if ($4 > $5 + 64)
			larger = larger sprintf(" %s (%d against %d)", substr($1, 5), $4, $5)
		else
			not_larger++
	}
	if (markdown && (only == "" ? has_target : $1 in is_listed)) {
		printf "| %s | %s %s | %s | %s | %s | %s |", $2, short($4, $3), $3, dash(short($5, $3)),
			dash(short($6, $3)), dash(ratio($7)), dash(ratio($10))
		if (only == "")
			printf "%s: %s |", targets(), $16
		printf "\n"
	} else if (!markdown) {
		if ($1 == $2 && !others++)
			print "\nwithout a target"
		printf "%-52s %12s %10s %10s  %-19s %-19s", $2, short($4, $3) " " $3, short($5, $3), short($6, $3),
			spread($7, $8, $9), spread($10, $11, $12)
		if (has_target)
			printf "%s %s", targets(), $16 == "missed" ? "MISSED" : $16
		printf "\n"
	}
}
END {
	whom = "the original and malloc" (instead == "" ? "" : ", also with jemalloc, tcmalloc and mimalloc")
	if (markdown && only == "" && ahead + (not_ahead != "") > 0)
		printf "\nThis library alone against %s: ahead in %s.\n", whom,
			not_ahead == "" ? "every row" : "all rows but " not_ahead
	if (markdown)
		exit
	if (instead != "") {
		printf "\n%-18s %10s %43s   %43s\n", "instead, ns", "ours", "the original with", "malloc of"
		printf "%-18s %10s %10s", "", "", "libc"
		printf " %10s %10s %10s", other[1], other[2], other[3]
		printf "   %10s %10s %10s %10s\n%s", "libc", other[1], other[2], other[3], instead
	}
	if (ahead + (not_ahead != "") > 0)
		printf "\nnot ahead of %s: %s\n", whom, not_ahead == "" ? "none" : not_ahead
	if (sessions > 0) {
		printf "in one process, over 1.1 x of its figure alone: %s\n", apart == "" ? "none" : apart
		printf "in one process, slower than the original there: %s\n", slower == "" ? "none" : slower
	}
	if (processes > 0)
		printf "\nmost memory of a process, KiB: at most the original's in %d of %d%s\n",
			not_larger, processes, larger == "" ? "" : "; larger:" larger
}
