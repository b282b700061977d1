#!/bin/sh
# Runs every test: sh tests/run.sh
#
# Installs what the tests need (Debian, as root or with sudo), builds in build/release, build/sanitize
# and build/fuzz, and runs the unit tests, the fuzz targets, the flow tests against both builds, and the
# checks of manuals, scripts and units. The last line tells the counts: "N passed, N failed".
#
# CI=1              compiler warnings are errors
# FUZZ_SECONDS=5    time for each fuzz target
# FLOW_SECONDS=600  limit for the flow tests

set -u
cd "$(dirname "$0")/.." || exit 1
umask 022

# shellcheck source=tests/packages.sh
. tests/packages.sh

work=$(mktemp -d "${TMPDIR:-/tmp}/pillarbox-tests.XXXXXX") || exit 1
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'end_jobs; exit 130' INT
trap 'end_jobs; exit 143' TERM

# What runs in the background.
jobs=

end_jobs()
{
	for job in $jobs; do
		kill "$job" 2>/dev/null
	done
	wait
}

passed=0
failed=0
failures=

pass()
{
	passed=$((passed + 1))
}

fail()
{
	failed=$((failed + 1))
	failures="$failures
  $1"
	echo "FAILED: $1"
}

# check NAME COMMAND...: one test; its output is shown when it fails.
check()
{
	name=$1
	shift
	if "$@" >"$work/check.out" 2>&1 </dev/null; then
		pass
	else
		fail "$name"
		tail -n 40 "$work/check.out"
	fi
}

# Adds the counts that tests/counts.py finds in a report: add_counts AREA KIND FILE EXIT_CODE
# A run that ended badly although its report is good is one more failure.
add_counts()
{
	if ! "$PYTHON" tests/counts.py "$2" "$3" >"$work/counts" 2>"$work/counts.err"; then
		fail "$1: exit code $4 and no report: $(tail -n 1 "$work/counts.err")"
		return
	fi
	read -r good bad <"$work/counts"
	passed=$((passed + good))
	failed=$((failed + bad))
	if [ "$bad" -gt 0 ]; then
		failures="$failures
$(sed "1d; s|^|  $1: |" "$work/counts")"
	fi
	echo "$1: $good passed, $bad failed"
	if [ "$4" -ne 0 ] && [ "$bad" -eq 0 ]; then
		fail "$1: exit code $4"
	fi
}

# ---------------------------------------------------------------------------- preparation

prepare_packages()
{
	install_packages gcc libc6-dev meson ninja-build pkg-config libgnutls28-dev libinih-dev libidn2-dev \
		libcmocka-dev clang python3 python3-pytest openssl ca-certificates gnutls-bin mandoc strace \
		valgrind git zsh fish shellcheck softhsm2 dovecot-core dovecot-submissiond
	install_packages "libclang-rt-$(clang_version)-dev"
	if ! has_other_mta && ! package_is_there postfix; then
		if may_be_root && has debconf-set-selections; then
			echo "postfix postfix/main_mailer_type select No configuration" |
				as_root debconf-set-selections
		fi
		install_packages postfix
	fi
	prepare_exim
	prepare_callers
}

# Debian's Exim and Postfix exclude each other. Without an installation Exim has no user: a library
# names one for it.
prepare_exim()
{
	if ! has exim4; then
		unpack_package exim4-daemon-heavy build/packages/exim
		install_packages libnss-wrapper
	fi
}

# Programs that call sendmail, for tests/flow/callers.py. Behind the mail server: some of them would
# bring one along. emacs-nox is tested too where it is there; it is too large to install for that.
prepare_callers()
{
	install_packages git-email mutt s-nail bsd-mailx mailutils nmh procmail vacation at cron anacron sudo \
		php-cli php-symfony-mailer libphp-phpmailer php-mail php-pear libmime-lite-perl libemail-sender-perl \
		ruby-mail monitoring-plugins-standard
	if has node; then
		install_packages node-nodemailer
	fi
}

# build NAME OPTION...: configures build/NAME, anew where an old one does not do, and compiles it.
build()
{
	name=$1
	shift
	note "building build/$name"
	if [ -n "${CI:-}" ]; then
		set -- "$@" -Dwerror=true
	fi
	if [ -f "build/$name/build.ninja" ]; then
		meson setup --reconfigure "build/$name" "$@" >"$work/build.log" 2>&1 || rm -rf "build/$name"
	fi
	if [ ! -f "build/$name/build.ninja" ]; then
		rm -rf "build/$name"
		meson setup "build/$name" "$@" >"$work/build.log" 2>&1 || {
			tail -n 20 "$work/build.log"
			fail "build/$name: meson setup"
			return 1
		}
	fi
	if ninja -C "build/$name" >"$work/build.log" 2>&1; then
		pass
	else
		grep -A 6 -E '(error|warning):|^FAILED|undefined reference' "$work/build.log" | head -n 60
		fail "build/$name: compiling"
		return 1
	fi
}

