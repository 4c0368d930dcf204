#!/bin/bash
# side-by-side.sh "TARGET TARGET..."...: makes targets of the Makefile. The targets within one argument run one after
# the other; the arguments run at the same time. The output of each target goes to a log of its own, which is printed
# when the target ends. Until then one line says when a target begins, scripts can append lines to the file $PROGRESS,
# and every minute a line lists what is still running. After a failure the rest still runs.
# Exit code: 1 if a target failed, 130 after ^C. Needs GNU tail and sed.
set -euo pipefail
set -m # each background job is a process group, which can be killed as a whole
work=$(mktemp -d)
export PROGRESS=$work/progress
: >"$PROGRESS"
say() { echo "$(date +%T) $*" >>"$PROGRESS"; }

follow() { # TARGET...
    local target began result
    for target in "$@"; do
        began=$SECONDS result=passed
        say "$target: $(sed -n "s/^$target:.*## //p" Makefile)"
        : >"$work/$target.runs"
        make --no-print-directory "$target" >"$work/$target.log" 2>&1 </dev/null || result=FAILED
        rm "$work/$target.runs"
        [[ $result == passed ]] || echo "$target" >>"$work/failed"
        result="$target: $result after $((SECONDS - began)) s"
        { echo "--- $result:"; cat "$work/$target.log"; echo "--- $result"; } >"$work/$target.shown"
        cat "$work/$target.shown" >>"$PROGRESS"
    done
}
clock() {
    while sleep 60; do
        say "after $((SECONDS / 60)) min still running:" \
            "$(find "$work" -name '*.runs' -printf '%f\n' | sed 's/\.runs$//' | sort | xargs)"
    done
}
finish() { # kills what still runs, and waits up to a minute for it to clean up
    local group end=$((SECONDS + 60))
    disown -a # or bash would report each one that it kills
    for group in "${groups[@]}"; do kill -- "-$group" 2>/dev/null || true; done
    for group in "${groups[@]}"; do
        while kill -0 -- "-$group" 2>/dev/null && ((SECONDS < end)); do sleep 0.1; done
    done
    rm -rf "$work"
}

groups=()
trap finish EXIT
trap 'exit 130' INT TERM HUP
end=end-of-${work##*/} # a line that no target prints
(set +m; tail -n +1 -f "$PROGRESS" | sed -u "/^$end\$/Q") &
reader=$!
clock &
groups+=("$reader" "$!")
lanes=()
for lane in "$@"; do
    # shellcheck disable=SC2086 # several targets
    follow $lane &
    lanes+=("$!")
done
groups+=("${lanes[@]}")
wait "${lanes[@]}" || true
took="after $((SECONDS / 60)) min"
if [[ ! -e $work/failed ]]; then
    echo "=== all passed $took" >>"$PROGRESS"
else
    echo "=== FAILED $took: $(xargs <"$work/failed")" >>"$PROGRESS"
fi
echo "$end" >>"$PROGRESS"
wait "$reader" || true
[[ ! -e $work/failed ]]
