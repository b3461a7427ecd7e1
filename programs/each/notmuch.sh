# notmuch: a store of mail indexed, searched, tagged, shown, dumped and indexed
# again.
packages=notmuch
programs=notmuch
cost=20

# The database chooses names for threads of its own on each indexing run, in the
# order in which the folder gives the files.
prepare() {
	mkdir mail
	awk -v n="$(part 4000)" 'BEGIN {
		for (i = 1; i <= n; i++) {
			file = sprintf("mail/%05d", i)
			printf "From: Writer %d <writer%d@example.org>\nTo: list@example.org\n", i % 37, i % 37 >file
			printf "Subject: %s%s number %d\n", i % 5 == 1 ? "" : "Re: ", i % 3 ? "tea" : "milk", int((i - 1) / 5) >file
			printf "Date: Mon, %02d Jan 2024 %02d:%02d:00 +0000\n", 1 + i % 28, i % 24, i % 60 >file
			printf "Message-ID: <m%d@example.org>\n", i >file
			if (i % 5 != 1)
				printf "In-Reply-To: <m%d@example.org>\nReferences: <m%d@example.org>\n", i - 1, i - 1 >file
			printf "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n" >file
			for (line = 0; line < 3 + i % 40; line++)
				printf "The word %d of letter %d is pot%d.\n", line, i, (i * 7 + line) % 997 >file
			close(file)
		}
	}'
}

normal() {
	sed 's/thread:[0-9a-f]\{16\}/thread:T/; s/"thread": "[0-9a-f]*"/"thread": "T"/;
		s/ in [0-9a-z ]* ([0-9]* files\/sec\.)//'
}

drive() {
	cp -R "$input/mail" .
	printf '[database]\npath=%s/mail\n[user]\nname=Reader\nprimary_email=r@example.org\n' "$PWD" >config
	printf '[new]\ntags=unread;inbox\n[search]\nexclude_tags=deleted\n' >>config
	NOTMUCH_CONFIG=$PWD/config
	HOME=$PWD
	export NOTMUCH_CONFIG HOME
	timed new notmuch new --quiet
	notmuch tag +milky -- subject:milk
	notmuch tag +deleted -inbox -- from:writer7
	for query in '*' tag:milky from:writer3 'pot12 or pot13' 'date:2024-01-10..2024-01-12' 'thread:{subject:tea}'; do
		echo "$query: $(notmuch count -- "$query") $(notmuch count --output=threads -- "$query")"
	done >result/counts
	timed search notmuch search --sort=oldest-first '*' >search
	sort search >result/search
	notmuch search --output=messages 'pot12 and tag:inbox' | sort >result/messages
	timed show notmuch show --format=json --entire-thread=false --body=true from:writer3 >show
	sed 's/}, {/},\n{/g' show | sort >result/show
	notmuch show --format=mbox id:m7@example.org >result/mbox
	notmuch reply id:m7@example.org >result/reply
	notmuch address --output=count '*' | sort >result/address
	notmuch dump | sort >result/dump
	timed reindex notmuch reindex tag:milky
	notmuch dump | sort | cmp - result/dump
	notmuch tag --remove-all -- '*'
	notmuch restore <result/dump
	notmuch dump | sort | cmp - result/dump
	rm mail/0000[1-9]
	notmuch new --quiet
	notmuch count '*' >>result/counts
	notmuch compact --quiet
	notmuch search tag:milky | sort >result/compacted
}
