#!/bin/bash
# Checks the manifests, and the configuration in them with the agent itself.
# usage: check.sh BINARY
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../check-lib.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/secrets"

python3 "$here/check.py" "$work/secrets" >"$work/config.toml" 2>"$work/said" ||
    fail "kubernetes: $(tail -n 1 "$work/said")"
ok "kubernetes: the manifests fit together, with probes and security contexts"
said=$("$1" --config "$work/config.toml" check 2>&1) || fail "kubernetes: the ConfigMap's configuration: $said"
ok "kubernetes: the agent accepts the ConfigMap's configuration"
mapfile -t environment <"$work/secrets/environment"
said=$(env "${environment[@]}" "$1" --config "$work/config.toml" check 2>&1) || fail "kubernetes: the replicas' configuration: $said"
ok "kubernetes: the agent accepts the replicas' configuration"
