# Samba's local test suites, which need no server. A few fail on the original,
# too: the sets of results are what is compared.
. "$here/samba.sh"
packages=samba-testsuite
programs=smbtorture

# Without dbspeed, which counts what it can do in ten seconds. The first ones
# mostly wait.
slow="event iconv irpc messaging resolve talloc tfork"
suites="anonymous_shared asn1 binding binsearch charset compression convert_string convert_string_handle
	crypto.md4 datablob dlinklist dsdb.dn dsdb.syntax file fsrvp_state genrand idtree ldb loadparm
	mdspkt ndr ntlmssp pac registry replace share smbencrypt smbtorture socket str
	string_case_handle strlist strv strv_util tdr tevent_req time torture util util_str_escape
	verif_trailer"
# What has work to do, and the same each time.
if [ "${purpose-}" = cost ]; then
	slow=
	suites="binding dsdb.dn ldb loadparm ndr strlist tdr"
fi

suite() { # NAME
	dir=$PWD/$1
	mkdir "$dir"
	(
		cd "$dir"
		samba_folders testing
		smbtorture -s "$dir/smb.conf" --format=subunit --seed=1 --basedir="$dir" \
			//127.0.0.1/none -U% "local.$1" >out 2>err || echo "exit $?" >>err
	)
	sed -n 's/^\(success\|failure\|error\|skip\): \([^ ]*\).*/\1 \2/p' "$dir/out" | sort >"result/$1"
	# Times and addresses, how often a thread came to speak, which of two
	# processes was the first to tidy up, and whether a child that is killed
	# came to say who its parent is.
	sed '/ to remove \|not remove \|^my parent pid is /d; s/smbtorture[A-Za-z0-9]\{6\}\/[a-z_]*\.[A-Za-z0-9]*/TMP/; s/0x[0-9a-f]*/X/g; s/[0-9][0-9]*/N/g' "$dir/err" | sort -u >"result/$1.stderr"
}

drive() {
	for suite in $slow; do
		suite "$suite" &
	done
	for suite in $suites; do
		timed suites suite "$suite"
	done
	wait
	[ "$(cat result/* | grep -c '^success ')" -gt 500 ] || [ "$purpose" = cost ]
}
