# `run`: limits and namespaces.
# The form of a case: see prelude.bash.

## run-pids-limit
hand() { $E run --rm --pids-limit 8 $IMG sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait' 2>&1 | grep -ciE "fork.*(Resource|again)|can.t fork" | sed 's/[1-9][0-9]*/forks refused/'; }

## run-pids-limit-file
hand() { $E run --rm --pids-limit 100 $IMG cat /sys/fs/cgroup/pids/pids.max; }

## run-memory-felt
hand() { $E run --rm -m 32m $IMG dd if=/dev/zero of=/dev/null bs=128M count=1 2>/dev/null; }

## run-memory-file
hand() { $E run --rm --memory 64m $IMG cat /sys/fs/cgroup/memory/memory.limit_in_bytes; }

## run-memory-inspect
setup() { $E create --name $N -m 64m --memory-reservation 32m $IMG true; }
hand() { $E inspect --format '{{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}}' $N; }

## run-memory-bad
hand() { $E run --rm -m lots $IMG true; }

## run-cpus
hand() { $E run --rm --cpus 0.5 $IMG sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us'; }

## run-cpu-shares
hand() { $E run --rm --cpu-shares 512 $IMG cat /sys/fs/cgroup/cpu/cpu.shares; }

## run-cpuset
hand() { $E run --rm --cpuset-cpus 0 $IMG grep Cpus_allowed_list /proc/self/status; }

## run-ulimit
hand() { $E run --rm --ulimit nofile=100:200 --ulimit core=0 $IMG sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c'; }

## run-ulimit-bad
hand() { $E run --rm --ulimit nosuch=1 $IMG true; }

## run-shm-size
hand() { $E run --rm --shm-size 8m $IMG sh -c 'df -k /dev/shm | tail -1'; }
filter() { awk '{ print $2 }'; }

## run-sysctl
hand() { $E run --rm --network none --sysctl net.ipv4.ip_unprivileged_port_start=80 --sysctl kernel.msgmax=4096 $IMG cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax; }

## run-sysctl-not-namespaced
hand() { $E run --rm --sysctl vm.swappiness=1 $IMG true; }

## run-oom-score-adj
hand() { $E run --rm --oom-score-adj 500 $IMG cat /proc/self/oom_score_adj; }

## run-blkio-weight-bad
hand() { $E run --rm --blkio-weight 5 $IMG true; }

## run-network-none
hand() { $E run --rm --network none $IMG ls /sys/class/net; }

## run-network-host
hand() { $E run --rm --network host $IMG readlink /proc/self/ns/net; }
filter() { grep -qxF "$(readlink /proc/self/ns/net)" && echo the network of the host; }

## run-net-spelling
hand() { $E run --rm --net=none $IMG sh -c 'ls /sys/class/net | grep -v lo | wc -l'; }

## run-pid-own
hand() { $E run --rm $IMG sh -c 'echo $$'; }

## run-pid-host
hand() { $E run --rm --pid host $IMG sh -c 'test $$ -gt 1 && echo not first'; }

## run-pid-of-container
setup() { $E run -d --name $N-a $IMG sleep 1000; }
hand() { $E run --rm --pid container:$N-a $IMG ps -o comm; }
filter() { grep -c sleep; }
teardown() { $E rm -f $N-a; }

## run-ipc-host
hand() { $E run --rm --ipc=host $IMG readlink /proc/self/ns/ipc; }
filter() { grep -qxF "$(readlink /proc/self/ns/ipc)" && echo the ipc of the host; }

## run-uts-host
hand() { $E run --rm --uts=host $IMG hostname; }
filter() { grep -qxF "$(hostname)" && echo the name of the host; }

## run-cgroupns-private
hand() { $E run --rm --cgroupns=private $IMG cat /proc/self/cgroup; }
filter() { grep ':memory:' | cut -d: -f3; }

## run-userns-host
hand() { $E run --rm --userns=host $IMG cat /proc/self/uid_map; }
filter() { awk '{ print $1, $2, $3 }'; }

## run-uidmap
# as: podman
hand() { $E run --rm --uidmap 0:200000:1000 --gidmap 0:200000:1000 $IMG cat /proc/self/uid_map; }
filter() { awk '{ print $1, $2, $3 }'; }