# ---------------------------------------------------------------------------- unit tests and fuzz targets

run_unit_tests()
{
	note "unit tests, build/$1"
	rm -f "build/$1/meson-logs/testlog.json"
	ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		meson test -C "build/$1" --no-rebuild --print-errorlogs </dev/null >"$work/unit.log" 2>&1
	code=$?
	add_counts "unit, build/$1" meson "build/$1/meson-logs/testlog.json" "$code"
	# What the failed programs said.
	[ "$code" -eq 0 ] || tail -n 60 "$work/counts.err"
}

# One target on a copy of its corpus, so that what it finds does not fill the tree.
run_fuzz_target()
{
	target=$(basename "$1")
	mkdir -p "$work/corpus/$target" build/fuzz/findings
	if [ -d "tests/data/${target#fuzz_}" ]; then
		cp -R "tests/data/${target#fuzz_}/." "$work/corpus/$target"
	fi
	ASAN_OPTIONS=detect_leaks=1 timeout $((FUZZ_SECONDS + 60)) "$1" -max_total_time="$FUZZ_SECONDS" \
		-timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/findings/$target-" "$work/corpus/$target"
}

run_fuzz_targets()
{
	note "fuzz targets, ${FUZZ_SECONDS} s each"
	found=no
	started=0
	for program in build/fuzz/tests/fuzz/fuzz_*; do
		# Beside the programs stand the directories of their object files.
		[ -f "$program" ] || continue
		found=yes
		target=${program##*/}
		{
			run_fuzz_target "$program" >"$work/$target.log" 2>&1 </dev/null
			echo $? >"$work/$target.code"
		} &
		jobs="$jobs $!"
		started=$((started + 1))
		[ $((started % PARALLEL)) -ne 0 ] || wait
	done
	wait
	jobs=
	[ "$found" = yes ] || fail "fuzz: no target was built"
	for program in build/fuzz/tests/fuzz/fuzz_*; do
		target=${program##*/}
		[ ! -f "$program" ] || check "$target" ended_well "$work/$target.code" "$work/$target.log"
	done
}

# ended_well CODE_FILE LOG_FILE: of something that ran in the background.
ended_well()
{
	cat "$2"
	[ "$(cat "$1")" -eq 0 ]
}

# ---------------------------------------------------------------------------- flow tests

# The real programs against a smarthost of ours and against Postfix, Exim and Dovecot.
start_flow_tests()
{
	reports=$work/sanitizer-$1
	mkdir -p "$reports"
	chmod 1777 "$reports"
	# The programs give up the right to be traced, which the leak check needs; all else is checked.
	# A shell has what it starts in the background ignore SIGINT, by which pytest ends in order.
	env --default-signal=INT PILLARBOX_BUILD="$PWD/build/$1" PYTHONDONTWRITEBYTECODE=1 \
		ASAN_OPTIONS="detect_leaks=0:log_path=$reports/asan" \
		UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:log_path=$reports/ubsan" \
		timeout -s INT -k 20 "$FLOW_SECONDS" "$PYTHON" -m pytest tests/flow -q -p no:cacheprovider \
		--junitxml="$work/flow-$1.xml" -o junit_family=xunit2 -rs </dev/null >"$work/flow-$1.log" 2>&1 &
	tests=$!
	trap 'kill -INT "$tests"; wait "$tests"; exit 143' TERM
	wait "$tests"
	echo $? >"$work/flow-$1.code"
}

tell_flow_tests()
{
	code=$(cat "$work/flow-$1.code")
	case $code in
	0) grep '^SKIPPED' "$work/flow-$1.log" ;;
	124 | 137) echo "not finished in $FLOW_SECONDS s" && tail -n 30 "$work/flow-$1.log" ;;
	*) tail -n 120 "$work/flow-$1.log" ;;
	esac
	add_counts "flow, build/$1" junit "$work/flow-$1.xml" "$code"
	check "flow, build/$1: no report of a sanitizer" no_reports "$work/sanitizer-$1"
}

# Side by side: they wait more than they compute.
run_flow_tests()
{
	note "flow tests, $*"
	for build in "$@"; do
		start_flow_tests "$build" &
		jobs="$jobs $!"
	done
	wait
	jobs=
	for build in "$@"; do
		tell_flow_tests "$build"
	done
}

# Under a limit of memory that a test sets, a sanitizer cannot start; that is no finding.
no_reports()
{
	find "$1" -type f -exec grep -lE 'ERROR: [A-Za-z]*Sanitizer|runtime error' {} + >"$work/reports"
	while read -r report; do
		head -n 40 "$report"
	done <"$work/reports"
	[ ! -s "$work/reports" ]
}

