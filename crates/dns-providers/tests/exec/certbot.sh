#!/bin/sh
# certbot's auth and cleanup hook in one, before a BIND server; it publishes at the domain itself.
set -eu
case ${CERTBOT_AUTH_OUTPUT-absent} in
  absent) line="update add $CERTBOT_DOMAIN. 60 TXT \"$CERTBOT_VALIDATION\"" ;;
  *) line="update delete $CERTBOT_DOMAIN. TXT \"$CERTBOT_VALIDATION\"" ;;
esac
printf 'server %s %s\nzone dcv.test.\n%s\nsend\n' "$SERVER" "$PORT" "$line" | nsupdate -y "$KEY"
