# What doxygen reads instead of talloc.h: the header, in which plain comments are
# documentation of the macros below them, and each name belongs to a group. Groups
# are the pages of the manual, so that nobody lists them twice.
#
# usage: awk -f docs/api/header.awk include/talloc.h        (in the project's top folder)

BEGIN {
	while (("ls man/*.3" | getline file) > 0) {
		page = file
		gsub(/^man\/|\.3$/, "", page)
		# The heading alone: from the names to what they are for.
		while ((getline line <file) > 0 && line !~ /^\.Nd /)
			if (line ~ /^\.Nm /) {
				split(line, words, " ")
				group[words[2]] = page
			}
		sub(/^\.Nd /, "", line)
		close(file)
		printf "/** @defgroup group_%s %s: %s\n@brief %s(3) in the manual. */\n",
			page, page, line, page
	}
}

# The comment of a function: its group is known at the end of the prototype.
/^\/\*\*$/ { held = $0; holding = 1; next }
holding {
	held = held "\n" $0
	if (/;$/ && !/^ \*/) {
		prototype = held
		sub(/.*\*\/\n/, "", prototype)
		match(prototype, /_*talloc[a-z_]*\(/)
		name = substr(prototype, RSTART, RLENGTH - 1)
		sub(/ \*\/\n/, " * @ingroup group_" group[name] "\n */\n", held)
		if (prototype ~ /\.\.\./)
			sub(/ \* @(return|code|ingroup)/, " * @param ...  what the format asks for\n&", held)
		# What compilers are told is no part of a prototype.
		gsub(/_PUBLIC_[ \n]|PRINTF_ATTRIBUTE\([0-9],[0-9]\)|_DEPRECATED_/, "", held)
		print held
		holding = 0
	}
	next
}

# The plain comment of macros: up to the next empty line it is that of all of them.
/^\/\*/ { comment = ""; inside = 1 }
inside {
	text = $0
	inside = text !~ /\*\//
	gsub(/^\/\* ?|^ \* ?| ?\*\/$/, "", text)
	comment = comment (comment == "" ? "" : "\n") text
	print
	next
}
/^$/ { comment = "" }
match($0, /^#define [A-Za-z_]+/) && substr($0, 9, RLENGTH - 8) in group {
	name = substr($0, 9, RLENGTH - 8)
	printf "/** %s\n@ingroup group_%s */\n", comment, group[name]
}
/^#if TALLOC_DEPRECATED$/ { $0 = "#if 1" }
/^typedef .*;$/ && substr($3, 1, length($3) - 1) in group {
	printf "/** %s\n@ingroup group_%s */\n", comment, group[substr($3, 1, length($3) - 1)]
}
{ print }
