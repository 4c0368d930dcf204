# What the hooks for dnf, bootc and rpm-ostree share: . "$lib/image-mode.sh"
# shellcheck shell=sh

# image_mode: true if this host boots an image, where dnf can't install anything that outlives a reboot (also not into
# the overlay of `bootc usr-overlay`). Sets $image to why not, and which hooks fit. ostree's initramfs writes the file;
# bootc's backend without ostree has a word on the kernel's command line.
image_mode() {
    [ -e "${DLM_OSTREE_BOOTED:-/run/ostree-booted}" ] ||
        grep -qs '\(^\| \)composefs=' "${DLM_CMDLINE:-/proc/cmdline}" || return
    image=''
    for tool in bootc rpm-ostree; do
        ! command -v "$tool" >/dev/null || image="$image${image:+, or with }needs_update/$tool and update/$tool"
    done
    # shellcheck disable=SC2034 # for the hook
    image="this host boots an image, which dnf can't update. Update it with ${image:-the tool that it came with}"
}
