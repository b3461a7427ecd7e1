# A C file that uses each macro as its synopsis says: with arguments of these types, and
# the result in a variable of that type.
#
# usage: awk -f uses.awk MACROS SYNOPSES

BEGIN {
	FS = "\t"
	print "#define TALLOC_DEPRECATED 1\n#include <talloc.h>\nstruct thing {\n\tint one;\n};"
}
NR == FNR { macro[$1] = 1; next }
$3 != "" && $2 in macro {
	n = split($4, arguments, ", ")
	parameters = passed = ""
	for (i = 1; i <= n; i++) {
		if (arguments[i] == "type") {
			passed = passed (i > 1 ? ", " : "") "struct thing"
			continue
		}
		name = arguments[i]
		if (match(name, /\(\*[a-z_]*\)/))
			name = substr(name, RSTART + 2, RLENGTH - 3)
		sub(/.*[ *]/, "", name)
		passed = passed (i > 1 ? ", " : "") name
		gsub(/type \*/, "struct thing *", arguments[i])
		parameters = parameters (parameters != "" ? ", " : "") arguments[i]
	}
	sub(/^type/, "struct thing", $3)
	printf "void use_%s(%s);\nvoid use_%s(%s)\n{\n", $2, parameters, $2, parameters
	if ($3 == "void")
		printf "\t%s(%s);\n}\n", $2, passed
	else
		printf "\t%s result = %s(%s);\n\n\t(void)result;\n}\n", $3, $2, passed
}
