# What the gates that ask a monitoring system share. They read it with . "$lib/monitoring.sh"
# shellcheck shell=sh
: "${conf:?}" "${what:?}" # the gate's settings file, and whom it asks
: "${timeout?}" "${url=}" "${curl_config=}" # its settings
export LC_ALL=C # awk, sort and tr see bytes, and errors are in English
# shellcheck source=no-proxy.sh
. "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/no-proxy.sh"

# refuse TEXT: says in one line why this host may not go out of service now, and ends the gate.
refuse() {
    printf '%s\n' "$(printf %s "$*" | tr '[:cntrl:]' ' ')" >&2
    exit 1
}

# cannot TEXT: the same if the answer is unknown, which means no.
cannot() { refuse "could not ask $what${url:+ at $url}: $*"; }

# blame_config: if curl failed because it can't read the file that curl_config names, sets $why to that.
blame_config() {
    [ -z "$curl_config" ] || [ -r "$curl_config" ] || why="curl_config=$curl_config in $conf can't be read"
}

need() { for tool in "$@"; do command -v "$tool" >/dev/null || cannot "$tool is not installed"; done; }

case $timeout in '' | *[!0-9]* | 0*) refuse "timeout=$timeout in $conf: use whole seconds, at least 1" ;; esac
case $url in *//*@*) url='' && refuse "url in $conf must not contain a password: put it into the file that" \
    "curl_config names (user = \"NAME:PASSWORD\")" ;; esac

# quoted TEXT: prints it as a string of JSON, which curl's configuration understands as well.
quoted() {
    printf '"%s"' "$(printf %s "$1" | tr '\t' ' ' | tr -d '\001-\011\013-\037\177' |
        sed 's/[\\"]/\\&/g; $!s/$/\\n/' | tr -d '\n')"
}

# ask PATH: sends a request, and reads its answer.
ask() {
    send "$1"
    understand "$answer" || cannot "its answer is HTTP status $code and not JSON"
}

# send PATH: sends a request. Standard input is more of curl's configuration. The request goes through a pipe, because
# every user can see the arguments of a process. Sets $answer, and $code to the HTTP status.
send() {
    need curl awk
    answer=$({ echo "url = $(quoted "${url%/}/$1")" && cat; } |
        curl -q -sS ${curl_config:+-K "$curl_config"} -K - --connect-timeout 5 --max-time "$timeout" \
            -w '\n%{http_code}' 2>&1) || {
        why=$(printf '%s\n' "$answer" | awk '/^curl: / { why = $0 } END { print why }')
        blame_config
        cannot "${why:-curl has failed}"
    }
    code=$(printf '%s\n' "$answer" | tail -n 1)
    answer=$(printf '%s\n' "$answer" | sed '$d')
}

# is TYPE PATH: prints the value at that path of the answer if it has that type, for example: is string data.resultType
is() { printf '%s\n' "$values" | awk -F '\t' -v type="$1" -v path="$2" '$2 == type && $1 == path { print $3 }'; }

# few: prints the lines of standard input as a list in one line. Their order does not matter, and it is always the same.
few() {
    sort -u | awk '{ if (NR <= 3) list = list (NR > 1 ? ", " : "") $0 }
        END { print list (NR > 3 ? " and " NR - 3 " more" : "") }'
}

# understand JSON: sets $values to one line for each value: its path (such as data.result.0), its type (string, array,
# object or word) and itself (of arrays and objects their size), with tabs between. False if that is not JSON.
understand() {
    values=$(printf '%s\n' "$1" | awk '
        function bad() { failed = 1; exit 1 }
        function put(path, type, text) { print path "\t" type "\t" text }
        function next_one() {
            while (substr(s, at, 1) ~ /[ \t\r\n]/) at++
            return substr(s, at, 1)
        }
        function character(    i, n, digit) { # \u0041; beyond ASCII: a question mark
            for (i = 1; i <= 4; i++) {
                digit = index("0123456789abcdef", tolower(substr(s, at + i, 1)))
                if (!digit || at + i > length(s)) bad()
                n = n * 16 + digit - 1
            }
            at += 4
            return n < 32 ? " " : n < 127 ? sprintf("%c", n) : "?"
        }
        function text(    t, c) {
            if (next_one() != "\"") bad()
            for (at++; (c = substr(s, at, 1)) != "\""; at++) {
                if (c == "") bad()
                if (c == "\\") {
                    c = substr(s, ++at, 1)
                    if (c == "u") c = character()
                    else if (c ~ /[bfnrt]/) c = " "
                    else if (c !~ /["\\\/]/) bad()
                } else if (c < " ") c = " "
                t = t c
            }
            at++
            return t
        }
        function value(path,    c, n, key, end, follows) {
            c = next_one()
            if (c == "{" || c == "[") {
                end = c == "{" ? "}" : "]"
                at++
                n = 0
                if (next_one() == end) at++
                else do {
                    key = n++
                    if (c == "{") {
                        key = text()
                        if (next_one() != ":") bad()
                        at++
                    }
                    value(path == "" ? key : path "." key)
                    follows = next_one()
                    if (follows != "," && follows != end) bad()
                    at++
                } while (follows == ",")
                put(path, c == "{" ? "object" : "array", n)
            } else if (c == "\"") put(path, "string", text())
            else if (match(substr(s, at, 50), /^(true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?)/)) {
                put(path, "word", substr(s, at, RLENGTH))
                at += RLENGTH
            } else bad()
        }
        { s = s $0 "\n" }
        END {
            if (failed) exit 1
            at = 1
            value("")
            if (next_one() != "") bad()
        }')
}
