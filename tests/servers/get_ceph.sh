#!/bin/bash
# get_ceph.sh FOLDER [SUITE]: Ceph's monitor, OSD and radosgw of a Debian suite, unpacked into FOLDER/root.
# Nothing is installed into the system: the packages are fetched with lists of their own and only unpacked.
# About 160 MB to fetch and 540 MB on the disk. Needs apt, dpkg-deb and the right to write to FOLDER.
set -euo pipefail
folder=$1
suite=${2:-forky}
root=$folder/root
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$root"/usr/{bin,sbin,lib,lib64}
for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$root/$name"; done

mirror=$({ cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true; } |
    awk '/^(URIs:|deb )/ && !url {for (i = 2; i <= NF; i++) if ($i ~ /^[a-z+]+:/) {url = $i; break}}
        END {print url}')
echo "deb $mirror $suite main" >"$folder/sources.list"
options=(-qq
    -o "Dir::Etc::sourcelist=$folder/sources.list" -o "Dir::Etc::sourceparts=/dev/null"
    -o "Dir::Etc::preferencesparts=/dev/null" -o "Dir::State::Lists=$folder/lists"
    -o "Dir::Cache=$folder/cache" -o "Dir::State::status=/dev/null" -o "APT::Sandbox::User=root")
apt-get "${options[@]}" update
apt-get "${options[@]}" install -y --no-install-recommends --download-only \
    radosgw ceph-mon ceph-osd bash coreutils grep libc-bin bc mawk base-files >/dev/null
for package in "$folder"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
done
rm -rf "$folder/cache" "$folder/lists"
mkdir -p "$root"/{dev,proc,tmp,run}
