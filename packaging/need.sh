# Commands that packages are made with. Sourced, not run.

# have COMMAND:PACKAGE...: installs what is missing, as root on Debian, or says what it is and
# ends
have() {
	missing=
	for pair; do
		command -v "${pair%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
		echo "installing$missing"
		# shellcheck disable=SC2086 # words
		{ apt-get -q update && env DEBIAN_FRONTEND=noninteractive \
			apt-get -q install -y --no-install-recommends $missing; } >/dev/null 2>&1 || :
	fi
	for pair; do
		command -v "${pair%:*}" >/dev/null 2>&1 || {
			echo "$0: there is no command ${pair%:*}; Debian's package ${pair#*:} has it" >&2
			exit 1
		}
	done
}
