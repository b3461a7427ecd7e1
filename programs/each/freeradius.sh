# FreeRADIUS with a thread pool: PAP, CHAP and accounting.
packages="freeradius freeradius-utils"
programs="freeradius radclient"
as_root=replaced
cost=10

prepare() {
	awk -v n="$(part 8000)" 'BEGIN {
		for (i = 1; i <= n; i++) {
			word = i % 20 ? "secret" : "wrong"
			printf "User-Name = user%d\n%s-Password = %s\nNAS-Port = %d\n\n", \
				i % 100, i % 2 ? "User" : "CHAP", word, i >"auth"
			printf "User-Name = user%d\nAcct-Session-Id = s%d\nAcct-Status-Type = %s\n" \
				"NAS-IP-Address = 127.0.0.1\nAcct-Input-Octets = %d\n\n", \
				i % 100, i, i % 2 ? "Start" : "Stop", i * 17 >"acct"
		}
		for (i = 0; i < 100; i++)
			printf "user%d Cleartext-Password := secret\n\tReply-Message := \"Hello %%{User-Name} on %%{NAS-Port}\",\n" \
				"\tFramed-IP-Address := 10.0.0.%d,\n\tSession-Timeout := %d\n\n", i, i, 60 * i >"users"
	}'
}

radius_config() { # PORT
	mkdir log run
	cat >radiusd.conf <<-END
		prefix = /usr
		logdir = $PWD/log
		raddbdir = $PWD
		run_dir = $PWD/run
		libdir = /usr/lib/freeradius
		pidfile = $PWD/run/pid
		max_requests = 16384
		log {
			destination = files
			file = $PWD/log/radius.log
		}
		security {
			allow_core_dumps = no
			reject_delay = 0
		}
		thread pool {
			start_servers = 3
			max_servers = 4
			min_spare_servers = 1
			max_spare_servers = 3
			max_requests_per_server = 0
		}
		client here {
			ipaddr = 127.0.0.1
			secret = between
		}
		modules {
			pap {
			}
			chap {
			}
			expr {
			}
			files {
				usersfile = $input/users
			}
			detail {
				filename = $PWD/log/detail
				locking = yes
			}
		}
		server default {
			listen {
				type = auth
				ipaddr = 127.0.0.1
				port = $1
			}
			listen {
				type = acct
				ipaddr = 127.0.0.1
				port = $(($1 + 1))
			}
			authorize {
				chap
				files
				pap
			}
			authenticate {
				Auth-Type PAP {
					pap
				}
				Auth-Type CHAP {
					chap
				}
			}
			accounting {
				detail
			}
		}
	END
}

# A wrong password makes radclient end with 1; what was lost is in its summary.
client() { # FILE PORT KIND OPTIONS...
	file=$1 to=127.0.0.1:$2 kind=$3
	shift 3
	radclient -d "$PWD/dict" -r 10 -t 5 -f "$file" "$@" "$to" "$kind" between || [ $? -eq 1 ]
}

ready() {
	printf 'User-Name = user1\nUser-Password = secret\n' | radclient -d "$PWD/dict" -r 1 -t 1 "127.0.0.1:$1" auth between
}

serve() { # OPTIONS...
	port=$(free_port)
	radius_config "$port"
	daemon out freeradius -f -m -d "$PWD" "$@"
	await 30 ready "$port"
}

drive() {
	mkdir dict
	echo >dict/dictionary
	serve
	timed auth client "$input/auth" "$port" auth -q -s -p 30 -c 10 >auth.out
	timed acct client "$input/acct" $((port + 1)) acct -q -s -p 30 >acct.out
	grep -h 'Accepted\|Rejected\|Lost' auth.out acct.out >result/summary
	head -n 400 "$input/auth" >few
	client few "$port" auth -x -p 1 >replies
	grep '^	\|^Received' replies >result/replies
	stop $pid
	grep -c . log/detail >result/detail
	grep '^	' log/detail | grep -v 'Timestamp\|Delay' | sort >>result/detail
	# A client that is fast uses a number again before the server is done.
	sed '/conflicting packet\|duplicate request/d; s/^[^:]*:[0-9]*:[0-9 ]*: //; s/^([0-9]*) *//' log/radius.log | sort -u >result/log
	cat out >>result/log
}

# What talloc-view sees of it, and what it reports itself.
look() {
	mkdir dict
	echo >dict/dictionary
	serve
	client "$input/auth" "$port" auth -q -s -p 30 -c 10 >auth.out &
	loaded_by=$!
	looked "freeradius: nothing wrong under load" sound echo $pid
	wait $loaded_by
	stop $pid
	rm -rf log run
	# With threads it tracks nothing, and without them not what came before its -M.
	TALLOC_REPORT=full:/dev/null
	export TALLOC_REPORT
	serve -t -M
	client "$input/auth" "$port" auth -q -s -p 30 -c 10 >auth.out
	looked "freeradius: the same as its talloc_report_full" reports $pid full
}

soak() {
	mkdir dict
	echo >dict/dictionary
	serve
	sample $pid
	for_minutes requests
	stop $pid
	grep -v Ready log/radius.log | sed 's/^[^:]*:[0-9]*:[0-9 ]*: //; s/^([0-9]*) *//' >all.log
	# It can report what is left only without threads.
	rm -rf log run
	serve -t -M
	requests
	stop $pid
	leaks <log/radius.log >result/leaks
	[ -s result/leaks ]
}

requests() {
	client "$input/auth" "$port" auth -q -s -p 30 >last.auth
	client "$input/acct" $((port + 1)) acct -q -s -p 30 >last.acct
	rm -f log/detail
	grep -h Lost last.auth last.acct | sort -u >result/lost
	echo >>rounds
}

normal() {
	sed 's| from 127[^ ]* to [^ ]*||; s/port [0-9]*/port N/; s/ Id [0-9]*/ Id N/; s/CHAP-Password = .*/CHAP-Password/'
}
