# benches/results/*.json, from what statistics.awk wrote. The arguments -v date,
# cpu, cores, ours, original, libc and pairs say where that was.

function text(s) {
	gsub(/[\\"]/, "", s)
	return "\"" s "\""
}

function value(x) {
	return x == "-" || x == "" ? "null" : x + 0
}

BEGIN {
	FS = "\t"
	split("jemalloc tcmalloc mimalloc", other, " ")
	print "{"
	printf "  \"date\": %s,\n  \"cpu\": %s,\n  \"cores\": %d,\n", text(date), text(cpu), cores
	printf "  \"ours\": %s,\n  \"original\": %s,\n  \"libc\": %s,\n", text(ours), text(original), text(libc)
	printf "  \"pairs\": %d,\n  \"rows\": [", pairs
}
{
	printf "%s\n    {\"row\": %s, \"what\": %s, \"unit\": %s,\n", NR == 1 ? "" : ",", text($1), text($2), text($3)
	printf "     \"ours\": %s, \"original\": %s, \"malloc\": %s,\n", value($4), value($5), value($6)
	printf "     \"to_original\": {\"median\": %s, \"quartiles\": [%s, %s], \"target\": %s},\n",
		value($7), value($8), value($9), value($13)
	printf "     \"to_malloc\": {\"median\": %s, \"quartiles\": [%s, %s], \"target\": %s},\n",
		value($10), value($11), value($12), value($14)
	for (k = 0; k < 3; k++)
		if ($(17 + 4 * k) $(19 + 4 * k) != "--")
			printf "     \"%s\": {\"original\": %s, \"to_original\": %s, \"malloc\": %s, \"to_malloc\": %s},\n",
				other[k + 1], value($(17 + 4 * k)), value($(18 + 4 * k)),
				value($(19 + 4 * k)), value($(20 + 4 * k))
	printf "     \"target\": %s, \"met\": %s}", $15 == "" ? "null" : text($15),
		$16 == "-" ? "null" : ($16 == "met" ? "true" : "false")
}
END {
	print "\n  ]\n}"
}
