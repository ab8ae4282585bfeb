#!/bin/sh
# Gathers what a binary needs to run in an otherwise empty image: itself, its libraries, and CA certificates.
# usage: rootfs.sh BINARY FOLDER     FOLDER becomes FOLDER/rootfs and FOLDER/state
set -eu
binary=$1
rootfs=$2/rootfs
certificates=/etc/ssl/certs/ca-certificates.crt
[ -s "$certificates" ] || { echo "rootfs.sh: $certificates is missing; install ca-certificates" >&2; exit 1; }

mkdir -p "$rootfs/usr/bin" "$rootfs/etc/ssl/certs" "$rootfs/tmp" "$2/state"
chmod 1777 "$rootfs/tmp"
install -m 0755 "$binary" "$rootfs/usr/bin/dcv-agent"
install -m 0644 "$certificates" "$rootfs/etc/ssl/certs/ca-certificates.crt"
echo 'hosts: files dns' >"$rootfs/etc/nsswitch.conf"
echo 'dcv-agent:x:65532:65532::/var/lib/dcv-agent:/nonexistent' >"$rootfs/etc/passwd"
echo 'dcv-agent:x:65532:' >"$rootfs/etc/group"

# A static binary has none, and ldd says so with an error.
ldd "$binary" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$rootfs$(dirname "$library")"
    install -m 0755 "$(readlink -f "$library")" "$rootfs$library"
done
