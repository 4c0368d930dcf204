# Completion for bash. internal/cli/completions_test.go holds it against the program.
# shellcheck shell=bash

# _foreman_dlm_updater_hooks STATES [STAGE]: prints stage, directory and name of the hooks that `hooks list` shows in
# one of the states.
_foreman_dlm_updater_hooks() {
    "$program" hooks list ${2:+"$2"} "${options[@]}" 2>/dev/null | awk -v states="^($1)\$" '
        /^[^ ]/ { stage = $1; dir = $0; sub(/^[^(]*\(/, "", dir); sub(/\)$/, "", dir); next }
        $1 ~ states { print stage "\t" dir "\t" $2 }'
}

_foreman_dlm_updater() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} command='' flag='' word stage dir name
    local -a offered=() options=() flags=(--config --help) stages=(needs_update pre_update update needs_reboot post_update)

    # Read the words before the current one: the command, and flags with their values. bash splits --config=FILE into
    # three words.
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $flag:$word in
        *:=) continue ;;
        --failed:* | --orphan:* | --reboot:* | --reboot-due:* | --held:* | --waiting:* | --flag:* | --not-run:* | --not-updated:* | --certificate:* | --reason:* | --until:* | --for:*) flag='' ;;
        -c:* | --config:* | --cfg:* | --library:*) options+=("$flag" "$word") flag='' ;;
        *:-*) flag=$word ;;
        *) command+=${command:+ }$word flag='' ;;
        esac
    done
    [[ $current != = ]] || current=''

    COMPREPLY=()
    case $flag in
    -c | --config | --cfg)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --failed | --orphan | --reboot | --reboot-due | --held | --waiting | --flag | --not-run | --not-updated | --certificate | --reason | --until | --for) return ;;
    --library)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    esac
    case $command in
    '') offered=(run status check history plan pause unpause window config lock hooks notify state version) flags+=(--after-reboot --now) ;;
    run) flags+=(--after-reboot --now) ;;
    status) flags+=(--json --watch --offline) ;;
    check) flags+=(--failed --orphan --reboot --reboot-due --held --waiting --flag --not-run --not-updated --certificate) ;;
    plan) flags+=(--json) ;;
    history) offered=(list show) flags+=(--json) ;;
    'history list') flags+=(--json) ;;
    'history show')
        flags+=(--json)
        mapfile -t offered < <("$program" history "${options[@]}" 2>/dev/null | awk 'NR > 1 { print $1 }')
        offered+=(last)
        ;;
    pause) flags+=(--reason --until --for) ;;
    config) offered=(check show) ;;
    'config check') flags+=(--offline) ;;
    lock) offered=(show acquire release exec) ;;
    'lock acquire') flags+=(--reason --wait) ;;
    'lock exec') flags+=(--reason --wait) ;;
    hooks) offered=(list enable disable run) ;;
    'hooks list') offered=(gate "${stages[@]}" notify) ;;
    'hooks run') offered=(gate "${stages[@]}") ;;
    'hooks enable')
        while IFS=$'\t' read -r stage dir name; do
            offered+=("$stage/$name")
        done < <(_foreman_dlm_updater_hooks available)
        ;;
    'hooks disable')
        while IFS=$'\t' read -r stage dir name; do
            [[ $(readlink "$dir/$name") != */$stage.d/* ]] || offered+=("$stage/$name")
        done < <(_foreman_dlm_updater_hooks 'runs|skipped|refused')
        ;;
    'hooks run '*' '*) ;;
    'hooks run '*)
        while IFS=$'\t' read -r stage dir name; do
            offered+=("$name")
        done < <(_foreman_dlm_updater_hooks runs "${command##* }")
        ;;
    notify) offered=(test) ;;
    'notify test') offered=(started waiting acquired failed rebooting resumed finished reboot-due gave-up alive) ;;
    state) offered=(show set clear) ;;
    'state set') offered=("${stages[@]}" lock_get reboot lock_release) ;;
    esac
    case $command in
    hooks*) flags+=(--library) ;;
    esac
    [[ $current != -* ]] || offered=("${flags[@]}")
    for word in "${offered[@]}"; do
        [[ $word != "$current"* ]] || COMPREPLY+=("$word")
    done
}

complete -F _foreman_dlm_updater foreman-dlm-updater foreman_dlm_updater
