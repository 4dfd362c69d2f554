#!/bin/bash
# run_ceph.sh FOLDER PORT ACCESS SECRET: radosgw on 127.0.0.1:PORT from what get_ceph.sh unpacked, with an empty
# store in memory. It is ready when FOLDER/root/cephrun/ready is there; a SIGTERM ends all of it. Needs root.
# It also listens on the two ports after PORT.
set -euo pipefail
root=$1/root
shift
rm -rf "$root/cephrun"
cat >"$root/inside.sh" <<'INSIDE'
set -eu
port=$1 access=$2 secret=$3
place=/cephrun
mkdir -p $place/{mon,osd,rgw,out}
monitor="[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]"
fsid=$(cat /proc/sys/kernel/random/uuid)
# Without a pause between decisions of the single monitor it is ready in 3 s instead of 14, and without Nagle's
# waiting a small answer comes at once.
cat >$place/ceph.conf <<CONF
[global]
fsid = $fsid
mon host = $monitor
public addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
run dir = $place/out
admin socket = $place/out/\$name.asok
log file = $place/out/\$name.log
keyring = $place/keyring
[mon.a]
mon data = $place/mon
mon initial members = a
mon data avail crit = 1
paxos propose interval = 0.05
paxos min wait = 0.01
mon cluster log file = $place/out/cluster.log
[osd.0]
osd data = $place/osd
osd objectstore = memstore
memstore device bytes = 2147483648
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw data = $place/rgw
rgw thread pool size = 32
rgw dynamic resharding = false
rgw run sync thread = false
CONF
conf="-c $place/ceph.conf"
keys=$place/keyring
ceph-authtool --create-keyring $keys --gen-key -n mon. --cap mon 'allow *' >/dev/null
for name in client.admin osd.0 client.rgw; do
    ceph-authtool $keys --gen-key -n $name --cap mon 'allow *' --cap osd 'allow *' >/dev/null
done
monmaptool --create --fsid $fsid --addv a "$monitor" $place/monmap >/dev/null
ceph-mon $conf -i a --mkfs --monmap $place/monmap --keyring $keys
MON= OSD= RGW=
# SIGKILL, as radosgw would wait for a monitor that has ended.
trap 'kill -9 $RGW $OSD $MON 2>/dev/null; wait; exit 0' EXIT TERM INT
ceph-mon $conf -i a -f & MON=$!
until ceph $conf --connect-timeout 5 -s >/dev/null 2>&1; do kill -0 $MON; sleep .1; done
uuid=$(cat /proc/sys/kernel/random/uuid)
ceph $conf osd new $uuid >/dev/null
ceph-osd $conf -i 0 --mkfs --osd-uuid $uuid
ceph-osd $conf -i 0 -f & OSD=$!
until ceph $conf osd stat 2>/dev/null | grep -q '1 up'; do kill -0 $OSD; sleep .1; done
radosgw $conf -n client.rgw -f & RGW=$!
until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do kill -0 $RGW; sleep .1; done
radosgw-admin $conf user create --uid=t --display-name=t --access-key=$access --secret-key=$secret \
    >$place/out/user.json
touch $place/ready
wait
INSIDE
export ROOT=$root
exec unshare -m --propagation private sh -c '
    mount --bind /dev "$ROOT/dev" && mount -t proc proc "$ROOT/proc" && mount -t tmpfs tmpfs "$ROOT/tmp" &&
    exec chroot "$ROOT" /bin/bash /inside.sh "$@"' sh "$@"
