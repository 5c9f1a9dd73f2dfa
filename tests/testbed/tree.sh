# Sourced after common.sh: a Debian tree of another release, built from this machine's archive.
# shellcheck shell=bash

# The archive that this machine's own packages come from: a mirror nearby, or the only one reachable.
mirror() {
  local codename found
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  found=$({
    sed -En "s/^deb +(\[[^]]*\] +)?([^ ]+) +$codename +.*/\2/p" \
      /etc/apt/sources.list /etc/apt/sources.list.d/*.list
    awk -v suite="$codename" '
      FNR == 1 || /^[ \t]*$/ { uri = "" }
      /^URIs:/ { uri = $2 }
      /^Suites:/ && uri { for (i = 2; i <= NF; i++) if ($i == suite) print uri }' \
      /etc/apt/sources.list.d/*.sources
  } 2>/dev/null || true)
  [ -n "$found" ] || die "the apt sources name no archive for $codename: set JOBMEND_MIRROR"
  echo "${found%%$'\n'*}"
}

in_tree() { # directory, log, shell command; /proc is there for it and gone afterwards
  TREE=$1 COMMAND=$3 unshare --mount --propagation private bash -c '
    mount -t proc proc "$TREE/proc"
    exec chroot "$TREE" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      DEBIAN_FRONTEND=noninteractive sh -c "$COMMAND"' >>"$2" 2>&1 9>&- || die "failed, see $2"
}

make_tree() { # suite, directory, log, packages...
  local suite=$1 tree=$2 out=$3 archive proxy script=$1
  shift 3
  install_packages debootstrap
  archive=${JOBMEND_MIRROR:-$(mirror)}
  # An older debootstrap knows the newer suite by no name; the way to build it is that of sid.
  [ -e "/usr/share/debootstrap/scripts/$script" ] || script=sid
  rm -rf "$tree"
  debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$suite" "$tree" "$archive" "$script" >"$out" 2>&1 9>&- || die "debootstrap failed, see $out"
  printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d" # packages start no daemons
  chmod 755 "$tree/usr/sbin/policy-rc.d"
  cp -L /etc/resolv.conf "$tree/etc/"
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  [ -z "${proxy:-}" ] || echo "Acquire::http::Proxy \"$proxy\";" >"$tree/etc/apt/apt.conf.d/90proxy"
  # A frozen archive is past its date: that check alone is left out, signatures are verified.
  in_tree "$tree" "$out" "apt-get -o Acquire::Check-Valid-Until=false update -qq &&
    apt-get install -y -qq --no-install-recommends $*"
}
