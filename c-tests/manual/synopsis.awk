# The synopses of manual pages: a line for each function and macro, with tabs between
# the page, the name, the type of the result and the arguments.
#
# usage: awk -f synopsis.awk PAGE...

# The words of a macro line, from the one at `from` on; quotes hold some together.
function words_of(line, from,    n) {
	count = 0
	n = 0
	while (line != "") {
		if (line ~ /^"/) {
			match(line, /^"[^"]*"/)
			word = substr(line, 2, RLENGTH - 2)
		} else {
			match(line, /^[^ ]*/)
			word = substr(line, 1, RLENGTH)
		}
		line = substr(line, RLENGTH + 1)
		sub(/^ */, "", line)
		if (++n >= from)
			words[++count] = word
	}
}

function show(    i, arguments) {
	for (i = 1; i <= count; i++)
		arguments = arguments (i > 1 ? ", " : "") words[i]
	printf "%s\t%s\t%s\t%s\n", page, name, result, arguments
}

FNR == 1 { page = FILENAME; sub(/.*\//, "", page); synopsis = 0 }
/^\.Sh / { synopsis = $2 == "SYNOPSIS" }
!synopsis { next }
$1 == ".Ft" { words_of($0, 2); result = words[1] }
$1 == ".Fn" { name = $2; words_of($0, 3); show() }
$1 == ".Fo" { name = $2; arguments = 0; delete list }
$1 == ".Fa" { words_of($0, 2); list[++arguments] = words[1] }
$1 == ".Fc" {
	count = arguments
	for (i = 1; i <= count; i++)
		words[i] = list[i]
	show()
}
$1 == ".Fd" {
	name = $3
	sub(/\(.*/, "", name)
	sub(/^\.Fd /, "")
	printf "%s\t%s\t\t%s\n", page, name, $0
}
$1 == ".Vt" {
	name = $(NF - 1)
	gsub(/^\.Vt | ;$/, "")
	printf "%s\t%s\t\t%s\n", page, name, $0
}
