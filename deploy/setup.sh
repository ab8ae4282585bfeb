#!/usr/bin/env bash
# Installs what is missing on a Debian machine: `setup.sh build`, `setup.sh test FOLDER` for the test servers too, `setup.sh bench`
# for what measures beside them.
set -euo pipefail

build=(gcc:gcc make:make)
# Commands, each with the package that brings it.
test=(
  named:bind9 dig:bind9-dnsutils dnssec-signzone:bind9-utils knotd:knot nsd:nsd pdns_server:pdns-server sqlite3:sqlite3 unbound:unbound nft:nftables
  nginx:nginx-light faketime:faketime
  systemd-analyze:systemd systemd-nspawn:systemd-container mmdebstrap:mmdebstrap ip:iproute2
  podman:podman buildah:buildah runc:runc curl:curl openssl:openssl python3:python3
)

missing=()
want() {
  local pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
}

want "${build[@]}"
case $1 in
  test) want "${test[@]}" ;;
  bench) want /usr/bin/time:time ;;
esac
if [ "$1" = test ]; then
  [ -e /usr/share/pdns-backend-sqlite3 ] || missing+=(pdns-backend-sqlite3)
  [ -s /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
fi

if [ "$1" = test ] && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  missing+=(postgresql)
  # The tests start servers of their own; Debian's package would make one for the machine.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    prepare='mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf'
    if [ "$(id -u)" = 0 ]; then sh -c "$prepare"; else sudo sh -c "$prepare"; fi
  fi
fi

if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}"
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}" >/dev/null
fi

if [ "$1" = test ]; then
  tools=$2
  # ministack is a mock of Route 53 with atomic batches; PyYAML reads the Kubernetes manifests; lexicon is run by a provider. The
  # vendors' own clients are run against the fakes of their vendors, octodns beside the agent at one zone.
  packages=('ministack==1.5.33' 'pyyaml>=6' 'dns-lexicon==3.25.2' 'azure-mgmt-dns==8.1.0' 'google-cloud-dns==0.37.2' 'octodns==1.22.0' 'octodns-bind==1.1.0')
  modules='yaml, azure.mgmt.dns, google.cloud.dns, octodns, octodns_bind'
  if ! { [ -x "$tools/bin/ministack" ] && [ -x "$tools/bin/lexicon" ] && "$tools/bin/python3" -c "import $modules" 2>/dev/null; }; then
    echo "installing the mock of Route 53, lexicon, octodns and vendors' clients into $tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
  fi
  # Clients that others wrote, which the stand-ins of vendors have to agree with.
  if ! "$tools/bin/python3" -c 'import octodns_ns1, octodns_ultra, octodns_ovh, octodns_edgedns, bluecat_libraries' 2>/dev/null; then
    echo "installing clients of DNS vendors into $tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check 'octodns==1.22.0' 'octodns-constellix==1.0.1' 'octodns-digitalocean==1.0.1' \
      'octodns-dnsmadeeasy==1.0.1' 'octodns-edgedns==1.1.0' 'octodns-ns1==1.0.2' 'octodns-ovh==1.2.0' 'octodns-ultra==1.1.3' 'bluecat-libraries==26.1.0'
  fi
fi
