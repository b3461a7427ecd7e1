# The tables of docs/real-programs.md, from build/programs.tsv.
BEGIN { FS = "\t" }

{
	ours[$1, $2, $3] = $4
	theirs[$1, $2, $3] = $5
	if (!($1 in seen)) { seen[$1]; suites[++n] = $1 }
	if (!($1 SUBSEP $3 in seen_part) && $3 !~ /:/) {
		seen_part[$1 SUBSEP $3]
		parts[$1] = parts[$1] " " $3
	}
}

function ratio(suite, kind, what) {
	return theirs[suite, kind, what] > 0 ? sprintf("%.2f", ours[suite, kind, what] / theirs[suite, kind, what]) : "-"
}

function million(x) { return sprintf("%.0f", x / 1e6) }

# libtalloc and malloc together
function inside(from, suite, what) {
	return from[suite, "instructions", what ":talloc"] + from[suite, "instructions", what ":malloc"]
}

function inside_ratio(suite, what) {
	return inside(theirs, suite, what) > 0 ? sprintf("%.2f", inside(ours, suite, what) / inside(theirs, suite, what)) : "-"
}

function share(suite, what) {
	return theirs[suite, "instructions", what] > 0 ? sprintf("%.0f %%", 100 * inside(theirs, suite, what) / theirs[suite, "instructions", what]) : "-"
}

# The process whose peak is worst, compared.
function peak(suite,	i, k, name, worst) {
	worst = 0
	k = split(parts[suite], name, " ")
	for (i = 1; i <= k; i++)
		if (ratio(suite, "memory", name[i]) + 0 > worst)
			worst = ratio(suite, "memory", name[i]) + 0
	return worst ? sprintf("%.2f", worst) : "-"
}

END {
	print "| program | libtalloc and malloc, of its instructions | those, ours to the original's | all instructions | peak memory, worst process | wall time |"
	print "|---|---|---|---|---|---|"
	for (i = 1; i <= n; i++) {
		s = suites[i]
		printf "| %s | %s | %s | %s | %s | %s |\n", s, share(s, "all"), inside_ratio(s, "all"),
			ratio(s, "instructions", "all"), peak(s), ratio(s, "wall", "all")
	}
	print "\nInstructions by program, in millions:\n"
	print "| program | all, ours | original | ratio | libtalloc, ours | original | malloc, ours | original | both, ratio | share |"
	print "|---|---|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= n; i++) {
		s = suites[i]
		k = split(parts[s], name, " ")
		for (j = 1; j <= k; j++) {
			p = name[j]
			# What does next to nothing is in the sum.
			if (p == "all" || !theirs[s, "instructions", p] || theirs[s, "instructions", p] < theirs[s, "instructions", "all"] / 20)
				continue
			printf "| %s: %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", s, p,
				million(ours[s, "instructions", p]), million(theirs[s, "instructions", p]),
				ratio(s, "instructions", p),
				million(ours[s, "instructions", p ":talloc"]), million(theirs[s, "instructions", p ":talloc"]),
				million(ours[s, "instructions", p ":malloc"]), million(theirs[s, "instructions", p ":malloc"]),
				inside_ratio(s, p), share(s, p)
		}
	}
	print "\nPeak memory of the largest process of each program, and the time of each step:\n"
	print "| program | KB, ours | original | ratio | | step | ms, ours | original | ratio |"
	print "|---|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= n; i++) {
		s = suites[i]
		k = split(parts[s], name, " ")
		m = t = 0
		for (j = 1; j <= k; j++) {
			if (theirs[s, "memory", name[j]])
				memory[++m] = name[j]
			if (theirs[s, "wall", name[j]] && name[j] != "all")
				step[++t] = name[j]
		}
		for (j = 1; j <= m || j <= t; j++) {
			if (j <= m)
				printf "| %s: %s | %d | %d | %s |", s, memory[j], ours[s, "memory", memory[j]],
					theirs[s, "memory", memory[j]], ratio(s, "memory", memory[j])
			else
				printf "| | | | |"
			if (j <= t)
				printf " | %s: %s | %d | %d | %s |\n", s, step[j], ours[s, "wall", step[j]],
					theirs[s, "wall", step[j]], ratio(s, "wall", step[j])
			else
				print " | | | | |"
		}
	}
}
