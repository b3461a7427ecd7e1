# The table, from what statistics.awk wrote; -v markdown=1 for README.md.

BEGIN {
	FS = "\t"
	if (markdown) {
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
	return t
}

function dash(x) {
	return markdown && x == "-" ? "" : x
}

{
	has_target = $13 $14 $15 != ""
	if ($1 ~ /^rss_/ && $5 != "-") {
		processes++
		# file pages come sixteen at a time, or do not
		if ($4 > $5 + 64)
			larger = larger sprintf(" %s (%d against %d)", substr($1, 5), $4, $5)
		else
			not_larger++
	}
	if (markdown && has_target) {
		printf "| %s | %s %s | %s | %s | %s | %s |%s: %s |\n", $2, short($4, $3), $3, dash(short($5, $3)),
			dash(short($6, $3)), dash(ratio($7)), dash(ratio($10)), targets(), $16
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
	if (processes > 0 && !markdown)
		printf "\nmost memory of a process, KiB: at most the original's in %d of %d%s\n",
			not_larger, processes, larger == "" ? "" : "; larger:" larger
}
