# SSSD with users from a file: its monitor, backend and NSS responder.
packages="sssd-common sssd-tools libnss-sss"
programs="sssd sss_cache sssctl"
# Its folders are fixed.
privileges=mounts
# Callgrind is too slow for its watchdogs.
cost=0

prepare() {
	n=$(part 2000)
	awk -v n="$n" 'BEGIN { for (i = 1; i <= n; i++)
		printf "user%d:x:%d:%d:User %d:/home/user%d:/bin/sh\n", i, 10000 + i, 20000 + i % 50, i, i }' >passwd
	awk -v n="$n" 'BEGIN { for (g = 0; g < 50; g++) {
		printf "group%d:x:%d:", g, 20000 + g
		for (i = g + 1; i <= n; i += 50) printf "%suser%d", (i > g + 1 ? "," : ""), i
		print "" } }' >group
}

drive() {
	for folder in /run /var/lib/sss /var/log/sssd /etc/sssd; do
		mount -t tmpfs none $folder
	done
	for folder in db mc pipes pipes/private pubconf secrets gpo_cache; do
		mkdir -p /var/lib/sss/$folder
	done
	mkdir /etc/sssd/conf.d
	chmod 755 /run /var/lib/sss /var/lib/sss/mc /var/lib/sss/pipes
	cat >/etc/sssd/sssd.conf <<-END
		[sssd]
		services = nss
		domains = here
		[nss]
		filter_users = nobody
		entry_negative_timeout = 0
		[domain/here]
		id_provider = files
		passwd_files = $input/passwd
		group_files = $input/group
	END
	chmod 600 /etc/sssd/sssd.conf
	# Every question goes to the responder.
	SSS_NSS_USE_MEMCACHE=NO
	export SSS_NSS_USE_MEMCACHE
	daemon out sssd -i --logger=stderr
	await 60 getent -s sss passwd "user$(wc -l <"$input/passwd")"
	timed questions questions >result/answers
	sssctl config-check >result/config
	sssctl cache-expire -E >>result/config
	sss_cache -E
	getent -s sss passwd user1 >result/again
	stop $pid
	# Whether the last one is handled before the end is a matter of time.
	# Nor whether the signal to its whole group reaches the backend once more.
	sed '/HUP/d; s/exited gracefully\|terminated with a signal/ended/; s/^([0-9: -]*): //' out | sort -u >result/out
}

questions() {
	awk -F: '{ print $1; print $3 }' "$input/passwd" | xargs -n 100 getent -s sss passwd
	awk -F: '{ print $1; print $3 }' "$input/group" | xargs -n 10 getent -s sss group
	head -n 200 "$input/passwd" | cut -d: -f1 | xargs -n 20 getent -s sss initgroups
	getent -s sss passwd none unknown 99999 || echo "exit $?"
}

normal() {
	sed 's/\[[0-9]*\]/[N]/g'
}
