# What synopsis.awk found, in the form in which header.awk writes the header. Of the
# arguments of a macro only the names are there.
#
# usage: awk -f prototypes.awk MACROS SYNOPSES

BEGIN { FS = "\t" }
NR == FNR { macro[$1] = 1; next }
$3 == "" { print $4; next }
!($2 in macro) { print $3 ($3 ~ /\*$/ ? "" : " ") $2 "(" $4 ")"; next }
{
	n = split($4, arguments, ", ")
	for (i = 1; i <= n; i++) {
		# The name of a pointer to a function is within its type.
		if (match(arguments[i], /\(\*[a-z_]*\)/))
			arguments[i] = substr(arguments[i], RSTART + 2, RLENGTH - 3)
		sub(/.*[ *]/, "", arguments[i])
		line = (i > 1 ? line ", " : "") arguments[i]
	}
	print "#define " $2 "(" line ")"
}
