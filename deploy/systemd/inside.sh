#!/bin/bash
# The part of the check that runs inside the booted container.
set -euo pipefail
. /share/check-lib.sh
units=/etc/systemd/system
listen=127.0.0.1:9780

on_exit() {
    local code=$?
    [ $code = 0 ] || journalctl --no-pager -n 40 -u 'dcv-agent*' -o short-monotonic || true
}
trap on_exit EXIT

show() { systemctl show --value -p "$1" dcv-agent.service; }
# The journal's lines that have these fields or this priority, and hold a text.
journal() { journalctl -o cat -u dcv-agent.service "${@:2}" | grep -q "$1"; }
says() { journal "$1"; }
is() { [ "$(show "$1")" = "$2" ]; }

dcv-agent --version >/dev/null || fail "systemd: the binary does not run in the container; was it built for an older system?"

# A CertCentral and a name server to work against.
mkdir -p /etc/dcv-agent /run/sandbox
cat >$units/sandbox.service <<U
[Service]
ExecStart=/usr/bin/dcv-agent sandbox --folder /run/sandbox --profile '{"web":{"www.example.com":"127.0.0.1:80"}}'
U
cp /share/dcv-agent*.service /share/dcv-agent*.timer $units
# What differs from the delivered unit: shorter times, so that the check is quick.
mkdir $units/dcv-agent.service.d
printf '[Service]\nWatchdogSec=2\nRestartSec=1\n' >$units/dcv-agent.service.d/quick.conf
systemctl daemon-reload
systemctl start sandbox.service
wait_for 10 "systemd: the sandbox has written its files" test -s /run/sandbox/config.toml
install -m 0600 /run/sandbox/api.key /etc/dcv-agent/digicert.key
install -m 0600 /run/sandbox/tsig.key /etc/dcv-agent/tsig.key
# localhost instead of the address: the resolver of libc has to work under the system call filter too.
sed -e 's#^state = .*#state = "sqlite:///var/lib/dcv-agent/state.db"#' -e "s#^listen = .*#listen = \"$listen\"#" \
    -e 's#file = "/run/sandbox/api.key"#credential = "digicert.key"#' \
    -e 's#file = "/run/sandbox/tsig.key"#credential = "tsig.key"#' \
    -e 's#^base_url = "http://127.0.0.1:#base_url = "http://localhost:#' \
    /run/sandbox/config.toml >/etc/dcv-agent/config.toml
cp /etc/dcv-agent/config.toml /run/good.toml

# The README's own lines, by hand as root, before anybody has made the state's folder; the unit then goes on with what they left.
lines=$(sed -n '/inside.sh runs these very lines/,/^[^ ]/p' /share/README.md | sed -n 's/^ *\(dcv-agent [^#]*\).*/\1/p')
[ "$(wc -l <<<"$lines")" = 4 ] || fail "systemd: the README's lines are not found: $lines"
! [ -e /var/lib/dcv-agent ] || fail "systemd: the state's folder is there before the first run"
while read -r line; do
    $line >/run/said 2>&1 || fail "systemd: the README's $line: exit $?: $(cat /run/said)"
done <<<"$lines"
[ "$(stat -c '%a %U' /var/lib/dcv-agent)" = "700 root" ] || fail "systemd: the state's folder is not root's own"
ok "systemd: the README's lines work by hand on a fresh machine"

mv /etc/dcv-agent/digicert.key /run/digicert.key
! systemctl start dcv-agent.service 2>/dev/null || fail "systemd: started without any key"
is ExecMainStatus 78 && is NRestarts 0 || fail "systemd: without any key: exit $(show ExecMainStatus)"
mv /run/digicert.key /etc/dcv-agent/digicert.key
ok "systemd: without any key the agent exits 78 and is not started again"

begun=$(now_ms)
systemctl start dcv-agent.service || fail "systemd: the unit does not start"
took=$(($(now_ms) - begun))
[ "$(systemctl is-active dcv-agent)" = active ] && is SubState running || fail "systemd: not active (running)"
pid=$(show MainPID)
[ "$(stat -c %U "/proc/$pid")" != root ] || fail "systemd: the agent runs as root"
[ "$(stat -L -c '%a %u' /var/lib/private/dcv-agent)" = "700 $(stat -c %u "/proc/$pid")" ] ||
    fail "systemd: the state directory is not the agent's own"
wait_for 10 "systemd: /readyz answers 200" is_ready $listen
wait_for 20 "systemd: the order is validated" shows_validated $listen
ok "systemd: active (running) after $took ms, not as root, /readyz answers, the order is validated"

systemctl reload dcv-agent.service
wait_for 10 "systemd: the reload is told" says 'configuration reloaded'
wait_for 10 "systemd: active again after the reload" is ActiveState active
is MainPID "$pid" || fail "systemd: the reload has started another process"
wait_for 10 "systemd: /readyz after the reload" is_ready $listen
echo 'listn = 1' >>/etc/dcv-agent/config.toml
systemctl reload dcv-agent.service
wait_for 10 "systemd: a wrong configuration is refused at a reload" says 'going on with the old one'
wait_for 10 "systemd: active again after the refusal" is ActiveState active
is MainPID "$pid" && is_ready $listen || fail "systemd: a wrong configuration at a reload ended the agent"
cp /run/good.toml /etc/dcv-agent/config.toml
ok "systemd: reload keeps the process, and a wrong configuration keeps the old one"

