# The functions of acme.sh that its dnsapi scripts call, written anew for dcv-agent: what is wanted comes by
# DCV_SCRIPT, DCV_FUNCTION, DCV_NAME, DCV_VALUE, DCV_ACCOUNTS. Needs curl, and openssl for signatures.

_info() { printf '%s\n' "$*" >&2; }
_err() { printf '%s\n' "$*" >&2; return 1; }
_usage() { _err "$@"; }
# Nothing that may hold credentials is shown.
_debug() { :; }
_debug2() { :; }
_debug3() { :; }
_secure_debug() { :; }
_secure_debug2() { :; }
_secure_debug3() { :; }
_log() { :; }

_exists() { command -v "$1" >/dev/null 2>&1; }
_contains() { printf '%s\n' "$1" | grep -q -- "$2"; }
_startswith() { printf '%s\n' "$1" | grep -q -- "^$2"; }
_endswith() { printf '%s\n' "$1" | grep -q -- "$2\$"; }
_egrep_o() { grep -Eo -- "$1" 2>/dev/null; }
_head_n() { head -n "$1"; }
_tail_n() { tail -n "$1"; }
_getfield() { printf '%s\n' "$1" | cut -d "${3:-,}" -f "$2" | tr -d '\n'; }
_math() { printf '%s' "$(($*))"; }
_lower_case() { tr 'A-Z' 'a-z'; }
_upper_case() { tr 'a-z' 'A-Z'; }
_sleep() { sleep "$1"; }
_time() { date -u +%s; }
_utc_date() { date -u '+%Y-%m-%d %H:%M:%S'; }
_mktemp() { mktemp; }
_idn() { if _exists idn2; then idn2 -- "$1"; else printf '%s' "$1"; fi; }
_is_idn() { [ -n "$(printf '%s' "$1" | tr -d 'a-zA-Z0-9.,*_-')" ]; }

