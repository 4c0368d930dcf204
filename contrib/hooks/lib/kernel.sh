# What the hooks about kernels share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/kernel.sh"
# A kernel is named by what uname -r would print: its release. Its version and its flavour (amd64, cloud-amd64, generic,
# kernel-core) come from the package that owns its image, if there is one.
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${conf:?}" "${root=}" "${ignore=}" # the hook's name, this directory, its settings
export LC_ALL=C

# shellcheck source=cluster.sh
. "$lib/cluster.sh"

# The releases that are understood: a version, and one of these flavours. Each new name that a distribution invents has
# to be added. Until then the answer is "could not find out".
debian='amd64 cloud-amd64 rt-amd64 686 686-pae rt-686-pae arm64 cloud-arm64 rt-arm64 arm64-16k armmp armmp-lpae
rt-armmp rpi marvell 4kc-malta 5kc-malta mips32r2el mips64r2el loongson-3 octeon powerpc64le powerpc64le-64k
powerpc64le-16k powerpc64 powerpc s390x riscv64 loong64'
ubuntu='generic generic-64k generic-lpae lowlatency lowlatency-64k realtime raspi raspi2 raspi-realtime kvm virtual
aws aws-64k aws-fips azure azure-fde azure-fips gcp gcp-64k gcp-fips gke gkeop ibm oracle oracle-64k oem fips
intel-iotg intel nvidia nvidia-64k nvidia-lowlatency'
others='pve rpi-v6 rpi-v7 rpi-v7l rpi-v8 rpi-2712 default azure rt preempt kvmsmall longterm 64kb lts zen hardened'
version='[0-9]+(\.[0-9]+)*([-.~]rc[0-9]+)?(-trunk)?(-0\.(bpo|deb[0-9]+)\.[0-9]+|(-[0-9]+(\.[0-9]+)*)*)'
version="$version"'([+~](deb|bpo)[0-9]*(\.[0-9]+)?(\+[0-9]+)?|\+rpt)?(-bpo[0-9]+|-(zen|hardened)[0-9]+-[0-9]+)?'
redhat='s/^[0-9.]+-[0-9.]+(\.rt[0-9.]+)?\.((el|fc|amzn)[0-9_]+(uek)?)[^+]*\.[a-z0-9_]+(\+[a-z0-9+-]+)?$/\1 \3\4\5/p'

# parse RELEASE: sets $flavour to its flavour if the name is understood, else to "?" and what follows the version.
# Sets $plain to the release without its flavour, for sort -V.
parse() {
    flavour=$(printf '%s\n' "$1" | sed -nE "$redhat" | sed -E 's/^\.rt[^ ]*/rt/; s/^ //')
    plain=$1
    [ -z "$flavour" ] || return 0
    set -- "${1%-unsigned}"
    for flavour in $debian $ubuntu $others; do
        plain=${1%-"$flavour"}
        [ "$plain" != "$1" ] && printf '%s\n' "$plain" | grep -Exq -- "$version" && return
    done
    plain=$1
    case $1 in *-arch[0-9]*-[0-9]*) flavour=arch && return ;; esac
    flavour="?$(printf '%s\n' "$1" | sed -E 's/^[0-9]+(\.[0-9]+)*([-.~]rc[0-9]+)?(-[0-9]+(\.[0-9]+)*)*//')"
}

