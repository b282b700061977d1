#!/bin/sh
# Shows pillarbox at work, from the sources to mail that arrives: sh tests/demo.sh
#
# Installs what the build needs (Debian, as root or with sudo), builds in a private directory, starts a
# throw-away smarthost on loopback that demands STARTTLS and a login, and sends real messages to it: one
# that arrives, one while the smarthost is down, one with a recipient that is refused. Uses no
# configuration, queue or mail of the person who runs it and leaves nothing behind.
#
# PILLARBOX_BUILD=dir  takes the programs from a finished build instead of making one.

set -eu
cd "$(dirname "$0")/.."
umask 077

# shellcheck source=tests/packages.sh
. tests/packages.sh

work=$(mktemp -d "${TMPDIR:-/tmp}/pillarbox-demo.XXXXXX")
smarthost_pid=
starts=0
step_now="the preparation"

stop_smarthost()
{
	if [ -n "$smarthost_pid" ]; then
		kill "$smarthost_pid" 2>/dev/null || :
		wait "$smarthost_pid" 2>/dev/null || :
	fi
	smarthost_pid=
}

clean_up()
{
	code=$?
	trap - EXIT
	stop_smarthost
	if [ "$code" -ne 0 ]; then
		printf '\ndemo: failed at: %s\n' "$step_now"
		if [ -s "$work/smarthost.log" ]; then
			printf 'demo: the last words of the smarthost:\n'
			tail -n 20 "$work/smarthost.log"
		fi
		code=1
	fi
	rm -rf "$work"
	exit "$code"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

step()
{
	step_now=$*
	printf '\n=== %s\n' "$*"
}

die()
{
	printf 'demo: %s\n' "$*"
	exit 1
}

# Shows text indented, so that a message cannot be taken for the demo's own words.
show()
{
	sed 's/^/    | /'
}

# Waits until a command succeeds: wait_for SECONDS COMMAND...
wait_for()
{
	tries=$(($1 * 10))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# ---------------------------------------------------------------------------- building

prepare_programs()
{
	if [ -n "${PILLARBOX_BUILD:-}" ]; then
		step "taking the programs of $PILLARBOX_BUILD"
		programs=$PILLARBOX_BUILD
	else
		step "installing what the build needs"
		install_packages gcc libc6-dev meson ninja-build pkg-config libgnutls28-dev libinih-dev \
			libidn2-dev python3 openssl ca-certificates
		step "building"
		if ! { meson setup "$work/build" -Dtests=false && ninja -C "$work/build"; } >"$work/build.log" 2>&1; then
			tail -n 30 "$work/build.log" | show
			die "the build failed"
		fi
		programs=$work/build
	fi
	[ -x "$programs/sendmail" ] || die "no program $programs/sendmail"
	# Called by its other name, the program lists the queue.
	ln -s "$(cd "$programs" && pwd)/sendmail" "$work/mailq"
	"$programs/sendmail" --version >"$work/version" || die "sendmail --version failed"
	show <"$work/version"
}

# ---------------------------------------------------------------------------- the smarthost

# An authority of our own and a certificate for localhost, good for a day.
make_certificates()
{
	openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj "/CN=Demo authority" \
		-keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" \
		-keyout "$work/server.key" -out "$work/server.csr" 2>/dev/null
	cat >"$work/extensions" <<-END
		subjectAltName = DNS:localhost, IP:127.0.0.1
		extendedKeyUsage = serverAuth
	END
	openssl x509 -req -in "$work/server.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
		-days 1 -extfile "$work/extensions" -out "$work/server.pem" 2>/dev/null
}

port_is_open()
{
	"$PYTHON" - "$port" <<-'END' 2>/dev/null
		import socket, sys
		socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
	END
}

# It writes each message into a file and tells the envelope in a line of its log. A new start counts
# from 1 again, so each has a directory of its own.
start_smarthost()
{
	starts=$((starts + 1))
	"$PYTHON" tests/flow/smarthost.py --port "$port" --user demo --password "$password" \
		--cert "$work/server.pem" --key "$work/server.key" --out "$work/arrived/$starts" \
		--refuse refused@example.org >>"$work/smarthost.log" 2>&1 </dev/null &
	smarthost_pid=$!
	wait_for 20 port_is_open || die "the smarthost does not start"
}

arrived_count()
{
	grep -c '^message ' "$work/smarthost.log" || :
}

arrived_at_least()
{
	[ "$(arrived_count)" -ge "$1" ]
}

# The file of the last message whose envelope line fits a pattern; empty without one.
arrived_file()
{
	sed -n "/^message .*$1/s/^.*: //p" "$work/smarthost.log" | tail -n 1
}

# Shows envelope and text of the last message that arrived for a pattern.
show_arrived()
{
	echo "arrived at the smarthost:"
	sed -n "/^message .*$1/s/^message [0-9]*: \(.*\): .*/\1/p" "$work/smarthost.log" | tail -n 1 | show
	echo "    |"
	tr -d '\r' <"$(arrived_file "$1")" | show
}

prepare_smarthost()
{
	step "starting a smarthost on loopback that wants STARTTLS and a login"
	make_certificates
	mkdir "$work/arrived" "$work/home"
	: >"$work/smarthost.log"
	port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	password=$(openssl rand -hex 12)
	cat >"$work/config" <<-END
		[account demo]
		host = localhost
		port = $port
		tls_trust_file = $work/ca.pem
		user = demo
		password = $password
		from = ann@example.com

		[queue]
		directory = $work/queue
		retry_min = 1s
	END
	start_smarthost
	echo "configuration (the password is random and not shown):"
	sed 's/^password = .*/password = .../' "$work/config" | show
}

# ---------------------------------------------------------------------------- the programs as a caller sees them

# Nothing of the person's own environment counts.
as_caller()
{
	env -i PATH="$PATH" HOME="$work/home" LANG=C.UTF-8 PILLARBOX_CONFIG="$work/config" \
		timeout 60 "$@"
}

queue_is_empty()
{
	as_caller "$work/mailq" >"$work/mailq.out" 2>&1 && grep -q '^Mail queue is empty$' "$work/mailq.out"
}

queue_is_filled()
{
	! queue_is_empty && grep -Eq '^-- [0-9]+ Kbytes in [0-9]+ Request' "$work/mailq.out"
}

# Sends stdin by "sendmail ARGUMENTS" and demands exit 0 without a byte of output.
send()
{
	printf '$ sendmail %s\n' "$*"
	cat >"$work/message"
	code=0
	as_caller "$programs/sendmail" "$@" <"$work/message" >"$work/send.out" 2>&1 || code=$?
	show <"$work/send.out"
	echo "    exit $code"
	[ "$code" -eq 0 ] || die "sendmail ended with $code, 0 was expected"
	[ ! -s "$work/send.out" ] || die "sendmail was not silent"
}

# ---------------------------------------------------------------------------- what is shown

show_a_message_that_arrives()
{
	step "a message: stdin, recipients from the header, STARTTLS, login, arrived"
	send -t <<-'END'
		To: Bob <bob@example.org>
		Cc: carol@example.net
		Bcc: dave@example.com
		Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= from the demo

		Hello Bob,
		the next line is a lone dot, and it is yours to keep:
		.
		Ann
	END
	wait_for 10 arrived_at_least 1 || die "the message did not arrive"
	show_arrived 'from <ann@example.com>'
	file=$(arrived_file 'from <ann@example.com>')
	grep -q '^Subject: ' "$file" || die "the subject is missing"
	grep -q '^Message-ID: <' "$file" || die "no Message-ID was added"
	tr -d '\r' <"$file" | grep -qx '\.' || die "the lone dot is missing"
	! grep -qi '^bcc:' "$file" || die "the Bcc field was not removed"
	grep -q '^message 1: .*<dave@example.com>.* TLSv1\.[23], ' "$work/smarthost.log" ||
		die "the Bcc recipient is missing, or TLS"
	queue_is_empty || die "the queue is not empty"
}

show_the_queue()
{
	step "the smarthost is down: the message is kept, exit 0"
	stop_smarthost
	send -t <<-'END'
		To: late@example.org
		Subject: written while offline

		This one waits.
	END
	queue_is_filled || {
		show <"$work/mailq.out"
		die "the message is not in the queue"
	}
	echo "\$ mailq"
	show <"$work/mailq.out"

	step "the smarthost is back: the next message takes the waiting one along"
	start_smarthost
	# The waiting message was tried once; its next attempt is due after retry_min.
	sleep 3
	send bob@example.org <<-'END'
		Subject: back online

		This one goes at once.
	END
	wait_for 20 arrived_at_least 3 || {
		as_caller "$work/mailq" | show
		die "the waiting message was not sent"
	}
	wait_for 10 queue_is_empty || die "the queue did not become empty"
	show_arrived '<late@example.org>'
	echo "\$ mailq"
	show <"$work/mailq.out"
}

show_a_refused_recipient()
{
	step "one recipient is refused: the other gets it, the sender gets a notice"
	send bob@example.org refused@example.org <<-'END'
		From: Ann <ann@example.com>
		To: bob@example.org, refused@example.org
		Subject: for two, of whom one is unknown

		Hello both.
	END
	echo "\$ sendmail -q"
	as_caller "$programs/sendmail" -q 2>&1 | show
	wait_for 20 arrived_at_least 5 || die "message and notice did not both arrive"
	[ -n "$(arrived_file 'from <> to <ann@example.com>')" ] || die "no notice arrived"
	show_arrived 'from <> to <ann@example.com>'
	grep -qi '^Content-Type: multipart/report' "$(arrived_file 'from <> to <ann@example.com>')" ||
		die "the notice is no delivery report"
	wait_for 10 queue_is_empty || die "the queue did not become empty"
}

prepare_programs
prepare_smarthost
show_a_message_that_arrives
show_the_queue
show_a_refused_recipient

step "done"
stop_smarthost
echo "demo: everything shown above worked"