_hex_dump() { od -A n -v -t x1 | tr -d '\n'; }
_h2b() {
  local hex
  hex=$(tr -d ' \n')
  while [ -n "$hex" ]; do printf '%b' "\\x${hex:0:2}"; hex=${hex:2}; done
}
# An argument keeps the lines of 64 characters.
_base64() { if [ -n "$1" ]; then base64 -w 64; else base64 -w 0; fi; }
_dbase64() { base64 -d; }
_url_replace() { tr '/+' '_-' | tr -d '= '; }
_durl_replace_base64() {
  local text
  text=$(tr '_-' '/+')
  while [ $((${#text} % 4)) -ne 0 ]; do text="$text="; done
  printf '%s' "$text"
}
# "upper-hex" as the argument asks for capitals in the escapes.
_url_encode() {
  local octet form='%%%02x'
  [ "$1" = upper-hex ] && form='%%%02X'
  for octet in $(_hex_dump); do
    case $octet in
      3[0-9] | 4[1-9a-f] | 5[0-9a] | 6[1-9a-f] | 7[0-9a] | 2d | 2e | 5f | 7e) printf '%b' "\\x$octet" ;;
      *) printf "$form" "0x$octet" ;;
    esac
  done
}
_normalizeJson() {
  sed 's/" *: *\(["{[]\)/":\1/g; s/^ *\([^ ]\)/\1/' | tr -d '\r\n'
}
_json_encode() {
  local text
  text=$(sed 's/\\/\\\\/g; s/"/\\"/g' | sed ':a; N; $!ba; s/\n/\\n/g')
  printf '%s' "$text"
}
_json_decode() { sed 's/\\n/\n/g; s/\\"/"/g; s/\\\//\//g; s/\\\\/\\/g'; }

# ALGORITHM [hex]: standard input to base64, or to hex digits.
_digest() {
  if [ -n "$2" ]; then openssl dgst "-$1" -hex | sed 's/^.*= *//'; else openssl dgst "-$1" -binary | _base64; fi
}
# ALGORITHM KEY-IN-HEX [hex]: to octets, or to hex digits.
_hmac() {
  local way=(openssl dgst "-$1" -mac HMAC -macopt "hexkey:$2")
  if [ -n "$3" ]; then "${way[@]}" -hex | sed 's/^.*= *//'; else "${way[@]}" -binary; fi
}
# KEY-FILE ALGORITHM.
_sign() { openssl dgst "-$2" -sign "$1" | _base64; }

HTTP_HEADER=$(mktemp)
trap 'rm -f "$HTTP_HEADER"' EXIT
_resethttp() { unset _H1 _H2 _H3 _H4 _H5; }
_inithttp() { :; }

# Options go to curl by standard input, so that no list of processes shows the headers.
_curl() {
  local header escaped
  {
    printf 'silent\nshow-error\nlocation\nmax-time = 40\ndump-header = "%s"\nuser-agent = "%s"\n' "$HTTP_HEADER" "${USER_AGENT:-dcv-agent}"
    [ -n "$HTTPS_INSECURE" ] && printf 'insecure\n'
    for header in "$_H1" "$_H2" "$_H3" "$_H4" "$_H5"; do
      escaped=${header//\\/\\\\}
      [ -n "$header" ] && printf 'header = "%s"\n' "${escaped//\"/\\\"}"
    done
  } | curl --config - "$@"
}
# URL [only headers] [seconds].
_get() {
  if [ -n "$2" ]; then
    _curl --head -- "$1"
  else
    _curl ${3:+--connect-timeout "$3"} -- "$1"
  fi
}
# BODY URL [base64] [METHOD] [CONTENT-TYPE].
_post() {
  local answer status body
  body=$(mktemp) || return 1
  printf '%s' "$1" >"$body"
  answer=$(_curl --request "${4:-POST}" ${5:+--header "Content-Type: $5"} ${1:+--data-binary "@$body"} -- "$2")
  status=$?
  rm -f "$body"
  if [ -n "$3" ]; then printf '%s' "$answer" | _base64; else printf '%s' "$answer"; fi
  return "$status"
}

# What a script was once given and keeps: in the accounts file, as NAME='value', if there is one.
_readaccountconf() {
  [ -n "$DCV_ACCOUNTS" ] && [ -r "$DCV_ACCOUNTS" ] || return 0
  sed -n "s/^$1='\(.*\)'\$/\1/p" "$DCV_ACCOUNTS" | head -n 1 | _opened
}
# acme.sh keeps what has odd characters in base64, between these.
_opened() {
  local kept
  kept=$(cat)
  case $kept in
    __ACME_BASE64__START_*) kept=${kept#__ACME_BASE64__START_}; printf '%s' "${kept%__ACME_BASE64__END_}" | base64 -d ;;
    *) printf '%s' "$kept" ;;
  esac
}
_readaccountconf_mutable() { _readaccountconf "SAVED_$1"; }
_clearaccountconf() {
  [ -n "$DCV_ACCOUNTS" ] && [ -w "$DCV_ACCOUNTS" ] && sed -i "/^$1=/d" "$DCV_ACCOUNTS"
  return 0
}
_clearaccountconf_mutable() { _clearaccountconf "SAVED_$1"; _clearaccountconf "$1"; }
_saveaccountconf() {
  [ -n "$DCV_ACCOUNTS" ] || return 0
  _clearaccountconf "$1"
  (umask 077 && printf "%s='%s'\n" "$1" "__ACME_BASE64__START_$(printf '%s' "$2" | base64 -w 0)__ACME_BASE64__END_" >>"$DCV_ACCOUNTS")
}
_saveaccountconf_mutable() { _saveaccountconf "SAVED_$1" "$2"; }
declare -A _domain_conf
_savedomainconf() { _domain_conf[$1]=$2; }
_readdomainconf() { printf '%s' "${_domain_conf[$1]}"; }
_cleardomainconf() { unset "_domain_conf[$1]"; }

. "$DCV_SCRIPT" || exit 1
if ! declare -F "$DCV_FUNCTION" >/dev/null; then
  _err "the script has no function $DCV_FUNCTION"
  exit 1
fi
"$DCV_FUNCTION" "$DCV_NAME" "$DCV_VALUE"