# owner RELEASE: sets $owner to dpkg or rpm, $package and $number to the name and the version of the package that the
# image belongs to. All are empty if it belongs to none.
owner() {
    owner='' package='' number=''
    set -- "$1" "/boot/vmlinuz-$1" "/lib/modules/$1/vmlinuz" "/usr/lib/modules/$1/vmlinuz" "/boot/vmlinux-$1" \
        "/boot/Image-$1"
    if command -v dpkg-query >/dev/null && [ -e "$root/var/lib/dpkg/status" ]; then by_dpkg "$@"; fi
    [ -n "$owner" ] || ! command -v rpm >/dev/null || by_rpm "$@"
    if [ -z "$owner" ] && [ -s "$root/lib/modules/$1/pkgbase" ]; then # Arch
        read -r package <"$root/lib/modules/$1/pkgbase" && owner=arch
    fi
}
by_dpkg() {
    shift
    # dpkg does not know that /lib is a link. It exits 1 if it does not know one of the names.
    said=$(within 60 dpkg-query --admindir="$root/var/lib/dpkg" -S "$@" 2>&1) && code=0 || code=$?
    [ "$code" -le 1 ] || cannot_tell "dpkg-query -S $1 failed ($code): $said"
    # "linux-image-6.1.0-9-amd64: /boot/vmlinuz-6.1.0-9-amd64"
    package=$(printf '%s\n' "$said" | sed -n '/^dpkg-query: /d; /^diversion by /d
        s/^\([a-z0-9][a-z0-9.+-]*\)\(:[a-z0-9-]*\)\{0,1\}\(, .*\)\{0,1\}: \/.*/\1/p' | head -n 1)
    [ -n "$package" ] || return 0
    owner=dpkg
    number=$(within 60 dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Version}\n' "$package" | head -n 1)
    [ -n "$number" ] || cannot_tell "dpkg-query -W $package gave no version"
}
by_rpm() {
    shift
    for file; do
        [ -e "$root$file" ] || continue
        # rpm may print warnings before its answer (another backend's database, a lock).
        said=$(within 60 rpm ${root:+--root "$root"} -qf \
            --qf 'owner %{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n' "$file" 2>&1) && code=0 || code=$?
        found=$(printf '%s\n' "$said" | sed -n 's/^owner //p' | head -n 1)
        if [ "$code" = 0 ] && [ -n "$found" ]; then
            owner=rpm package=${found%% *} number=${found#* }
            return
        fi
        # With --root rpm looks for a file that nothing owns at the wrong place.
        case $said in *'is not owned by any package'* | *'No such file or directory'*) ;; *)
            cannot_tell "rpm -qf $file failed ($code): $said" ;;
        esac
    done
}

# read_kernels: sets $kernels to one line for each installed kernel: release, image, owner, package, version (each "-"
# if there is none), flavour. A kernel counts as installed if it has modules, and an image in /boot or
# /lib/modules/RELEASE; leftovers of a removed kernel do not count, nor do ignored ones.
read_kernels() {
    kernels=''
    for image in "$root"/lib/modules/*/vmlinuz "$root"/boot/vmlinu[xz]-* "$root"/boot/Image-*; do
        [ -s "$image" ] || continue
        case $image in
        */lib/modules/*) release=${image%/vmlinuz} release=${release##*/} ;;
        *) release=${image##*/} release=${release#*-} ;;
        esac
        [ -e "$root/lib/modules/$release" ] && ! ignored "$release" || continue
        case "$kernels" in "$release "* | *"
$release "*) continue ;; esac
        owner "$release"
        parse "$release"
        kernels="$kernels$release $image ${owner:--} ${package:--} ${number:--} $flavour
"
    done
}
ignored() {
    set -f # patterns, not file names
    for pattern in $ignore; do
        # shellcheck disable=SC2254 # $pattern is a pattern
        case $1 in $pattern) set +f && return ;; esac
    done
    set +f
    return 1
}

# newer RELEASE OWNER NUMBER RELEASE OWNER NUMBER: true if the first kernel is newer than the second one. Their packages
# tell; without packages, sort -V, which puts 6.7-rc1 before 6.7 and 427.el9 before 427.13.1.el9_4.
newer() {
    if [ "$2" = dpkg ] && [ "$5" = dpkg ]; then
        dpkg --compare-versions "$3" gt "$6"
    elif [ "$2" = rpm ] && [ "$5" = rpm ]; then
        case $(rpm --eval "%{lua: print(rpm.vercmp('$3', '$6'))}" 2>&1) in
        1) ;;
        0 | -1) return 1 ;;
        *) cannot_tell "rpm could not compare $3 with $6" ;;
        esac
    else
        parse "$1" && first=$plain
        parse "$4"
        [ "$first" != "$plain" ] && [ "$(printf '%s\n' "$first" "$plain" |
            sed -E 's/^/=/; h; s/[-.~](rc[0-9])/~\1/; s/\.([a-z])/~\1/g; G; s/\n=/ /; s/^=//' |
            sort -V | sed -n '$s/.* //p')" = "$first" ]
    fi
}

