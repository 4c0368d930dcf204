#!/usr/bin/env bats
# Debian: 12 13
# needs_reboot/kernel-changed with rpm's own database, and packages with the names and versions of real kernels. uname
# says which kernel runs: the lab's hosts share the machine's.
load ../../hook

prepare() {
    stub systemd-detect-virt 'exit 1'
    purge
}
teardown() { purge; }
purge() {
    rpm -qa 'kernel*' | xargs -r rpm -e --nodeps
    rm -rf /boot/vmlinuz-* /lib/modules/*
}

# kernel NAME VERSION RELEASE UNAME: builds and installs a package with a kernel's files. As in Enterprise Linux the
# package only knows of the image in /boot (%ghost), and owns the one beside the modules.
kernel() {
    cat >"$BATS_TEST_TMPDIR/k.spec" <<SPEC
Name: $1
Version: $2
Release: $3
Summary: t
License: t
AutoReqProv: no
%description
t
%install
mkdir -p %{buildroot}/usr/lib/modules/$4
echo image >%{buildroot}/usr/lib/modules/$4/vmlinuz
%post
cp /usr/lib/modules/$4/vmlinuz /boot/vmlinuz-$4
%files
/usr/lib/modules/$4
%ghost /boot/vmlinuz-$4
SPEC
    rpmbuild -bb --quiet --define "_rpmdir $BATS_TEST_TMPDIR/rpms" --define "_topdir $BATS_TEST_TMPDIR/top" \
        "$BATS_TEST_TMPDIR/k.spec" >/dev/null 2>&1
    find "$BATS_TEST_TMPDIR/rpms" -name '*.rpm' -exec rpm -i --nodeps --oldpackage {} +
    rm -r "$BATS_TEST_TMPDIR/rpms"
}
answers() { # CODE RUNNING
    stub uname "[ \"\$1\" = -v ] && echo '#1 SMP' || echo '$2'"
    hook needs_reboot/kernel-changed
    exits "$1"
}

@test "the package's name is the flavour, and its version decides" {
    kernel kernel-core 5.14.0 427.el9 5.14.0-427.el9.x86_64
    answers 0 5.14.0-427.el9.x86_64
    kernel kernel-core 5.14.0 427.13.1.el9_4 5.14.0-427.13.1.el9_4.x86_64
    answers 1 5.14.0-427.el9.x86_64
    says "5.14.0-427.13.1.el9_4.x86_64 is installed"
    answers 0 5.14.0-427.13.1.el9_4.x86_64
    kernel kernel-rt-core 5.14.0 503.el9 5.14.0-503.el9.x86_64+rt
    kernel kernel-64k-core 5.14.0 503.el9 5.14.0-503.el9.aarch64+64k
    answers 0 5.14.0-427.13.1.el9_4.x86_64
    answers 0 5.14.0-503.el9.x86_64+rt
}

@test "names that no grammar knows: the package tells" {
    kernel kernel-next 6.12.0 1.rolling7 6.12.0~next.1.r7
    kernel kernel-next 6.12.0 2.rolling7 6.12.0~next.2.r7
    kernel kernel-other 6.13.0 1 6.13.0~other
    answers 1 6.12.0~next.1.r7
    answers 0 6.12.0~next.2.r7
}

@test "SUSE's kernels; a kernel without a package: could not find out" {
    kernel kernel-default 6.4.0 150600.21.3 6.4.0-150600.21-default
    kernel kernel-default 6.4.0 150600.23.7.4 6.4.0-150600.23.7-default
    kernel kernel-rt 6.4.0 150600.30.1 6.4.0-150600.30-rt
    answers 1 6.4.0-150600.21-default
    answers 0 6.4.0-150600.23.7-default
    mkdir -p /lib/modules/6.13.1-self
    echo image >/boot/vmlinuz-6.13.1-self
    answers 75 6.4.0-150600.23.7-default
}
