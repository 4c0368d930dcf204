#compdef foreman-dlm-updater foreman_dlm_updater
# Completion for zsh. internal/cli/completions_test.go holds it against the program.

# Prints stage, directory and name of the hooks that `hooks list` shows in one of the states: STATES [STAGE].
_foreman_dlm_updater_hooks() {
    "$program" hooks list $2 $options 2>/dev/null | awk -v states="^($1)\$" '
        /^[^ ]/ { stage = $1; dir = $0; sub(/^[^(]*\(/, "", dir); sub(/\)$/, "", dir); next }
        $1 ~ states { print stage "\t" dir "\t" $2 }'
}

_foreman_dlm_updater() {
    local program=${(Q)words[1]} command flag word stage dir name
    local -a offered options
    local -a flags=('--config:another configuration file' '--help:show help')
    local -a stages=(needs_update pre_update update needs_reboot post_update)

    # Read the words before the current one: the command, and flags with their values.
    for word in "${(@Q)words[2,CURRENT-1]}"; do
        case $flag:$word in
        --failed:*|--orphan:*|--reboot:*|--reboot-due:*|--held:*|--waiting:*|--flag:*|--not-run:*|--not-updated:*|--certificate:*|--reason:*|--until:*|--for:*) flag= ;;
        -c:*|--config:*|--cfg:*|--library:*) options+=($flag $word) flag= ;;
        *:--(config|cfg|library)=*) options+=($word) flag= ;;
        *:-*) flag=$word ;;
        *) command+=${command:+ }$word flag= ;;
        esac
    done
    if [[ $PREFIX == --*=* ]]; then
        flag=${PREFIX%%=*}
        compset -P '*='
    fi

    case $flag in
    -c|--config|--cfg) _files; return ;;
    --library) _files -/; return ;;
    --failed|--orphan|--reboot|--reboot-due|--held|--waiting|--flag|--not-run|--not-updated|--certificate)
        _message 'limits for WARNING and CRITICAL, such as 4h,12h'
        return
        ;;
    --reason) _message 'why, for the others'; return ;;
    --until) _message 'a moment, such as tomorrow 06:00'; return ;;
    --for) _message 'a time, such as 4h or 2d'; return ;;
    esac
    case $command in
    '')
        offered=('run:begin a run, or go on with the one in progress' 'status:where this host stands, and why'
            'check:report as a Nagios/Icinga plugin'
            'history:list earlier runs' 'plan:what a run would do now'
            'pause:let no run begin for a while' 'unpause:end the pause'
            'window:when a run may begin' 'config:check or show the configuration'
            'lock:show, take or release the lock' 'hooks:list, enable, disable, run hooks' 'notify:test the notifiers'
            'state:show or change the record of the run'
            'version:print the version')
        flags+=('--after-reboot:do nothing if no run is in progress' '--now:in spite of a pause, a freeze or a closed window')
        ;;
    run) flags+=('--after-reboot:do nothing if no run is in progress' '--now:in spite of a pause, a freeze or a closed window') ;;
    status) flags+=('--json:one JSON object' '--watch:look again every two seconds' '--offline:do not ask the lock server') ;;
    check)
        flags+=(
            '--failed:a stage failed'
            '--orphan:the lock is held, and no run is in progress'
            '--reboot:a reboot does not come'
            '--reboot-due:a reboot may be due'
            '--held:a run holds the lock'
            '--waiting:the host waits for the lock'
            '--flag:a flag is up that no run needs'
            '--not-run:nothing has started a run'
            '--not-updated:no run has succeeded'
            '--certificate:the certificate expires'
        )
        ;;
    plan) flags+=('--json:one JSON object') ;;
    history)
        offered=('list:one line for each run' 'show:show a run step by step')
        flags+=('--json:one JSON object for each run')
        ;;
    'history list') flags+=('--json:one JSON object for each run') ;;
    'history show')
        flags+=('--json:one JSON object')
        offered=(${(f)"$("$program" history $options 2>/dev/null | awk 'NR > 1 { print $1 }')"} 'last:the newest')
        ;;
    pause) flags+=('--reason:why, for the others' '--until:when it ends' '--for:how long it lasts') ;;
    config) offered=('check:check everything' 'show:the effective values and their origins') ;;
    'config check') flags+=('--offline:do not ask the lock server') ;;
    lock)
        offered=('show:which host holds it' 'acquire:take it by hand' 'release:release it' 'exec:run a command under it')
        ;;
    'lock acquire' | 'lock exec') flags+=('--reason:why, for the others' '--wait:wait until it is free') ;;
    hooks)
        offered=(
            'list:list the hooks'
            'enable:link a bundled hook into its stage'
            'disable:remove such a link'
            'run:run hooks by hand'
        )
        ;;
    'hooks list') offered=(gate $stages notify) ;;
    'hooks run') offered=(gate $stages) ;;
    'hooks enable')
        _foreman_dlm_updater_hooks available | while IFS=$'\t' read -r stage dir name; do
            offered+=($stage/$name)
        done
        ;;
    'hooks disable')
        _foreman_dlm_updater_hooks 'runs|skipped|refused' | while IFS=$'\t' read -r stage dir name; do
            [[ "$(readlink $dir/$name)" != */$stage.d/* ]] || offered+=($stage/$name)
        done
        ;;
    'hooks run '*' '*) ;;
    'hooks run '*)
        _foreman_dlm_updater_hooks runs ${command##* } | while IFS=$'\t' read -r stage dir name; do
            offered+=($name)
        done
        ;;
    notify) offered=('test:send them a made-up event') ;;
    'notify test') offered=(started waiting acquired failed rebooting resumed finished reboot-due gave-up alive) ;;
    state) offered=('show:the record of the run' 'set:make a stage the next one' 'clear:forget the run') ;;
    'state set') offered=($stages lock_get reboot lock_release) ;;
    esac
    [[ $command != hooks* ]] || flags+=('--library:another directory of bundled hooks')
    if [[ $PREFIX == -* ]]; then
        _describe -o flag flags
    else
        _describe argument offered
    fi
}

_foreman_dlm_updater "$@"
