# The ldb tools: an indexed database written, changed and searched.
packages=ldb-tools
programs="ldbadd ldbmodify ldbdel ldbrename ldbsearch"
cost=60

prepare() {
	awk -v n="$(part 10000)" 'BEGIN {
		print "dn: @INDEXLIST\n@IDXATTR: cn\n@IDXATTR: objectClass\n@IDXATTR: uidNumber\n" >"add.ldif"
		for (i = 1; i <= n; i++) {
			dn = sprintf("dn: cn=user%05d,ou=people,dc=example\n", i)
			printf "%sobjectClass: person\ncn: user%05d\nuidNumber: %d\nmail: user%d@example.org\n" \
				"description: number %d of %d\n\n", dn, i, 10000 + i, i, i, n >"add.ldif"
			if (i % 4 == 0)
				printf "%schangetype: modify\nreplace: mail\nmail: new%d@example.org\n-\nadd: title\n" \
					"title: the %dth\n\n", dn, i, i >"modify.ldif"
			if (i % 10 == 1)
				print substr(dn, 5, length(dn) - 5) >"del"
		}
		for (g = 1; g <= 100; g++) {
			printf "dn: cn=group%03d,ou=groups,dc=example\nobjectClass: group\ncn: group%03d\n", g, g >"add.ldif"
			for (i = g; i <= n; i += 100)
				printf "member: cn=user%05d,ou=people,dc=example\n", i >"add.ldif"
			print "" >"add.ldif"
		}
	}'
}

drive() {
	db=tdb://$PWD/test.ldb
	timed ldbadd ldbadd -H "$db" "$input/add.ldif" >result/add
	timed ldbmodify ldbmodify -H "$db" "$input/modify.ldif" >result/modify
	# shellcheck disable=SC2046 # words, none with a space
	timed ldbdel ldbdel -H "$db" $(cat "$input/del") >result/del
	for i in 1 2 3 4 5; do
		ldbrename -H "$db" "cn=group00$i,ou=groups,dc=example" "cn=team$i,ou=teams,dc=example"
	done >result/rename
	timed ldbsearch ldbsearch -H "$db" -b dc=example -S >result/all
	ldbsearch -H "$db" -b ou=people,dc=example -S '(&(objectClass=person)(title=*))' mail >result/titled
	ldbsearch -H "$db" -b dc=example '(uidNumber=10002)' >result/indexed
	ldbsearch -H "$db" -b ou=teams,dc=example -s one -S '(cn=team*)' cn >result/teams
	grep -c '^dn: ' result/all result/titled result/indexed result/teams >result/counts
}
