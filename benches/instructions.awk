# Reads callgrind's file of `bench count ROW N` (-v n=N): instructions of each
# operation in all, those inside libtalloc, and the calls that leave it.

function is_libtalloc(line,    id, name) {
	sub(/^c?ob=/, "", line)
	id = line
	sub(/ .*/, "", id)
	name = line
	if (sub(/^[^ ]* /, "", name))
		object[id] = name
	return object[id] ~ /libtalloc\.so/
}

/^ob=/ {
	inside = is_libtalloc($0)
	next
}
# only calls into another object have this line
/^cob=/ {
	# the first mention of an object is the one with its name
	leaves = !is_libtalloc($0) && inside
	next
}
/^calls=/ {
	split($1, call, "=")
	if (leaves)
		calls += call[2]
	leaves = 0
	is_callee = 1
	next
}
# what the callee needed is counted where it is
is_callee {
	is_callee = 0
	next
}
/^[-+*0-9]/ {
	all += $2
	if (inside)
		own += $2
}
END {
	printf "%.2f %.2f %.2f\n", all / n, own / n, calls / n
}
