#!/bin/bash
# Checks the cron file, and runs its command with stand-ins and with the agent itself.
# usage: check.sh BINARY
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../check-lib.sh"
binary=$(realpath "$1")
file=$here/dcv-agent
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# cron skips files with a dot in the name, and a last line without an end.
[[ ${file##*/} =~ ^[A-Za-z0-9_-]+$ ]] || fail "cron: ${file##*/} is a name that cron skips"
[ -z "$(tail -c 1 "$file")" ] || fail "cron: the last line has no end"
jobs=$(grep -vE '^(#|$|[A-Z]+=)' "$file")
[ "$(wc -l <<<"$jobs")" = 1 ] || fail "cron: one job is expected, found: $jobs"
# `read` splits as cron does: five times, the user, and the rest is the command.
read -r minute hour day month weekday user command <<<"$jobs"
for field in "$minute" "$hour" "$day" "$month" "$weekday"; do
    [[ $field =~ ^(\*|[0-9]+(-[0-9]+)?)(/[0-9]+)?(,[0-9]+)*$ ]] || fail "cron: $field is not a time"
done
[ "$user" = dcv-agent ] || fail "cron: $user is not the user dcv-agent"
# A percent sign would be the end of the line to cron.
[[ $command != *%* ]] || fail "cron: the command holds a percent sign"
bash -n -c "$command" || fail "cron: the command is not understood by bash"
ok "cron: the file's form is right"

mkdir "$work/bin" "$work/state"
printf '#!/bin/sh\necho "said $CODE"; exit $CODE\n' >"$work/bin/dcv-agent"
printf '#!/bin/sh\nexec cat >>"%s"\n' "$work/syslog" >"$work/bin/logger"
chmod +x "$work"/bin/*
command=${command//\/var\/lib\/dcv-agent/$work/state}
run() { env -i CODE="$1" HOME=/ SHELL=/bin/bash PATH="$work/bin:/usr/bin:/bin" /bin/bash -c "$command"; }
for code in 0 75; do
    [ -z "$(run $code)" ] || fail "cron: exit code $code sends mail"
done
for code in 1 64 70 78; do
    [[ $(run $code) == *"ended with $code"* ]] || fail "cron: exit code $code sends no mail"
done
grep -q 'said 78' "$work/syslog" || fail "cron: what the agent says does not reach syslog"
exec {held}>"$work/state/cron.lock"
flock "$held"
rm "$work/syslog"
[ -z "$(run 1)" ] && [ ! -s "$work/syslog" ] || fail "cron: a second run starts while the first one holds the lock"
exec {held}>&-
ok "cron: exit codes 1, 64, 70, 78 send mail, 0 and 75 do not, and runs do not overlap"

# The agent itself understands the line, up to the configuration, which is not there.
ln -sf "$binary" "$work/bin/dcv-agent"
command=${command//\/etc\/dcv-agent/$work/none}
[[ $(run 0) == *"ended with 78"* ]] || fail "cron: the agent does not understand its arguments: $(cat "$work/syslog")"
ok "cron: the agent understands its arguments"
