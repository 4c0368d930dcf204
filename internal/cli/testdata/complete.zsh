# complete.zsh COMPLETION LINE...: prints each line and, behind tabs, what zsh offers at its end.
if [[ ! -o interactive ]]; then
    # zsh completes only in its line editor, and that wants a terminal.
    zmodload zsh/zpty
    DIR=$(mktemp -d)
    ln -s $1:a $DIR/_foreman-dlm-updater # as the packages name it
    print -rl -- "${@[2,-1]}" >$DIR/lines
    zpty editor zsh -f -i
    zpty -w editor "DIR=$DIR; source ${(q)0:a}"
    while zpty -r editor; do done >/dev/null
    cat $DIR/offers
    exit
fi

fpath=($DIR $fpath)
autoload -Uz compinit
compinit -D -u

# What is offered is added with compadd; with -O, -A and -D it only sorts words. The names are capitals, since it sees its callers' variables.
compadd() {
    if (( ${@[(I)-[OAD]*]} == 0 )); then
        local -a OFFERS
        builtin compadd -A OFFERS "$@"
        (( $#OFFERS == 0 )) || printf '\t%s\n' $OFFERS >>$DIR/offers
    fi
    builtin compadd "$@"
}
zle -C offer list-choices _main_complete
zle-line-init() {
    local line
    for line in "${(@f)$(<$DIR/lines)}"; do
        BUFFER=$line CURSOR=$#line
        print -r -- $line >>$DIR/offers
        zle offer
    done
    BUFFER=exit
    zle accept-line
}
zle -N zle-line-init
