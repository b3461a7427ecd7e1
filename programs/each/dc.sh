# A domain controller: samba with its LDAP, RPC and Kerberos servers, and clients.
. "$here/samba.sh"
packages="samba samba-ad-provision samba-common-bin samba-dsdb-modules samba-vfs-modules python3-samba ldb-tools
	iproute2 smbclient"
programs="samba ldbadd ldbmodify ldbdel ldbsearch"
as_root=always
# Its ports are fixed.
privileges="network mounts"
seconds=600
# Callgrind does not hear of those it kills.
cost=0

prepare() {
	awk -v n="$(part 200)" 'BEGIN {
		for (i = 1; i <= n; i++) {
			dn = sprintf("dn: CN=person%d,CN=Users,DC=test,DC=example,DC=org\n", i)
			printf "%sobjectClass: user\nsAMAccountName: person%d\ndescription: number %d\n\n", dn, i, i >"add.ldif"
			printf "%schangetype: modify\nreplace: description\ndescription: changed %d\n-\nadd: telephoneNumber\n" \
				"telephoneNumber: %d\n\n", dn, i, i >"modify.ldif"
			if (i % 4 == 0)
				print substr(dn, 5, length(dn) - 5) >"del"
		}
		close("del")
	}'
	touch del
}

ldap() { # TOOL ARGUMENTS...
	tool=$1
	shift
	"$tool" -H ldap://127.0.0.1 --configfile="$PWD/etc/smb.conf" -U TEST/Administrator%Word1234. "$@"
}

drive() {
	mount -t tmpfs none /run
	samba-tool domain provision --targetdir="$PWD" --realm=test.example.org --domain=TEST --server-role=dc \
		--dns-backend=NONE --adminpass=Word1234. --host-name=here --host-ip=127.0.0.1 \
		--domain-sid=S-1-5-21-1-2-3 >provision 2>&1
	sed -i '/\[global\]/a\
		server services = rpc, ldap, cldap, kdc, drepl\
		interfaces = 127.0.0.1\
		bind interfaces only = yes\
		log level = 1\
		ldap server require strong auth = no' etc/smb.conf
	daemon out samba -F -M prefork --no-process-group --debug-stdout --configfile=etc/smb.conf
	await 60 ldap ldbsearch --scope=base -b '' defaultNamingContext
	timed add ldap ldbadd "$input/add.ldif" >result/add
	timed modify ldap ldbmodify "$input/modify.ldif" >result/modify
	# shellcheck disable=SC2046 # words, none with a space
	[ ! -s "$input/del" ] || timed del ldap ldbdel $(cat "$input/del") >result/del
	timed search searches
	stop $pid
	! grep -rh 'PANIC\|INTERNAL ERROR\|Bad talloc' out
}

searches() {
	for round in 1 2 3 4 5; do
		ldap ldbsearch -b DC=test,DC=example,DC=org -S '(objectClass=user)' \
			cn description telephoneNumber memberOf sAMAccountName
		ldap ldbsearch -b CN=Schema,CN=Configuration,DC=test,DC=example,DC=org -S '(cn=a*)' cn lDAPDisplayName
		ldap ldbsearch -b DC=test,DC=example,DC=org '(sAMAccountName=person7)' memberOf objectSid
	done | sort >result/search
}

normal() {
	sed 's/-21-1-2-3-[0-9]*/-RID/'
}