# ---------------------------------------------------------------------------- installation and checks of files

# A staged installation holds what callers look for, and its programs start from there.
staged_installation_works()
{
	rm -rf "$work/stage" "$work/build-stage"
	DESTDIR=$work/stage meson install -C build/release --no-rebuild --quiet || return 1
	prefix=$work/stage/usr/local
	for file in sbin/sendmail bin/pillarbox bin/mailq bin/newaliases lib/sendmail \
		share/man/man1/sendmail.1 share/man/man1/mailq.1 share/man/man1/newaliases.1 \
		share/man/man1/pillarbox.1 share/man/man5/pillarbox.conf.5 share/man/man7/pillarbox-queue.7; do
		[ -e "$prefix/$file" ] || {
			echo "$file is not installed"
			return 1
		}
	done
	[ -z "$(find "$prefix" -type f -perm /6000)" ] || {
		echo "a program has a set-uid or set-gid bit"
		return 1
	}
	printf '[account a]\nhost = localhost\n[queue]\ndirectory = %s\n' "$work/stage/queue" >"$work/stage/config"
	PILLARBOX_CONFIG=$work/stage/config "$prefix/bin/mailq" | grep -qx 'Mail queue is empty' &&
		"$prefix/lib/sendmail" --version | grep -q pillarbox &&
		"$prefix/bin/pillarbox" --version | grep -q pillarbox
}

# Complaints about the machine (a manual of another program is not installed here) are none about the text.
manual_is_clean()
{
	mandoc -Tlint "$1" >"$work/lint.all" 2>&1
	grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' "$work/lint.all" >"$work/lint"
	cat "$work/lint"
	[ ! -s "$work/lint" ]
}

# unit_is_valid SCOPE FILE: the program that it starts is not installed here.
unit_is_valid()
{
	rm -rf "$work/units"
	mkdir -p "$work/units"
	for file in "dist/systemd/$1"/*; do
		sed 's|@bindir@/pillarbox|/bin/true|' "$file" >"$work/units/${file##*/}"
	done
	# Complaints come without an exit code too. The manager of a user looks for its own directory.
	XDG_RUNTIME_DIR="$work/units" systemd-analyze "--$1" --man=no verify "$work/units/${2##*/}" >"$work/verify" 2>&1
	cat "$work/verify"
	[ ! -s "$work/verify" ]
}

run_checks()
{
	note "checks of manuals, scripts and units"
	if [ -f build/release/build.ninja ]; then
		check "installation" staged_installation_works
	fi
	for file in man/*.[1-9]; do
		check "mandoc -Tlint $file" manual_is_clean "$file"
	done
	for file in tests/*.sh dist/NetworkManager/90-pillarbox; do
		check "sh -n $file" sh -n "$file"
	done
	check "bash -n .ci/run" bash -n .ci/run
	for file in dist/completions/*.bash; do
		check "bash -n $file" bash -n "$file"
	done
	if has shellcheck; then
		check "shellcheck" shellcheck -S warning -x tests/*.sh dist/NetworkManager/90-pillarbox .ci/run
	fi
	if has zsh; then
		for file in dist/completions/*.zsh; do
			check "zsh -n $file" zsh -n "$file"
		done
	fi
	if has fish; then
		for file in dist/completions/*.fish; do
			check "fish -n $file" fish -n "$file"
		done
	fi
	if has systemd-analyze; then
		for scope in user system; do
			for file in "dist/systemd/$scope"/*; do
				check "systemd-analyze verify $file" unit_is_valid "$scope" "$file"
			done
		done
	fi
}

# ---------------------------------------------------------------------------- everything, in order

FUZZ_SECONDS=${FUZZ_SECONDS:-5}
FLOW_SECONDS=${FLOW_SECONDS:-600}
PARALLEL=2

prepare_packages

built=
if build release --buildtype=release; then
	built=release
	run_unit_tests release
	check "tests/demo.sh" env PILLARBOX_BUILD=build/release sh tests/demo.sh
fi
if build sanitize --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false; then
	built="$built sanitize"
	run_unit_tests sanitize
fi
# shellcheck disable=SC2086 # a list of names
[ -z "$built" ] || run_flow_tests $built
if has clang; then
	CC=clang
	export CC
	if build fuzz --buildtype=debugoptimized -Dtests=false -Dfuzzers=true \
		-Db_sanitize=address,undefined -Db_lundef=false; then
		run_fuzz_targets
	fi
	unset CC
else
	note "no clang: the fuzz targets are not run"
fi
run_checks

if [ -n "$failures" ]; then
	echo
	echo "What failed:"
	printf '%s\n' "$failures" | sed '1d' | head -n 100
	[ "$failed" -le 100 ] || echo "  and more"
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