wait_for 10 "systemd: a refused reload has the priority of an error" journal 'going on with the old one' -p err
wait_for 10 "systemd: an order is found by its fields" journal ': the certificate is issued' -p info DCV_ACCOUNT=sandbox DCV_REASON=validated
! journal 'the certificate is issued' -p warning || fail "systemd: what goes well has the priority of a warning"
! journal '^20[0-9][0-9]-' || fail "systemd: the journal's lines have a second time stamp"
sed -i 's/^\[agent\]/[agent]\nlog = { level = "debug" }/' /etc/dcv-agent/config.toml
systemctl reload dcv-agent.service
# An agent at rest has nothing to tell; what is no request is told at this level.
babble() { echo nonsense >"/dev/tcp/${listen%:*}/${listen#*:}" && journal 'a connection broke off' PRIORITY=7; }
wait_for 10 "systemd: the level is changed by a reload" babble
cp /run/good.toml /etc/dcv-agent/config.toml
systemctl reload dcv-agent.service
wait_for 10 "systemd: active again after the level was changed" is ActiveState active
ok "systemd: the journal has priorities, fields and one time stamp, and a reload changes the level"

kill -STOP "$pid"
restarted() { [ "$(show NRestarts)" -ge 1 ] && is SubState running && ! is MainPID "$pid"; }
wait_for 20 "systemd: the watchdog restarts an agent that hangs" restarted
wait_for 10 "systemd: /readyz after the restart" is_ready $listen
ok "systemd: the watchdog restarts an agent that hangs, NRestarts=$(show NRestarts)"

begun=$(now_ms)
systemctl stop dcv-agent.service
took=$(($(now_ms) - begun))
[ $took -lt 5000 ] || fail "systemd: stop took $took ms"
is Result success && is ExecMainStatus 0 || fail "systemd: stop: $(show Result), exit $(show ExecMainStatus)"
ok "systemd: stop takes $took ms and exits 0"

echo 'listn = 1' >>/etc/dcv-agent/config.toml
! systemctl start dcv-agent.service 2>/dev/null || fail "systemd: started with a wrong configuration"
# Before a restart the sub-state would be auto-restart, not failed.
is ExecMainStatus 78 && is SubState failed && is NRestarts 0 ||
    fail "systemd: wrong configuration: exit $(show ExecMainStatus), $(show SubState), NRestarts=$(show NRestarts)"
ok "systemd: a wrong configuration exits 78 and is not started again"
cp /run/good.toml /etc/dcv-agent/config.toml

# Files, with the drop-ins for them as they are delivered: the responder on port 80, and a document root that is the web
# server's. The CA does not find the second one, so that it stays.
place() {
    local body='{"names":["'$1'"],"method":"http-token"}' address answer
    address=$(sed -n 's#^base_url = "http://localhost:\([0-9]*\)/.*#\1#p' /run/good.toml)
    exec {ca}<>"/dev/tcp/127.0.0.1/$address"
    printf 'POST /sandbox/orders HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' ${#body} "$body" >&"$ca"
    answer=$(timeout 5 cat <&"$ca")
    exec {ca}>&-
    grep -o '[0-9]\+\]' <<<"$answer" | tr -d ']'
}
www=$(place www.example.com)
shop=$(place shop.example.com)
install -d -o root -g root /var/www /var/www/html
install -d -m 2775 -g www-data /var/www/html/.well-known /var/www/html/.well-known/pki-validation
cp /share/http-*.conf $units/dcv-agent.service.d
systemctl daemon-reload
sed -i "s#^orders = .*#orders = [$www, $shop]#" /etc/dcv-agent/config.toml
cat >>/etc/dcv-agent/config.toml <<T
[verify.web]
"example.com" = ["127.0.0.1:80"]
[http]
listen = "127.0.0.1:80"
webroots = { "shop.example.com" = "/var/www/html" }
T
systemctl start dcv-agent.service || fail "systemd: the unit does not start with the drop-ins for files"
[ "$(stat -c %U "/proc/$(show MainPID)")" != root ] || fail "systemd: with the drop-ins the agent runs as root"
[ "$(awk '/^CapEff/ { print $2 }' "/proc/$(show MainPID)/status")" = 0000000000000400 ] ||
    fail "systemd: the agent has other capabilities than that for port 80"
wait_for 20 "systemd: the order is validated by the responder on port 80" shows_validated $listen
file=/var/www/html/.well-known/pki-validation/fileauth.txt
wait_for 20 "systemd: the file stands below the document root" test -s $file
wait_for 10 "systemd: the journal names the file's host" journal ': published ' DCV_NAME=www.example.com DCV_PROVIDER=http
[ "$(stat -c '%a %G' $file)" = "644 www-data" ] || fail "systemd: the file is $(stat -c '%a %U %G' $file)"
sed -i "s#^orders = .*#orders = [$www]#" /etc/dcv-agent/config.toml
systemctl reload dcv-agent.service
gone() { ! [ -e $file ]; }
wait_for 20 "systemd: the file of an order that is taken out is gone" gone
systemctl stop dcv-agent.service
rm $units/dcv-agent.service.d/http-*.conf
systemctl daemon-reload
cp /run/good.toml /etc/dcv-agent/config.toml
ok "systemd: with the drop-ins files are shown on port 80 and below a document root, not as root"

systemctl start dcv-agent-once.timer
[ "$(systemctl show --value -p SubState dcv-agent-once.timer)" = waiting ] || fail "systemd: the timer does not wait"
systemctl start dcv-agent-once.service || fail "systemd: the single run has failed"
journalctl -o cat -u dcv-agent-once.service | grep -q 'validated' || fail "systemd: the single run validated nothing"
ok "systemd: the timer waits, and a single run ends with 0"
touch /share/done
