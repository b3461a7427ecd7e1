# notmuch: a store of mail indexed, searched, tagged, shown, dumped and indexed
# again.
packages=notmuch
programs=notmuch
cost=20

# The database chooses names for threads of its own on each indexing run, in the
# order in which the folder gives the files.
prepare() {
	mails "$(part 4000)"
}

normal() {
	sed 's/thread:[0-9a-f]\{16\}/thread:T/; s/"thread": "[0-9a-f]*"/"thread": "T"/;
		s/ in [0-9a-z ]* ([0-9]* files\/sec\.)//'
}

store() {
	[ -d mail ] || cp -R "$input/mail" .
	printf '[database]\npath=%s/mail\n[user]\nname=Reader\nprimary_email=r@example.org\n' "$PWD" >config
	printf '[new]\ntags=unread;inbox\n[search]\nexclude_tags=deleted\n' >>config
	NOTMUCH_CONFIG=$PWD/config
	HOME=$PWD
	export NOTMUCH_CONFIG HOME
}

# What talloc-view sees of it, and what it reports itself.
look() {
	# So many that it is still at work when all has been looked at.
	mails 8000
	store
	TALLOC_REPORT=full:/dev/null notmuch new --quiet &
	loaded_by=$!
	sleep 0.5
	# Where it is not in the midst of malloc.
	for n in 1 2 3; do
		looked "notmuch: the same as its talloc_report_full, at work" \
			reports $loaded_by full$n "$(printf 'tbreak _talloc_free\ncontinue')"
	done
	looked "notmuch: nothing wrong at work" sound echo $loaded_by
	wait $loaded_by
}

drive() {
	store
	timed new notmuch new --quiet
	notmuch tag +milky -- subject:milk
	notmuch tag +deleted -inbox -- from:writer7
	for query in '*' tag:milky from:writer3 'pot12 or pot13' 'date:2024-01-10..2024-01-12' 'thread:{subject:tea}'; do
		echo "$query: $(notmuch count -- "$query") $(notmuch count --output=threads -- "$query")"
	done >result/counts
	timed search notmuch search --sort=oldest-first '*' >search
	normal <search | sort >result/search
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
	notmuch search tag:milky | normal | sort >result/compacted
}
