# What the hooks apt-security share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/apt-security.sh"
# Read lib/apt.sh first.
# shellcheck shell=sh
: "${hook:?}" "${archives:?}" "${lists=}"

# prefer: sets $options for apt to prefer the security archives to others, even if those have newer versions. The
# administrator's own preferences come after these pins; their lines for single packages still count. $pins is a
# temporary file.
prefer() {
    pins=$(mktemp)
    for archive in $archives; do
        printf 'Package: *\nPin: release l=%s,a=%s\nPin-Priority: 999\n\n' "${archive%%:*}" "${archive#*:}"
    done >"$pins"
    [ ! -e /etc/apt/preferences ] || cat /etc/apt/preferences >>"$pins"
    options="-o Dir::Etc::Preferences=$pins -o APT::Default-Release= -o APT::Get::Upgrade-Allow-New=true"
}

# plan: simulates an upgrade, and sets $packages to those of them that come from a security archive, and $back to the
# names of all packages that apt keeps back.
plan() {
    # shellcheck disable=SC2086 # each option is a word
    patient -s $options upgrade || return 1
    back=$(printf '%s\n' "$said" | awk '/^[^ ]/ { show = /kept back:$/; next } show')
    packages=$(printf '%s\n' "$said" | sed -n 's/^Inst \([^ ]*\) \[[^]]*\] (\([^ ]*\) \(.*\) \[[^]]*\]).*/\1=\2 \3/p' |
        while read -r package from; do
            for archive in $archives; do
                # shellcheck disable=SC2254 # these are patterns
                case ", $from," in *", "${archive%%:*}:*${archive#*:},*) echo "$package" && break ;; esac
            done
        done)
}

# security_source: true if a security archive is among apt's sources, even an empty one, as for a new release. Read it
# after `update`.
security_source() {
    dir=$(apt-config shell dir Dir::State::lists/d) && eval "$dir" || return
    find "$dir" -maxdepth 1 -name '*Release' | while read -r file; do
        release=$(awk 'sub(/^Label: */, "") { label = $0 } sub(/^Suite: */, "") { suite = $0 }
            END { print label ":" suite }' "$file")
        for archive in $archives; do
            # shellcheck disable=SC2254 # these are patterns
            case $release in $archive) echo "$release" ;; esac
        done
    done | grep -q .
}

# held_back: says which security updates apt keeps back, and what holds them.
held_back() {
    [ -n "$back" ] || return 0
    # apt-cache calls an archive by its target's description.
    # shellcheck disable=SC2016,SC2086 # apt's variables; each option is a word
    secure=$(LC_ALL=C apt-get $lists indextargets --format '$(LABEL):$(SUITE)|$(DESCRIPTION)' 'Created-By: Packages' |
        while IFS='|' read -r release target; do
            for archive in $archives; do
                # shellcheck disable=SC2254 # these are patterns
                case $release in $archive) echo "$target" && break ;; esac
            done
        done)
    holds=$(apt-mark showhold) || holds=
    for package in $back; do
        # shellcheck disable=SC2086
        version=$(LC_ALL=C apt-cache $lists $options policy "$package" | secure=$secure awk '
            BEGIN { split(ENVIRON["secure"], all, "\n"); for (i in all) secure[all[i]] }
            $1 == "Candidate:" { wanted = $2 }
            /^ (\*\*\*|   ) [^ ]/ { version = $1 == "***" ? $2 : $1 }
            /^        / { sub(/^ *-?[0-9]+ /, ""); if (version == wanted && $0 in secure) { print wanted; exit } }')
        [ -n "$version" ] || continue
        case "
$holds
" in
        *"
$package
"*) why="it is on hold: apt-mark unhold $package" ;;
        *)
            # shellcheck disable=SC2086
            patient -s $options --only-upgrade --no-remove install "$package=$version" || :
            why=$(printf '%s\n' "$said" | awk '
                /^[^ ]/ { show = /(unmet dependencies|REMOVED|held packages will be changed):$/ || /^E: / }
                show { sub(/^ +/, ""); printf "%s%s", mark, $0; mark = /:$/ ? " " : "; " }')
            ;;
        esac
        echo "$hook: the security update $package=$version is held back: ${why:-apt does not say by what}" >&2
    done
}
