#!/bin/sh
# A script for lego's provider exec, before a BIND server; with EXEC_MODE=RAW's arguments too.
set -eu
verb=$1
shift
if [ "$1" = -- ]; then
  # A well-behaved one for values that are not ACME's: the key authorization is published as it is.
  name=$2 value=$4
else
  name=$1 value=$2
fi
case $verb in
  present) line="update add $name 60 TXT \"$value\"" ;;
  cleanup) line="update delete $name TXT \"$value\"" ;;
esac
printf 'server %s %s\nzone dcv.test.\n%s\nsend\n' "$SERVER" "$PORT" "$line" | nsupdate -y "$KEY"
