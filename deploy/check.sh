#!/bin/bash
# Checks everything in this folder around a built agent, one line for each thing seen.
# usage: check.sh BINARY          BINARY has the feature `demo`
# DCV_CACHE is where the system that is booted is kept (/var/cache/dcv-agent-tests), DCV_SUITE its Debian release
# (bookworm). DCV_SKIP_NSPAWN=1 leaves out the run under a real systemd.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/check-lib.sh"
[ $# = 1 ] && [ -x "$1" ] || fail "usage: check.sh BINARY"
binary=$(realpath "$1")

missing=
need() { PATH=$PATH:/usr/sbin:/sbin "${@:2}" >/dev/null 2>&1 || missing+=" $1"; }
need systemd command -v systemd-analyze
[ "${DCV_SKIP_NSPAWN:-}" = 1 ] || need systemd-container command -v systemd-nspawn
[ "${DCV_SKIP_NSPAWN:-}" = 1 ] || need mmdebstrap command -v mmdebstrap
need podman command -v podman
need buildah command -v buildah
need runc command -v runc
need ca-certificates test -s /etc/ssl/certs/ca-certificates.crt
need python3-yaml python3 -c 'import yaml'
[ -z "$missing" ] || fail "tools are missing: apt-get install --no-install-recommends$missing"
"$binary" sandbox --help >/dev/null 2>&1 || fail "$binary has no sandbox; build it with the feature demo"

for kind in cron kubernetes container systemd; do
    "$here/$kind/check.sh" "$binary"
done
