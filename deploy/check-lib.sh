# Words that the checks share; sourced, never run.

ok() { echo "ok $*"; }

fail() {
    echo "FAILED $*" >&2
    exit 1
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds, asking ten times a second.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "not within the deadline: $what"
        sleep 0.1
    done
}

# page HOST:PORT PATH: the answer of a web page, head and body; only bash is needed.
page() {
    local answer
    exec {web}<>"/dev/tcp/${1%:*}/${1#*:}" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$2" "$1" >&"$web"
    answer=$(timeout 5 cat <&"$web")
    exec {web}>&-
    printf '%s\n' "$answer"
}

is_ready() { [[ $(page "$1" /readyz) == *" 200 OK"* ]]; }

shows_validated() { [[ $(page "$1" /status) == *'"validated"'* ]]; }

now_ms() { date +%s%3N; }
