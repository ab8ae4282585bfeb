#!/bin/bash
# Checks the units, first on paper, then under a real systemd in a container.
# usage: check.sh BINARY
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../check-lib.sh"
binary=$(realpath "$1")
suite=${DCV_SUITE:-bookworm}
cache=${DCV_CACHE:-/var/cache/dcv-agent-tests}
root=$cache/systemd-$suite
work=$(mktemp -d)
container=

cleanup() {
    if [ -n "$container" ]; then
        kill "$container" 2>/dev/null || true
        wait "$container" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# On paper. `verify` exits 0 on an unknown key and only warns, so silence is what counts.
mkdir "$work/units"
cp "$here"/*.service "$here"/*.timer "$work/units"
sed -i "s#^ExecStart=/usr/bin/dcv-agent#ExecStart=$binary#" "$work"/units/*.service
said=$(systemd-analyze verify "$work"/units/* 2>&1) || fail "systemd-analyze verify: $said"
[ -z "$said" ] || fail "systemd-analyze verify is not silent: $said"
ok "systemd: verify says nothing"
for unit in "$work"/units/*.service; do
    said=$(systemd-analyze security --offline=true --threshold=20 "$unit" 2>&1) ||
        fail "systemd-analyze security: ${unit##*/}: ${said##*$'\n'}"
    ok "systemd: ${unit##*/} exposure is $(grep -o "[0-9]\+\.[0-9]\+" <<<"${said##*: }")"
done
# With both drop-ins it gives up a little, and no more than that.
for dropin in "$here"/http-*.conf; do
    sed -n '/^\[Service\]/,$p' "$dropin" | sed 1d >>"$work/more"
done
sed "/^UMask/r $work/more" "$here/dcv-agent.service" >"$work/units/dcv-agent.service"
said=$(systemd-analyze security --offline=true --threshold=25 "$work/units/dcv-agent.service" 2>&1) ||
    fail "systemd-analyze security: with the drop-ins for files: ${said##*$'\n'}"
ok "systemd: dcv-agent.service with the drop-ins for files is $(grep -o "[0-9]\+\.[0-9]\+" <<<"${said##*: }")"
hardening() { sed -n '/^# Hardening/,/^UMask/p' "$1"; }
[ "$(hardening "$here/dcv-agent.service")" = "$(hardening "$here/dcv-agent-once.service")" ] ||
    fail "systemd: the two services are not hardened alike"
ok "systemd: both services are hardened alike"

# Under systemd.
if [ "${DCV_SKIP_NSPAWN:-}" = 1 ]; then
    ok "systemd: the run under a real systemd is left out, DCV_SKIP_NSPAWN=1"
    exit 0
fi
unable="systemd-nspawn cannot run here (not root, or in an unprivileged container); DCV_SKIP_NSPAWN=1 leaves this part out"
[ "$(id -u)" = 0 ] || fail "$unable"
said=$(unshare -m --propagation private mount -t tmpfs tmpfs "$work/units" 2>&1) || fail "$unable: $said"

mkdir -p "$cache"
exec {lock}>"$root.lock"
flock "$lock"
if [ ! -e "$root.done" ]; then
    rm -rf "$root"
    mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates "$suite" "$root" >"$work/log" 2>&1 ||
        fail "mmdebstrap: $(tail -n 3 "$work/log")"
    touch "$root.done"
fi
flock -u "$lock"

mkdir "$work/share"
cp "$here"/*.service "$here"/*.timer "$here"/*.conf "$here/inside.sh" "$here/../check-lib.sh" "$here/../../README.md" "$work/share"
cat >"$work/share/check.service" <<U
[Unit]
Description=Runs the check and turns the container off
# A container has no network to come online.
After=basic.target
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Type=oneshot
ExecStart=/bin/bash /share/inside.sh
StandardOutput=append:/share/said
StandardError=inherit
U
: >"$work/share/said"
# A tmpfs on /run, because nspawn refuses where it is on disk; the volatile overlay leaves the cached root as it is.
unshare -m --propagation private sh -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/nspawn && exec "$@"' sh \
    systemd-nspawn --quiet --keep-unit --register=no --private-network --volatile=overlay -D "$root" \
    --bind="$work/share:/share" --bind-ro="$binary:/usr/bin/dcv-agent" \
    --bind-ro="$work/share/check.service:/etc/systemd/system/check.service" \
    -b systemd.unit=multi-user.target systemd.wants=check.service >"$work/console" 2>&1 </dev/null &
container=$!
ended() { ! kill -0 "$container"; }
wait_for 80 "the container has ended; its console: $work/console" ended
container=
cat "$work/share/said"
[ -s "$work/share/said" ] || fail "$unable: $(tail -n 5 "$work/console")"
[ -e "$work/share/done" ] || fail "systemd: the check inside the container did not reach its end"
