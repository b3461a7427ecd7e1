# The chart of docs/real-programs.md, from build/programs.tsv: per program, what
# this library needs of what the original needs.
BEGIN {
	FS = "\t"
	colour["inside"] = "#1b7837"
	colour["instructions"] = "#7fbf7b"
	colour["memory"] = "#af8dc3"
	colour["wall"] = "#762a83"
	label["inside"] = "instructions in libtalloc and malloc"
	label["instructions"] = "all instructions"
	label["memory"] = "peak memory, worst process"
	label["wall"] = "wall time"
	kinds = split("inside instructions memory wall", kind, " ")
}

!($1 in seen) { seen[$1]; suites[++n] = $1 }

$2 == "instructions" && ($3 == "all:talloc" || $3 == "all:malloc") {
	sum_ours[$1] += $4
	sum_theirs[$1] += $5
	if (sum_theirs[$1] > 0)
		value[$1, "inside"] = sum_ours[$1] / sum_theirs[$1]
}

$2 != "memory" && $3 == "all" && $5 > 0 { value[$1, $2] = $4 / $5 }

$2 == "memory" && $5 > 0 && $4 / $5 > value[$1, "memory"] { value[$1, "memory"] = $4 / $5 }

function text(x, y, anchor, string) {
	printf "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, string
}

END {
	left = 110; wide = 480; bar = 9; group = kinds * bar + 12; top = 60
	height = top + n * group + 20
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"11\">\n", left + wide + 60, height
	printf "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
	for (k = 1; k <= kinds; k++) {
		x = left + (k - 1) % 2 * 260
		y = 8 + int((k - 1) / 2) * 16
		printf "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/>\n", x, y, colour[kind[k]]
		text(x + 15, y + 9, "start", label[kind[k]])
	}
	# The whole width is 1.2 of the original.
	for (t = 0; t <= 12; t += 2) {
		x = left + wide * t / 12
		printf "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"%s\"/>\n", x, top - 6, x, height - 14, t == 10 ? "black" : "#dddddd"
		text(x, top - 10, "middle", sprintf("%.1f", t / 10))
	}
	for (i = 1; i <= n; i++) {
		y = top + (i - 1) * group
		text(left - 8, y + group / 2, "end", suites[i])
		for (k = 1; k <= kinds; k++) {
			v = value[suites[i], kind[k]]
			if (v == "")
				continue
			w = wide * (v > 1.25 ? 1.25 : v) / 1.2
			printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", left, y + (k - 1) * bar, w, bar - 1, colour[kind[k]]
			text(left + w + 3, y + k * bar - 1, "start", sprintf("%.2f", v))
		}
	}
	print "</svg>"
}
