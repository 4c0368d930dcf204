# complete.bash COMPLETION LINE...: prints each line and, behind tabs, what bash offers at its end.
# shellcheck shell=bash
# shellcheck source=../../../packaging/completions/foreman-dlm-updater.bash
source "$1"
for line in "${@:2}"; do
    printf '%s\n' "$line"
    read -ra COMP_WORDS <<<"${line//=/ = }" # as bash does
    [[ $line != *[\ =] ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    spec=$(complete -p -- "${COMP_WORDS[0]}")
    name=${spec#*-F }
    COMPREPLY=()
    "${name%% *}"
    [[ ${#COMPREPLY[@]} == 0 ]] || printf '\t%s\n' "${COMPREPLY[@]}"
done