# same OWNER PACKAGE FLAVOUR: sets $same to yes, no, or unknown: does this kernel have the running one's
# flavour? $own_owner, $own_package and $own_flavour are the running one's.
same() {
    same=unknown
    case $1:$own_owner in
    rpm:rpm | arch:arch) if [ "$2" = "$own_package" ]; then same=yes; else same=no; fi ;;
    *)
        if [ "$3" = "$own_flavour" ]; then same=yes; else case $3$own_flavour in *'?'*) ;; *) same=no ;; esac; fi
        ;;
    esac
}

# look: asks whether the running kernel is the newest of its flavour. Sets $running, $finding (newest, newer, rebuilt,
# elsewhere, none, container, unknown), $newest, and $why in words.
look() {
    running=$(uname -r) newest='' doubt='' why='' own_owner='' own_package='' own_number='' own_image=''
    if systemd-detect-virt -cq 2>/dev/null; then
        finding=container why="a container has no kernel of its own"
        return
    fi
    read_kernels
    parse "$running"
    own_flavour=$flavour
    if [ -z "$kernels" ]; then
        finding=none why="no kernel is installed here"
        if [ -e "$root/lib/modules/$running" ] && ! ignored "$running"; then
            finding=unknown why="kernel $running runs, its modules are installed, but no image of a kernel is found (is\
 /boot mounted? a UKI is not looked at); if the kernel does not come from this disk, set ignore='*' in $conf"
        fi
        return
    fi
    while read -r release image owner package number name; do
        [ "$release" = "$running" ] || continue
        own_image=$image own_owner=$owner own_package=$package own_number=$number
    done <<EOF
$kernels
EOF
    while read -r release image owner package number name; do
        [ -n "$release" ] && [ "$release" != "$running" ] || continue
        if [ -n "$own_image" ] && ! newer "$release" "$owner" "$number" "$running" "$own_owner" "$own_number"; then
            continue
        fi
        same "$owner" "$package" "$name"
        case $same in
        no) [ -n "$own_image" ] || doubt="$doubt, $release" ;;
        unknown) doubt="$doubt, $release" ;;
        yes)
            if [ -z "$newest" ] || newer "$release" "$owner" "$number" "$newest" "$newest_owner" "$newest_number"; then
                newest=$release newest_owner=$owner newest_number=$number newest_image=$image
            fi
            ;;
        esac
    done <<EOF
$kernels
EOF
    if [ -n "$newest" ]; then
        finding=newer why="kernel $running runs, $newest is installed"
    elif [ -n "$own_image" ] && rebuilt; then
        finding=rebuilt newest=$running newest_image=$own_image
    elif [ -n "$doubt" ]; then
        finding=unknown why="kernel $running runs, and whether a reboot would start another one (${doubt#, }) does not\
 show in the names: reboot if it should; if it never will, name it in ignore= in $conf"
        [ -n "$own_image" ] || why="$why (ignore='*' if the kernel does not come from this disk)"
    else
        finding=newest newest=$running newest_image=$own_image
        why="the running kernel $running is the newest installed one"
    fi
}

# rebuilt: true if the running kernel was replaced under the same name. The header of an x86 image has `uname -r`, the
# builder's name and `uname -v`; Debian's `uname -v` has the package's version.
rebuilt() {
    build=$(uname -v)
    if grep -aqF "$running (" "$own_image" && ! grep -aqF "$build" "$own_image"; then
        why="$own_image is not the build that runs ($build)"
        return
    fi
    built=$(printf '%s\n' "$build" | sed -n 's/.* Debian \([^ ]*\).*/\1/p')
    [ "$own_owner" = dpkg ] && [ -n "$built" ] && [ "$built" != "$own_number" ] || return
    why="$own_image is version $own_number, not the one that runs ($build)"
}
