# samba-tool: a domain provisioned into a folder, changed, searched and checked.
. "$here/samba.sh"
packages="samba samba-ad-provision samba-common-bin samba-dsdb-modules samba-vfs-modules python3-samba ldb-tools"
programs="samba-tool ldbsearch"
as_root=always
seconds=600
cost=100

tool() {
	samba-tool "$@" -s etc/smb.conf
}

drive() {
	# The order of Python's sets.
	PYTHONHASHSEED=0
	export PYTHONHASHSEED
	timed provision samba-tool domain provision --targetdir="$PWD" --realm=test.example.org --domain=TEST \
		--server-role=dc --dns-backend=NONE --adminpass=Word1234. --host-name=here \
		--host-ip=127.0.0.1 --domain-sid=S-1-5-21-1-2-3 --domain-guid=6a09560b-0000-4000-8000-0123456789ab \
		--ntds-guid=6a09560b-0000-4000-8000-0123456789ac --invocationid=6a09560b-0000-4000-8000-0123456789ad \
		>result/provision 2>result/provision.log
	[ "$purpose" = cost ] || changes >result/users
	db=tdb://$PWD/private/sam.ldb
	timed dbcheck samba-tool dbcheck --cross-ncs -s etc/smb.conf >result/dbcheck
	for nc in '' CN=Configuration, CN=Schema,CN=Configuration,; do
		ldbsearch -H "$db" -b "${nc}DC=test,DC=example,DC=org" -s sub -S --show-deleted
	done >search 2>result/search.err
	unfold search | sort >result/search
	grep -c '^dn:' search >result/count
}

changes() {
	for u in one two three; do
		tool user create $u Word1234.$u --given-name=$u
	done
	tool group add few
	tool group addmembers few one,two
	tool user disable three
	tool user delete two
	tool ou create OU=there
	tool user list | sort
	tool group listmembers few
}

# A value on one line.
unfold() {
	sed -e ':a' -e 'N' -e '$!ba' -e 's/\n //g' "$1"
}

# Numbers that are drawn, and times.
normal() {
	sed 's/[0-9a-f]\{8\}-[0-9a-f]\{4\}-[0-9a-f]\{4\}-[0-9a-f]\{4\}-[0-9a-f]\{12\}/GUID/g
		s/[0-9]\{14\}\.0Z/TIME/; s/^\(pwdLastSet\|lastSetTime\|priorSetTime\|creationTime\|badPasswordTime\): .*/\1/
		s/^\(unicodePwd\|ntPwdHistory\|supplementalCredentials\|dBCSPwd\|lmPwdHistory\|currentValue\|priorValue\|secret\|replPropertyMetaData\|replUpToDateVector\|dnsRecord\|objectGUID\|msDS-[A-Za-z]*\|oEMInformation\|schemaInfo\|msDFSR-[A-Za-z]*\)::* .*/\1/
		s/^\(INFO\|WARNING\) [0-9 :,-]*/\1 /; s/first record .*/first record/; s/^\(cn\|name\):: dHdvCkRFTD.*/\1 two DEL/
		 s/^uSNChanged: .*/uSNChanged/; s/pid:[0-9]*//; s/ #[0-9]*$//'
}
