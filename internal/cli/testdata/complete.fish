# complete.fish COMPLETION LINE...: prints each line and, behind tabs, what fish offers at its end.
source $argv[1]
for line in $argv[2..-1]
    printf '%s\n' $line
    for offer in (complete -C $line)
        set -l word (string split -- \t $offer)[1]
        printf '\t%s\n' (string replace -r -- '^--[^=]*=' '' $word) # the other shells offer the value alone
    end
end
