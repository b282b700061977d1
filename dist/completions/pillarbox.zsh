#compdef pillarbox
# zsh completion for pillarbox(1)

_pillarbox_accounts()
{
	local -a accounts
	accounts=(${(f)"$(sed -n 's/^[[:blank:]]*\[account[[:blank:]]\{1,\}\([^]]*\)\].*/\1/p' \
		/etc/pillarbox/config ${XDG_CONFIG_HOME:-$HOME/.config}/pillarbox/config 2>/dev/null)"})
	compadd -a accounts
}

_pillarbox_ids()
{
	local -a ids
	ids=(${(f)"$(pillarbox queue list --json 2>/dev/null | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p')"})
	compadd -a ids
}

_pillarbox_queue()
{
	local -a actions
	actions=(
		'list:show what waits'
		'show:print a message and its envelope'
		'run:send what is due'
		'retry:send these now'
		'hold:send these no more'
		'release:end a hold'
		'delete:remove these'
	)
	if (( CURRENT == 2 )); then
		_describe action actions
		_arguments '--json[one object a line]' '--check[one line for monitoring]'
		return
	fi
	case $words[2] in
	list) _arguments '--json[one object a line]' ;;
	run) _arguments '--account[only of this account]:account:_pillarbox_accounts' \
		'--every[go on, with this pause]:time:(1m 5m 15m 1h)' ;;
	retry) _arguments '--all[all of them]' '*:id:_pillarbox_ids' ;;
	show|hold|release|delete) _arguments '*:id:_pillarbox_ids' ;;
	esac
}

_pillarbox()
{
	local -a commands
	commands=(
		'send:send the message on standard input'
		'queue:look after what waits'
		'check:try the configuration against the server'
		'explain:what a key or an exit status means'
	)
	if (( CURRENT == 2 )); then
		_describe command commands
		_arguments '--help[show a summary]' '--version[print the version]'
		return
	fi
	shift words
	(( CURRENT-- ))
	case $words[1] in
	send) _arguments '--account[use this account]:account:_pillarbox_accounts' \
		'--config[read this file]:file:_files' '--require-tls[demand TLS on the whole way]' \
		'--deliver-by[demand delivery within a time]:time:(15m 1h 4h 1d)' \
		'--priority[priority of the message]:number:(-9 -6 -3 0 3 6 9)' \
		'--hold-for[time to hold the message back]:time:(15m 1h 4h 1d)' '-t[recipients from the header]' \
		'-v[show the dialogue]' '-f[envelope sender]:address:' '*:recipient:_email_addresses' ;;
	check) _arguments '--account[only this account]:account:_pillarbox_accounts' \
		'--config[read this file]:file:_files' ;;
	queue) _pillarbox_queue ;;
	esac
}

_pillarbox "$@"
