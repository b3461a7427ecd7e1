# A chart (SVG) of the rows in nanoseconds that have a target, from what
# statistics.awk wrote: the original's bar is as long in each row, or malloc's where
# the original has no such thing. -v title and -v where are the lines above.

function escaped(s) {
	gsub(/&/, "\\&amp;", s)
	gsub(/</, "\\&lt;", s)
	return s
}

function label(x, y, class, s) {
	body = body sprintf("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, y, class, escaped(s))
}

# A bar that would leave the picture is cut; the number is right.
function bar(value, ratio, class,    w, s, cut) {
	if (value == "-")
		return
	w = ratio * unit_width
	if (w > max_width) {
		w = max_width
		cut = sprintf("<rect x=\"%d\" y=\"%.1f\" width=\"4\" height=\"%d\" class=\"cut\"/>\n",
			left + w - 16, y - 1, thick + 2)
	} else {
		cut = ""
	}
	body = body sprintf("<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" class=\"%s\"/>\n",
		left, y, w, thick, class) cut
	s = sprintf((value < 10 ? "%.1f" : "%.0f") " ns", value)
	if (class == "ours")
		s = sprintf("%.2f \302\267 %s", ratio, s)
	label(left + w + 6, y + thick - 1.5, class == "ours" ? "number strong" : "number", s)
	y += thick + 2
}

BEGIN {
	FS = "\t"
	left = 350
	unit_width = 300
	max_width = 450
	thick = 10
	y = 106
}
$3 == "ns" && $13 $14 != "" {
	top = y
	has_original = $5 != "-"
	whole = has_original ? $5 : $6
	bar($4, has_original ? $7 : $10, "ours")
	bar($5, 1, "original")
	bar($6, $6 / whole, "malloc")
	label(left - 12, (top + y) / 2 + 3, "name", $2 (has_original ? "" : " (malloc = 1)"))
	y += 10
}
END {
	height = y + 14
	width = left + max_width + 110
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n",
		width, height, width, height
	printf "<title>%s</title>\n", escaped(title)
	print "<style>"
	print "text { font-family: system-ui, -apple-system, \"Segoe UI\", Helvetica, Arial, sans-serif; font-size: 13px; fill: #1f2328 }"
	print ".card { fill: #ffffff; stroke: #d0d7de } .grid { stroke: #d0d7de } .whole { stroke: #6e7781; stroke-dasharray: 3 3 }"
	print ".title { font-size: 17px; font-weight: 600 } .where, .number, .axis { font-size: 11px; fill: #59636e }"
	print ".number { stroke: #ffffff; stroke-width: 3px; paint-order: stroke } .cut { fill: #ffffff }"
	print ".axis { text-anchor: middle } .name { text-anchor: end } .number.strong { fill: #1f2328; font-weight: 600 }"
	print ".ours { fill: #1f6feb } .original { fill: #a8b1bb } .malloc { fill: #e0883a }"
	print "@media (prefers-color-scheme: dark) {"
	print "text, .number.strong { fill: #e6edf3 } .card { fill: #0d1117; stroke: #30363d } .grid { stroke: #30363d }"
	print ".where, .number, .axis { fill: #9198a1 } .number { stroke: #0d1117 } .cut { fill: #0d1117 }"
	print " .ours { fill: #4493f8 } .original { fill: #6e7681 } .malloc { fill: #db8b3f }"
	print "}"
	print "</style>"
	printf "<rect x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%d\" rx=\"8\" class=\"card\"/>\n", width - 1, height - 1
	printf "<text x=\"20\" y=\"30\" class=\"title\">%s</text>\n", escaped(title)
	printf "<text x=\"20\" y=\"50\" class=\"where\">%s</text>\n", escaped(where)
	x = 20
	split("ours original malloc", class, " ")
	split("this library|the original|malloc, for the same", says, "|")
	for (i = 1; i <= 3; i++) {
		printf "<rect x=\"%d\" y=\"66\" width=\"12\" height=\"12\" rx=\"2\" class=\"%s\"/>", x, class[i]
		printf "<text x=\"%d\" y=\"76.5\">%s</text>\n", x + 18, says[i]
		x += 40 + 8 * length(says[i])
	}
	for (i = 0; i <= 1; i += 0.25) {
		x = left + i * unit_width
		printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"98\" y2=\"%d\" class=\"%s\"/>", x, x, height - 14,
			(i == 1 ? "whole" : "grid")
		printf "<text x=\"%.1f\" y=\"92\" class=\"axis\">%s</text>\n", x, i == 0 ? "0" : sprintf("%.2f", i)
	}
	printf "%s</svg>\n", body
}
