# shellcheck shell=sh
# Sourced by demo.sh and run.sh: installs what is missing from the distribution's packages.

# install_packages NAME...       names of Debian packages; those that are installed cost nothing.
# unpack_package NAME DIRECTORY  for one that cannot be installed beside another: its files go below the
#                                directory, and the libraries that it depends on are installed.
# They never fail: the build and the tests that need a missing package say so themselves.

export DEBIAN_FRONTEND=noninteractive
export DEBCONF_NONINTERACTIVE_SEEN=true

note()
{
	printf '%s\n' "==> $*"
}

# Whether a command exists.
has()
{
	command -v "$1" >/dev/null 2>&1
}

package_is_there()
{
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs a command as root; sudo must not ask for a password.
as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

may_be_root()
{
	[ "$(id -u)" -eq 0 ] || { has sudo && sudo -n true 2>/dev/null; }
}

# A package may start its daemon when it is installed. The tests start their own and want no other,
# so a policy forbids it for as long as the installation lasts, where there is no policy yet.
forbid_daemons()
{
	policy=/usr/sbin/policy-rc.d
	if [ -e "$policy" ]; then
		policy=
		return 0
	fi
	as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy"
}

allow_daemons()
{
	if [ -n "${policy:-}" ]; then
		as_root rm -f "$policy"
	fi
	policy=
}

# Once for each script. Without it apt may ask for versions that are gone.
refresh_lists()
{
	if [ -z "${lists_are_fresh:-}" ] && may_be_root; then
		as_root apt-get update -qq </dev/null >/dev/null 2>&1 ||
			note "apt-get update failed: going on with the lists that are there"
		lists_are_fresh=yes
	fi
}

install_packages()
{
	missing=
	if ! has dpkg-query || ! has apt-get; then
		note "not a Debian system: going on with what is installed; the Debian names are: $*"
		return 0
	fi
	for package in "$@"; do
		package_is_there "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if ! may_be_root; then
		note "neither root nor sudo: going on without the packages$missing"
		return 0
	fi

	note "installing$missing"
	refresh_lists
	# A name that this release does not know must not keep the others from being installed.
	known=
	for package in $missing; do
		if [ -n "$(apt-cache madison "$package" 2>/dev/null)" ]; then
			known="$known $package"
		else
			note "package $package is unknown here"
		fi
	done
	[ -n "$known" ] || return 0

	forbid_daemons
	trap allow_daemons EXIT
	# shellcheck disable=SC2086 # a list of names
	if ! as_root apt-get install -y -qq --no-install-recommends $known </dev/null >/dev/null 2>&1; then
		# One by one, so that one that cannot be had costs only itself, and its words are seen.
		for package in $known; do
			package_is_there "$package" && continue
			as_root apt-get install -y -qq --no-install-recommends "$package" </dev/null 2>&1 |
				tail -n 5
		done
	fi
	allow_daemons
	trap - EXIT
}

# The list of libraries is written last: it says that all was unpacked, now or by an earlier run.
unpack_package()
{
	if [ ! -e "$2/libraries" ]; then
		if ! has apt-get || ! has dpkg-deb; then
			note "not a Debian system: going on without $1"
			return 0
		fi
		note "unpacking $1 into $2"
		refresh_lists
		rm -rf "$2"
		mkdir -p "$2"
		if ! (cd "$2" && apt-get download -qq "$1" </dev/null >/dev/null 2>&1); then
			note "package $1 cannot be had here"
			return 0
		fi
		for archive in "$2/$1"_*.deb; do
			dpkg-deb -x "$archive" "$2" &&
				dpkg-deb -f "$archive" Depends | tr , '\n' |
				sed -n 's/^ *\(lib[^ :|(]*\).*/\1/p' >"$2/libraries"
		done
		# What is set-uid for a system is none of a directory's.
		chmod -R u-s,g-s "$2"
	fi
	# shellcheck disable=SC2046 # a list of names
	install_packages $(cat "$2/libraries")
}

# An installed mail server stays: the package of another one would remove it.
has_other_mta()
{
	for package in exim4-daemon-light exim4-daemon-heavy sendmail-bin opensmtpd dma nullmailer \
		msmtp-mta ssmtp courier-mta citadel-server; do
		package_is_there "$package" && return 0
	done
	return 1
}

# The number in the name of clang's runtime packages.
clang_version()
{
	clang -dumpversion 2>/dev/null | cut -d. -f1
}

# Debian's own Python: the one its python3-* packages are made for.
PYTHON=python3
if [ -x /usr/bin/python3 ]; then
	# shellcheck disable=SC2034 # for the scripts that source this
	PYTHON=/usr/bin/python3
fi
