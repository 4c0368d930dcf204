# Completion for fish. internal/cli/completions_test.go holds it against the program.

# Prints the words of the command before the current word (words), or the flags that `hooks list` needs too (options).
function __foreman_dlm_updater_before -a what
    set -l flag
    set -l words
    set -l options
    for word in (commandline -opc)[2..-1]
        switch "$flag:$word"
            case '--failed:*' '--orphan:*' '--reboot:*' '--reboot-due:*' '--held:*' '--waiting:*' '--flag:*' '--not-run:*' '--not-updated:*' '--certificate:*' '--reason:*' '--until:*' '--for:*'
                set flag
            case '-c:*' '--config:*' '--cfg:*' '--library:*'
                set -a options $flag $word
                set flag
            case '*:--config=*' '*:--cfg=*' '*:--library=*'
                set -a options $word
                set flag
            case '*:-*'
                set flag $word
            case '*'
                set -a words $word
                set flag
        end
    end
    printf '%s\n' $$what
end

# True if this is the command. It may be a pattern.
function __foreman_dlm_updater_at
    set -l words (__foreman_dlm_updater_before words)
    string match -q -- "$argv" "$words"
end

# Prints stage, directory and name of the hooks that `hooks list` shows in one of the states: STATES [STAGE].
function __foreman_dlm_updater_hooks -a states stage
    set -l program (commandline -opc)[1]
    type -q $program; or return # fish would print its error in the middle of the command line
    $program hooks list $stage (__foreman_dlm_updater_before options) 2>/dev/null | awk -v states="^($states)\$" '
        /^[^ ]/ { stage = $1; dir = $0; sub(/^[^(]*\(/, "", dir); sub(/\)$/, "", dir); next }
        $1 ~ states { print stage "\t" dir "\t" $2 }'
end

function __foreman_dlm_updater_available
    __foreman_dlm_updater_hooks available | while read -l -d \t stage dir name
        echo $stage/$name
    end
end

function __foreman_dlm_updater_links
    __foreman_dlm_updater_hooks 'runs|skipped|refused' | while read -l -d \t stage dir name
        if string match -q "*/$stage.d/*" (readlink $dir/$name)
            echo $stage/$name
        end
    end
end

function __foreman_dlm_updater_names
    set -l words (__foreman_dlm_updater_before words)
    if test (count $words) = 3
        __foreman_dlm_updater_hooks runs $words[3] | while read -l -d \t stage dir name
            echo $name
        end
    end
end

function __foreman_dlm_updater_runs
    set -l program (commandline -opc)[1]
    $program history (__foreman_dlm_updater_before options) 2>/dev/null | awk 'NR > 1 { print $1 }'
end

set -l c complete -c foreman-dlm-updater
set -l at __foreman_dlm_updater_at
set -l stages needs_update pre_update update needs_reboot post_update

complete -c foreman_dlm_updater -w foreman-dlm-updater
$c -e
$c -f
$c -s c -l config -r -F -d 'another configuration file'
$c -s h -l help -d 'show help'

$c -n $at -a run -d 'begin a run, or go on with the one in progress'
$c -n $at -a status -d 'where this host stands, and why'
$c -n $at -a check -d 'report as a Nagios/Icinga plugin'
$c -n $at -a history -d 'list earlier runs'
$c -n $at -a pause -d 'let no run begin for a while'
$c -n $at -a unpause -d 'end the pause'
$c -n $at -a plan -d 'what a run would do now'
$c -n $at -a window -d 'when a run may begin'
$c -n $at -a config -d 'check or show the configuration'
$c -n $at -a lock -d 'show, take or release the lock'
$c -n $at -a hooks -d 'list, enable, disable, run hooks'
$c -n $at -a notify -d 'test the notifiers'
$c -n $at -a state -d 'show or change the record of the run'
$c -n $at -a version -d 'print the version'

$c -n "$at; or $at run" -l after-reboot -d 'do nothing if no run is in progress'
$c -n "$at; or $at run" -l now -d 'in spite of a pause, a freeze or a closed window'
$c -n "$at status" -l json -d 'one JSON object'
$c -n "$at status" -l offline -d 'do not ask the lock server'
$c -n "$at status" -l watch -d 'look again every two seconds'

$c -n "$at check" -l failed -x -d 'a stage failed'
$c -n "$at check" -l orphan -x -d 'the lock is held, and no run is in progress'
$c -n "$at check" -l reboot -x -d 'a reboot does not come'
$c -n "$at check" -l held -x -d 'a run holds the lock'
$c -n "$at check" -l waiting -x -d 'the host waits for the lock'
$c -n "$at check" -l flag -x -d 'a flag is up that no run needs'
$c -n "$at check" -l not-run -x -d 'nothing has started a run'
$c -n "$at check" -l not-updated -x -d 'no run has succeeded'
$c -n "$at check" -l reboot-due -x -d 'a reboot may be due'
$c -n "$at check" -l certificate -x -d 'the certificate expires'

$c -n "$at plan" -l json -d 'one JSON object'
$c -n "$at history" -a list -d 'one line for each run'
$c -n "$at history" -a show -d 'show a run step by step'
$c -n "$at history; or $at history list; or $at history show" -l json -d 'one JSON object for each run'
$c -n "$at history show" -a 'last (__foreman_dlm_updater_runs)'

$c -n "$at pause" -l reason -x -d 'why, for the others'
$c -n "$at pause" -l until -x -d 'when it ends'
$c -n "$at pause" -l for -x -d 'how long it lasts'

$c -n "$at config" -a check -d 'check everything'
$c -n "$at config" -a show -d 'the effective values and their origins'
$c -n "$at config check" -l offline -d 'do not ask the lock server'

$c -n "$at lock" -a show -d 'which host holds it'
$c -n "$at lock" -a acquire -d 'take it by hand'
$c -n "$at lock" -a release -d 'release it'
$c -n "$at lock" -a exec -d 'run a command under it'
$c -n "$at lock acquire; or $at lock exec" -l reason -x -d 'why, for the others'
$c -n "$at lock acquire; or $at lock exec" -l wait -d 'wait until it is free'

$c -n "$at hooks" -a list -d 'list the hooks'
$c -n "$at hooks" -a enable -d 'link a bundled hook into its stage'
$c -n "$at hooks" -a disable -d 'remove such a link'
$c -n "$at hooks" -a run -d 'run hooks by hand'
$c -n "$at 'hooks*'" -l library -r -x -a '(__fish_complete_directories)' -d 'another directory of bundled hooks'
$c -n "$at hooks list; or $at hooks run" -a "gate $stages"
$c -n "$at hooks list" -a notify -d 'the notifiers'
$c -n "$at hooks enable" -a '(__foreman_dlm_updater_available)'
$c -n "$at hooks disable" -a '(__foreman_dlm_updater_links)'
$c -n "$at 'hooks run *'" -a '(__foreman_dlm_updater_names)'

$c -n "$at notify" -a test -d 'send them a made-up event'
$c -n "$at notify test" -a 'started waiting acquired failed rebooting resumed finished reboot-due gave-up alive'

$c -n "$at state" -a show -d 'the record of the run'
$c -n "$at state" -a set -d 'make a stage the next one'
$c -n "$at state" -a clear -d 'forget the run'
$c -n "$at state set" -a "$stages lock_get reboot lock_release"
