# Reads benches/targets.txt and the runs ("pair side row value unit", as
# arguments in this order), writes a line for each row, with tabs between
#
#	1 row  2 label  3 unit  4 ours  5 original  6 malloc
#	7 ours/original  8 its lower and 9 its upper quartile
#	10 ours/malloc  11, 12 likewise
#	13 to 15 the targets: of the original, of malloc, of the row itself
#	16 met, missed or -
#	17 the original with jemalloc  18 ours/that  19 jemalloc alone  20 ours/that
#	21 to 24, 25 to 28 likewise with tcmalloc, mimalloc
#
# All are medians over the pairs; a ratio is taken in each pair first.
#
# A target of a row itself is "<=N", ">=N" or, N more than the original's, "<=+N".
#
# Rows session_X and alone_X are a workload's two figures in session: what comes of
# them is a row session_X with their ratio, on both sides (and the ratio of the times
# in 7 to 9), and a row session with the worst of all.

function quantile(values, n, q,    i, j, v, at) {
	for (i = 2; i <= n; i++) {
		v = values[i]
		for (j = i - 1; j >= 1 && values[j] > v; j--)
			values[j + 1] = values[j]
		values[j + 1] = v
	}
	at = 1 + (n - 1) * q
	i = int(at)
	return i == n ? values[n] : values[i] + (at - i) * (values[i + 1] - values[i])
}

function number(x) {
	return sprintf("%.4g", x) + 0
}

# The median of a row on one side, "-" if nobody measured it.
function median_of(side, row,    p, n, v) {
	n = 0
	for (p = 1; p <= pairs; p++)
		if ((p, side, row) in value)
			v[++n] = value[p, side, row]
	return n == 0 ? "-" : number(quantile(v, n, 0.5))
}

# Fills r with the median and the quartiles of the ratio of two rows, if they are
# not ratios themselves.
function ratios(r, row, side, other,    p, n, v) {
	n = 0
	for (p = 1; p <= pairs && unit[row] != "x"; p++)
		if ((p, "ours", row) in value && (p, side, other) in value && value[p, side, other] > 0)
			v[++n] = value[p, "ours", row] / value[p, side, other]
	r["median"] = n == 0 ? "-" : number(quantile(v, n, 0.5))
	r["low"] = n == 0 ? "-" : number(quantile(v, n, 0.25))
	r["high"] = n == 0 ? "-" : number(quantile(v, n, 0.75))
}

# How far a workload among the others is from itself alone.
function to_alone(side, row,    p, n, v) {
	for (p = 1; p <= pairs; p++)
		if ((p, side, "session_" row) in value && value[p, side, "alone_" row] > 0)
			v[++n] = value[p, side, "session_" row] / value[p, side, "alone_" row]
	return n == 0 ? "-" : number(quantile(v, n, 0.5))
}

function worst_of(side,    i, x) {
	worst = "-"
	for (i = 1; i <= rows; i++) {
		if (order[i] !~ /^session_/)
			continue
		x = to_alone(side, substr(order[i], 9))
		if (x != "-" && (worst == "-" || x > worst)) {
			worst = x
			worst_row = substr(order[i], 9)
		}
	}
	return worst
}

function judge(x, how, original,    limit) {
	if (how == "")
		return
	limit = substr(how, how ~ /^<=[+]/ ? 4 : 3) + 0
	if (how ~ /^<=[+]/ && original != "-")
		limit += original
	if (x == "-" || (how ~ /^<=/ ? x > limit : x < limit))
		verdict = "missed"
	else if (verdict == "-")
		verdict = "met"
}

FNR == 1 {
	files++
}
files == 1 {
	if ($0 !~ /^#/) {
		split($0, f, "|")
		order[++rows] = f[1]
		label[f[1]] = f[2]
		target[f[1]] = f[3] SUBSEP f[4] SUBSEP f[5]
	}
	next
}
$5 != "path" {
	if ($1 > pairs)
		pairs = $1
	value[$1, $2, $3] = $4
	unit[$3] = $5
	if (!($3 in label)) {
		order[++rows] = $3
		label[$3] = $3
	}
}
END {
	others = split("jemalloc tcmalloc mimalloc", other, " ")
	for (i = 1; i <= rows; i++) {
		row = order[i]
		if (row == "session" && worst_of("ours") != "-")
			unit[row] = "x"
		if (!(row in unit) || row ~ /^(malloc|alone)_/)
			continue
		ours = median_of("ours", row)
		theirs = median_of("original", row)
		what = unit[row]
		split(target[row], wanted, SUBSEP)
		ratios(o, row, "original", row)
		if (row == "session") {
			theirs = worst_of("original")
			ours = worst_of("ours")
			label[row] = label[row] " (" worst_row ")"
		} else if (row ~ /^session_/) {
			ours = to_alone("ours", substr(row, 9))
			theirs = to_alone("original", substr(row, 9))
			what = "x"
		}
		ratios(m, row, "ours", "malloc_" row)
		verdict = "-"
		judge(o["median"], wanted[1] == "" ? "" : "<=" wanted[1])
		judge(m["median"], wanted[2] == "" ? "" : "<=" wanted[2])
		judge(ours, wanted[3], theirs)
		printf "%s\t%s\t%s\t%s\t%s\t%s", row, label[row], what, ours, theirs,
			median_of("ours", "malloc_" row)
		printf "\t%s\t%s\t%s\t%s\t%s\t%s", o["median"], o["low"], o["high"],
			m["median"], m["low"], m["high"]
		printf "\t%s\t%s\t%s\t%s", wanted[1], wanted[2], wanted[3], verdict
		for (k = 1; k <= others; k++) {
			ratios(o, row, other[k], row)
			ratios(m, row, other[k], "malloc_" row)
			printf "\t%s\t%s\t%s\t%s", median_of(other[k], row), o["median"],
				median_of(other[k], "malloc_" row), m["median"]
		}
		printf "\n"
	}
}
