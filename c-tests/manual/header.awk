# The functions, the public macros and the type of talloc.h, a line each: without
# comments, attributes, and what macros stand for, unless that is a number.
#
# usage: awk -f header.awk MACROS talloc.h

NR == FNR { macro[$1] = 1; next }
{ text = text $0 "\n" }
END {
	while ((from = index(text, "/*")) > 0) {
		rest = substr(text, from)
		text = substr(text, 1, from - 1) substr(rest, index(rest, "*/") + 2)
	}
	gsub(/\\\n/, " ", text)
	n = split(text, lines, "\n")
	for (i = 1; i <= n; i++) {
		line = lines[i]
		if (match(line, /^#define [A-Za-z_]*/)) {
			name = substr(line, 9, RLENGTH - 8)
			rest = substr(line, RLENGTH + 1)
			if (!(name in macro))
				continue
			if (rest ~ /^\(/)
				print "#define " name substr(rest, 1, index(rest, ")"))
			else
				print "#define " name (rest ~ /^ [0-9]+$/ ? rest : "")
		} else if (line ~ /^typedef /) {
			sub(/;$/, "", line)
			print line
		} else if (line ~ /^_PUBLIC_/ || prototype != "") {
			prototype = prototype " " line
			if (line !~ /;$/)
				continue
			gsub(/_PUBLIC_|_DEPRECATED_|PRINTF_ATTRIBUTE\([0-9], ?[0-9]\)|;/, "", prototype)
			gsub(/[ \t]+/, " ", prototype)
			gsub(/^ | $/, "", prototype)
			print prototype
			prototype = ""
		}
	}
}
