#!/bin/bash
# Holds a copy of this machine for as long as stdin is open: machine.sh FOLDER RPMS PYTHON STAND-IN
# Run under `unshare --mount --net`: all mounts go with this process. FOLDER/root becomes the copy,
# an overlay whose changes are kept in memory; in it /mnt/rpms and /mnt/stand-in are the RPMs, and
# python3 is a copy of PYTHON with what EL 9 packages for it and nothing else.
set -euo pipefail
folder=$1 rpms=$2 python=$3 stand_in=$4
root=$folder/root

mkdir "$folder/memory" "$root"
mount -t tmpfs -o mode=755 tmpfs "$folder/memory"
mkdir "$folder/memory/upper" "$folder/memory/work"
mount -t overlay overlay "$root" \
  -o "lowerdir=/,upperdir=$folder/memory/upper,workdir=$folder/memory/work"
for directory in proc sys dev; do mount --rbind "/$directory" "$root/$directory"; done
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/mnt"
mkdir "$root/mnt/rpms" "$root/mnt/stand-in"
mount --bind "$rpms" "$root/mnt/rpms"
mount --bind "$stand_in" "$root/mnt/stand-in"
ip link set lo up

# The interpreter lies where its user put it, which may be in root's home.
base=$(readlink -f "$python")
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
mkdir "$root/opt/python" "$root/opt/python/lib"
for name in psutil tomli yaml _yaml bcrypt; do
  [ ! -e "$packages/$name" ] || cp -r "$packages/$name" "$root/opt/python/lib/"
done
chroot "$root" "$base" -m venv --without-pip /opt/python/venv
echo /opt/python/lib >"$(echo "$root"/opt/python/venv/lib/python3*/site-packages)/node.pth"
rm "$root/usr/bin/python3"
printf '#!/bin/sh\nexec /opt/python/venv/bin/python "$@"\n' >"$root/usr/bin/python3"
chmod 755 "$root/usr/bin/python3"
above=$(dirname "$(readlink -f "$base")")
while [ "$above" != / ]; do
  chmod o+rx "$root$above" # in memory: the folders themselves stay as they are
  above=$(dirname "$above")
done

# The pid that answers is the one whose namespaces are entered: no exec after this line.
echo up
read -r || true
