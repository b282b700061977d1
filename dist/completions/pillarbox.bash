# bash completion for pillarbox(1)

_pillarbox_accounts()
{
	sed -n 's/^[[:blank:]]*\[account[[:blank:]]\{1,\}\([^]]*\)\].*/\1/p' /etc/pillarbox/config \
		"${XDG_CONFIG_HOME:-$HOME/.config}/pillarbox/config" 2>/dev/null
}

_pillarbox_ids()
{
	pillarbox queue list --json 2>/dev/null | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p'
}

_pillarbox()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=

	case $previous in
	--config)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--account | -a)
		mapfile -t COMPREPLY < <(compgen -W "$(_pillarbox_accounts)" -- "$current")
		return
		;;
	--every)
		mapfile -t COMPREPLY < <(compgen -W "1m 5m 15m 1h" -- "$current")
		return
		;;
	--deliver-by | --hold-for)
		mapfile -t COMPREPLY < <(compgen -W "15m 1h 4h 1d" -- "$current")
		return
		;;
	--priority)
		mapfile -t COMPREPLY < <(compgen -W "-9 -6 -3 0 3 6 9" -- "$current")
		return
		;;
	esac

	# The word at the cursor names no subcommand yet.
	case $COMP_CWORD:${COMP_WORDS[1]}:${COMP_WORDS[2]:-} in
	1:*) words="send queue check explain --help --version" ;;
	2:queue:*) words="list show run retry hold release delete --check --json" ;;
	*:send:*) words="--account --config --require-tls --deliver-by --priority --hold-for --help -t -i -v -f -F -N -R -V -odb -odq" ;;
	*:check:*) words="--account --config" ;;
	*:queue:show | *:queue:hold | *:queue:release | *:queue:delete) words=$(_pillarbox_ids) ;;
	*:queue:retry) words="--all $(_pillarbox_ids)" ;;
	*:queue:run) words="--account --every" ;;
	*:queue:list) words="--json" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _pillarbox pillarbox
