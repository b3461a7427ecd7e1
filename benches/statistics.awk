# Reads benches/targets.txt and the runs ("pair side row value unit", as
# arguments in this order), writes a line for each row, with tabs between
#
#	1 row  2 label  3 unit  4 ours  5 original  6 malloc
#	7 ours/original  8 its lower and 9 its upper quartile
#	10 ours/malloc  11, 12 likewise
#	13 to 15 the targets: of the original, of malloc, of the row itself
#	16 met, missed or -
#
# All are medians over the pairs; a ratio is taken in each pair first.

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

function judge(x, how,    limit) {
	if (how == "")
		return
	limit = substr(how, 3) + 0
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
$3 != "library" {
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
	for (i = 1; i <= rows; i++) {
		row = order[i]
		if (!(row in unit) || row ~ /^malloc_/)
			continue
		ours = median_of("ours", row)
		split(target[row], wanted, SUBSEP)
		ratios(o, row, "original", row)
		ratios(m, row, "ours", "malloc_" row)
		verdict = "-"
		judge(o["median"], wanted[1] == "" ? "" : "<=" wanted[1])
		judge(m["median"], wanted[2] == "" ? "" : "<=" wanted[2])
		judge(ours, wanted[3])
		printf "%s\t%s\t%s\t%s\t%s\t%s", row, label[row], unit[row], ours,
			median_of("original", row), median_of("ours", "malloc_" row)
		printf "\t%s\t%s\t%s\t%s\t%s\t%s", o["median"], o["low"], o["high"],
			m["median"], m["low"], m["high"]
		printf "\t%s\t%s\t%s\t%s\n", wanted[1], wanted[2], wanted[3], verdict
	}
}
