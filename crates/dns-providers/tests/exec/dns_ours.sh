#!/usr/bin/env sh
# A dnsapi script in acme.sh's form, before a BIND server.

dns_ours_add() {
  fulldomain=$1
  txtvalue=$2
  OURS_Key="${OURS_Key:-$(_readaccountconf_mutable OURS_Key)}"
  if [ -z "$OURS_Key" ]; then
    _err "OURS_Key is not set"
    return 1
  fi
  _saveaccountconf_mutable OURS_Key "$OURS_Key"
  _info "adding $fulldomain"
  _debug txtvalue "$txtvalue"
  _ours "update add $fulldomain. 60 TXT \"$txtvalue\""
}

dns_ours_rm() {
  OURS_Key="${OURS_Key:-$(_readaccountconf_mutable OURS_Key)}"
  _ours "update delete $1. TXT \"$2\""
}

_ours() {
  if ! printf 'server %s %s\nzone dcv.test.\n%s\nsend\n' "$SERVER" "$PORT" "$1" | nsupdate -y "$OURS_Key"; then
    _err "the server refuses it"
    return 1
  fi
}
