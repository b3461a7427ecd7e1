# The programs in the examples of manual pages, as PAGE-NUMBER.c in a folder, and what
# the pages say that they print, as PAGE-NUMBER.out.
#
# usage: awk -v folder=FOLDER -f examples.awk PAGE...

FNR == 1 {
	page = FILENAME
	gsub(/.*\/|\.3$/, "", page)
	number = examples = inside = 0
}
/^\.Sh / { examples = $2 == "EXAMPLES" }
!examples { next }
/^\.Ed/ { inside = 0; close(file) }
inside {
	gsub(/\\e/, "\\")
	if (inside == 1) {
		if (/^#include/)
			number++
		file = folder "/" page "-" number (/^#include/ ? ".c" : ".out")
		inside = 2
	}
	print >file
}
/^\.Bd -literal/ { inside = 1 }
