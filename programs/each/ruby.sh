# Ruby on notmuch's bindings, whose garbage collector frees what talloc holds.
packages="ruby-notmuch notmuch"
programs="ruby notmuch"
cost=10

prepare() {
	mails "$(part 2000)"
}

drive() {
	cp -R "$input/mail" .
	printf '[database]\npath=%s/mail\n[user]\nname=Reader\nprimary_email=r@example.org\n' "$PWD" >config
	NOTMUCH_CONFIG=$PWD/config
	HOME=$PWD
	export NOTMUCH_CONFIG HOME
	notmuch new --quiet
	timed walk ruby "$here/notmuch.rb" "$PWD/mail" >walk
	# What has the same date comes in the order in which it was indexed.
	sort walk >result/walk
	notmuch dump | sort >result/dump
}
