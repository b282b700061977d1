# fish completion for pillarbox(1)

function __pillarbox_accounts
    set -l config $HOME/.config
    set -q XDG_CONFIG_HOME; and set config $XDG_CONFIG_HOME
    sed -n 's/^[[:blank:]]*\[account[[:blank:]]\{1,\}\([^]]*\)\].*/\1/p' \
        /etc/pillarbox/config $config/pillarbox/config 2>/dev/null
end

function __pillarbox_ids
    pillarbox queue list --json 2>/dev/null | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p'
end

set -l actions list show run retry hold release delete

complete -c pillarbox -f
complete -c pillarbox -n __fish_use_subcommand -a send -d 'send the message on standard input'
complete -c pillarbox -n __fish_use_subcommand -a queue -d 'look after what waits'
complete -c pillarbox -n __fish_use_subcommand -a check -d 'try the configuration against the server'
complete -c pillarbox -n __fish_use_subcommand -a explain -d 'what a key or an exit status means'
complete -c pillarbox -n __fish_use_subcommand -l help -d 'show a summary'
complete -c pillarbox -n __fish_use_subcommand -l version -d 'print the version'

complete -c pillarbox -n '__fish_seen_subcommand_from send check' -l account -x \
    -a '(__pillarbox_accounts)' -d 'use this account'
complete -c pillarbox -n '__fish_seen_subcommand_from send check' -l config -r -F -d 'read this file'

set -l is_send '__fish_seen_subcommand_from send'
complete -c pillarbox -n $is_send -l require-tls -d 'demand TLS on the whole way'
complete -c pillarbox -n $is_send -l deliver-by -x -a '15m 1h 4h 1d' -d 'demand delivery within a time'
complete -c pillarbox -n $is_send -l priority -x -a '-9 -6 -3 0 3 6 9' -d 'priority of the message'
complete -c pillarbox -n $is_send -l hold-for -x -a '15m 1h 4h 1d' -d 'time to hold the message back'

set -l is_queue '__fish_seen_subcommand_from queue'
set -l is_bare "$is_queue; and not __fish_seen_subcommand_from $actions"
complete -c pillarbox -n $is_bare -a list -d 'show what waits'
complete -c pillarbox -n $is_bare -a show -d 'print a message and its envelope'
complete -c pillarbox -n $is_bare -a run -d 'send what is due'
complete -c pillarbox -n $is_bare -a retry -d 'send these now'
complete -c pillarbox -n $is_bare -a hold -d 'send these no more'
complete -c pillarbox -n $is_bare -a release -d 'end a hold'
complete -c pillarbox -n $is_bare -a delete -d 'remove these'
complete -c pillarbox -n $is_bare -l check -d 'one line for monitoring'
complete -c pillarbox -n "$is_queue; and not __fish_seen_subcommand_from show run retry hold release delete" \
    -l json -d 'one object a line'
complete -c pillarbox -n "$is_queue; and __fish_seen_subcommand_from run" -l account -x \
    -a '(__pillarbox_accounts)' -d 'only of this account'
complete -c pillarbox -n "$is_queue; and __fish_seen_subcommand_from run" -l every -x \
    -a '1m 5m 15m 1h' -d 'go on, with this pause'
complete -c pillarbox -n "$is_queue; and __fish_seen_subcommand_from retry" -l all -d 'all of them'
complete -c pillarbox -n "$is_queue; and __fish_seen_subcommand_from show retry hold release delete" \
    -a '(__pillarbox_ids)'
