#!/bin/bash
# Builds the image around a binary and runs it: once, and as a daemon.
# usage: check.sh BINARY
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../check-lib.sh"
binary=$(realpath "$1")
[ "$(id -u)" = 0 ] || fail "container: the check needs root, it builds without a user namespace"
work=$(mktemp -d)
sandbox=
daemon=
store=(--storage-driver vfs --root "$work/store" --runroot "$work/run")

cleanup() {
    [ -z "$daemon" ] || pod rm --force --time 2 "$daemon" >/dev/null 2>&1 || true
    if [ -n "$sandbox" ]; then
        kill "$sandbox" 2>/dev/null || true
        wait "$sandbox" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# runc and cgroupfs work with every cgroup layout and without an init.
pod() { podman "${store[@]}" --cgroup-manager cgroupfs --runtime runc "$@"; }
limits=(--network host --read-only --cap-drop=all --security-opt no-new-privileges
    --ulimit nofile=1024:1024 --ulimit nproc=1024:1024)
mounts=(--volume "$work/etc:/etc/dcv-agent:ro" --volume "$work/state:/var/lib/dcv-agent")

"$here/rootfs.sh" "$binary" "$work/context"
buildah "${store[@]}" bud --isolation chroot --build-arg SOURCE=prebuilt -f "$here/Dockerfile" -t dcv-agent \
    "$work/context" >"$work/log" 2>&1 || fail "container: the image cannot be built: $(tail -n 5 "$work/log")"
[ "$(pod inspect --format '{{.Config.User}}' dcv-agent)" = 65532:65532 ] || fail "container: the image runs as root"
said=$(pod run --rm "${limits[@]}" dcv-agent --version) || fail "container: the image does not start: $said"
ok "container: the image is built from nothing and runs as 65532: $said"

mkdir "$work/etc" "$work/sandbox"
"$binary" sandbox --listen 127.0.0.1:0 --dns-listen 127.0.0.1:0 --folder "$work/sandbox" >"$work/sandbox.log" 2>&1 &
sandbox=$!
wait_for 10 "container: the sandbox has written its files" test -s "$work/sandbox/config.toml"
cp "$work"/sandbox/*.key "$work/etc"
sed -e 's#^state = .*#state = "sqlite:///var/lib/dcv-agent/state.db"#' -e "s#$work/sandbox/#/etc/dcv-agent/#" \
    "$work/sandbox/config.toml" >"$work/etc/config.toml"
install -d -o 65532 -g 65532 -m 0700 "$work/state"
chown -R 65532:65532 "$work/etc"
chmod 0400 "$work"/etc/*

# Without a volume of ours: the image's own folder has to be writable for its user.
code=0
pod run --rm "${limits[@]}" --volume "$work/etc:/etc/dcv-agent:ro" dcv-agent --once --timeout 60s \
    >"$work/log" 2>&1 || code=$?
[ $code = 0 ] && grep -q ' validated: ' "$work/log" || fail "container: --once exits $code: $(cat "$work/log")"
ok "container: --once validates the order and exits 0, read-only root, no capabilities, an anonymous volume"

daemon=$(pod run --detach "${limits[@]}" "${mounts[@]}" dcv-agent)
listens() { pod logs "$daemon" 2>&1 | grep -o 'http://[0-9.:]*' | head -n 1 | grep -q .; }
wait_for 20 "container: the daemon listens" listens
address=$(pod logs "$daemon" 2>&1 | grep -o 'http://[0-9.:]*' | head -n 1)
wait_for 20 "container: /readyz answers 200" is_ready "${address#http://}"
begun=$(now_ms)
pod kill --signal TERM "$daemon" >/dev/null
ended() { [ "$(pod inspect --format '{{.State.Status}}' "$daemon")" = exited ]; }
wait_for 10 "container: the daemon ends at SIGTERM" ended
code=$(pod inspect --format '{{.State.ExitCode}}' "$daemon")
[ "$code" = 0 ] || fail "container: the daemon exits $code at SIGTERM: $(pod logs "$daemon" 2>&1 | tail -n 5)"
ok "container: the daemon is ready, and SIGTERM ends it with 0 within $(($(now_ms) - begun)) ms"
