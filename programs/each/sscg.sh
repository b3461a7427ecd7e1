# sscg, which makes certificates: its own authority, host, client, with and without
# passwords.
packages="sscg openssl"
programs=sscg
cost=20

drive() {
	for i in $(seq "$(part 5)"); do
		mkdir "$i"
		timed certificates sscg -v --hostname "host$i.example.org" --organization "Number $i" --lifetime $((30 + i)) \
			--subject-alt-name "other$i.example.org" --subject-alt-name "DNS:third.example.org" \
			--cert-key-password word --ca-file "$i/ca.pem" --ca-key-file "$i/ca.key" --crl-file "$i/crl.pem" \
			--cert-file "$i/host.pem" --cert-key-file "$i/host.key" --client-file "$i/client.pem" \
			--dhparams-file "$i/dh.pem" --dhparams-named-group ffdhe2048 >"result/out$i" 2>&1
		for name in ca host client; do
			openssl x509 -in "$i/$name.pem" -noout -subject -issuer -ext subjectAltName,basicConstraints,keyUsage,extendedKeyUsage
			openssl x509 -in "$i/$name.pem" -noout -checkend $(((29 + i) * 86400))
		done >"result/shown$i"
		openssl verify -CAfile "$i/ca.pem" "$i/host.pem" "$i/client.pem" >>"result/shown$i"
		openssl rsa -in "$i/host.key" -passin pass:word -check -noout >>"result/shown$i"
	done
	! sscg --hostname 'no such host' --cert-file none/host.pem >result/refused 2>&1
}

# The name of an authority, and the names it may sign for, have a number that is drawn.
normal() {
	sed 's/ca-[0-9]*/ca-N/g'
}
