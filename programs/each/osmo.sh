# Osmocom's subscriber register and media gateway, which show talloc's own reports of
# their contexts.
packages="osmo-hlr osmo-mgw python3"
programs="osmo-hlr osmo-mgw"
# Their ports are fixed.
privileges=network
cost=10

drive() {
	printf '%s\n' 'line vty' ' bind 127.0.0.1' 'ctrl' ' bind 127.0.0.1' 'hlr' ' gsup' '  bind ip 127.0.0.1' \
		' ussd route prefix *#100# internal own-msisdn' >hlr.cfg
	printf '%s\n' 'line vty' ' bind 127.0.0.1' 'mgcp' '  bind ip 127.0.0.1' '  bind port 2427' \
		'  rtp port-range 4002 16000' '  rtp bind-ip 127.0.0.1' '  number endpoints 64' >mgw.cfg
	daemon hlr.out osmo-hlr -c hlr.cfg -l hlr.db
	hlr=$pid
	daemon mgw.out osmo-mgw -c mgw.cfg
	await 30 vty 4258 </dev/null
	await 30 vty 4243 </dev/null
	subscribers >commands
	timed subscribers vty 4258 <commands >result/hlr
	# As many as there are endpoints at most.
	timed connections client mgcp 2427 "$(part 150)" >result/mgcp
	printf '%s\n' 'show mgcp' 'show stats' 'show talloc-context application full' \
		'show talloc-context all full' | vty 4243 >result/mgw
	stop $hlr
	stop $pid
	cp hlr.out result/hlr.out
}

client() {
	/usr/bin/python3 -B "$here/osmo.py" "$@"
}

vty() {
	client vty "$1"
}

subscribers() {
	for i in $(seq "$(part 300)"); do
		imsi=$(printf '00101%010d' "$i")
		echo "subscriber imsi $imsi create"
		echo "subscriber imsi $imsi update msisdn $((4900000 + i))"
		echo "subscriber imsi $imsi update aud3g milenage k 000102030405060708090a0b0c0d0e0f opc 101112131415161718191a1b1c1d1e1f"
		[ $((i % 5)) -ne 0 ] || echo "subscriber imsi $imsi delete"
		echo "subscriber msisdn $((4900000 + i)) show"
	done
	echo 'show subscribers all'
	echo 'show talloc-context application full'
	echo 'show talloc-context all full'
}

# Names of connections are drawn.
normal() {
	sed 's/ id:0x[0-9A-F]*/ id:N/; s/ 0x[0-9a-f]*$//; s/^I: .*/I: N/; s/^o=- [0-9A-F]*/o=- N/; s/CI[:=] *[0-9A-F]*/CI N/; s/([0-9A-F]\{8\})/(N)/'
}
