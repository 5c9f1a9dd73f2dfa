# Sourced by the testbed's scripts: functions, and what they read of the environment.
# shellcheck shell=bash
set -euo pipefail

BASE=${JOBMEND_TESTBED:-${TMPDIR:-/tmp}/jobmend-testbed}
USERS=${JOBMEND_TEST_USERS:-tester:20001 tester2:20002} # name:uid, made when missing
STARTED=$EPOCHREALTIME

# stdout is for the caller's eval: everything else goes to stderr.
log() {
  local micros=$((${EPOCHREALTIME/./} - ${STARTED/./}))
  printf '[%3d.%d s] %s\n' $((micros / 1000000)) $((micros % 1000000 / 100000)) "$*" >&2
}
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}
quoted() { # name, value: a line for the caller's eval
  printf 'export %s=%q\n' "$1" "$2"
}

need_root() { [ "$(id -u)" = 0 ] || die "must run as root"; }

# One up or down at a time. Daemons are started with 9>&-, so that none inherits the lock.
lock() { # directory
  mkdir -p "$1"
  exec 9>"$1.lock"
  flock -w 300 9 || die "another run holds $1.lock"
}

wait_for() { # seconds, command...
  local tries=$(($1 * 10))
  shift
  for ((; tries > 0; tries--)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  log "gave up waiting for: $*"
  return 1
}

# ---- daemons -------------------------------------------------------------------------------------

# A pid file is believed only while the process names our directory in its arguments or environment.
is_ours() { # pid file, directory
  local pid
  [ -s "$1" ] && pid=$(<"$1") && [ -d "/proc/$pid" ] || return 1
  # Not grep -q: it ends at the first match, and under pipefail the writer's SIGPIPE would count.
  cat "/proc/$pid/cmdline" "/proc/$pid/environ" 2>/dev/null | tr '\0' '\n' |
    grep -F -- "$2/" >/dev/null
}

is_gone() { # pid; a zombie is gone too: its parent may never reap it
  [ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

stop() { # pid file, directory
  local pid
  if is_ours "$1" "$2"; then
    pid=$(<"$1")
    kill -TERM "$pid" 2>/dev/null || true
    wait_for 10 is_gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$1"
}

# The first of some free TCP ports in a row on the loopback, kept so that a second up uses the same.
free_ports() { # file, count
  local base i
  if [ -s "$1" ]; then
    cat "$1"
    return
  fi
  for _ in $(seq 200); do
    base=$((20000 + RANDOM % 190 * 60))
    # Nobody listens yet where another is just about to: who wants one takes it behind the fifty.
    [ "$2" -gt 1 ] || base=$((base + 50 + RANDOM % 10))
    for ((i = 0; i < $2; i++)); do
      if (exec 3<>"/dev/tcp/127.0.0.1/$((base + i))") 2>/dev/null; then continue 2; fi
    done
    echo "$base" | tee "$1"
    return
  done
  die "no $2 free ports in a row"
}

# ---- users, packages, cgroups --------------------------------------------------------------------

make_users() {
  local entry
  for entry in $USERS; do
    id "${entry%%:*}" >/dev/null 2>&1 || useradd -m -u "${entry##*:}" -s /bin/bash "${entry%%:*}"
  done
}
first_user() { echo "${USERS%%:*}"; }

# Daemons and jobs are not root: they must be able to enter the state directory.
enterable() { # directory, user
  setpriv --reuid="$2" --regid="$2" --clear-groups test -x "$1" ||
    die "user $2 cannot enter $1: set JOBMEND_TESTBED to a directory that others may enter"
}

# Are all of them installed? A removed package may have left its configuration: that does not count.
installed() { # packages...
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || return 1
  done
}

SLURM_PACKAGES=(slurmctld slurmd slurmdbd slurm-client slurm-wlm-basic-plugins
  slurm-wlm-mysql-plugin munge mariadb-server)
SLURM_REST_PACKAGES=(slurmrestd slurm-wlm-jwt-plugin)

# Install what is missing, without letting the packages start their own daemons. One at a time on a
# machine: apt-get does not wait for another's lock of the package lists.
install_packages() ( # packages...
  policy=/usr/sbin/policy-rc.d made=''
  ! installed "$@" || exit 0
  command -v apt-get >/dev/null || die "no apt-get here to install: $*"
  exec 8>/run/jobmend-testbed-packages.lock
  flock -w 240 8 || die "another testbed has been installing packages for four minutes"
  ! installed "$@" || exit 0
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    made=1
  fi
  trap '[ -z "$made" ] || rm -f $policy' EXIT
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends \
    -o DPkg::Lock::Timeout=240 "$@"; } >&2 8>&- 9>&- || die "apt-get failed for: $*"
)

# Kill what is left in cgroups of ours and remove them, children first.
remove_cgroups() { # directories...
  local tree
  for tree in "$@"; do
    [ ! -d "$tree" ] || wait_for 5 emptied "$tree" || log "$tree is still there"
  done
}
emptied() { # directory
  local file pid
  while IFS= read -r file; do
    while IFS= read -r pid; do kill -KILL "$pid" || true; done <"$file"
  done < <(find "$1" -name cgroup.procs)
  find "$1" -depth -type d -exec rmdir {} + || true
  [ ! -d "$1" ]
}
