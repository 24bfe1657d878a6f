# `run`: who the program is and what it may do.
# The form of a case: see prelude.bash.

## run-user-number
hand() { $E run --rm -u 1000 $IMG id; }

## run-user-name
hand() { $E run --rm --user nobody $IMG id; }

## run-user-group
hand() { $E run --rm -u 1000:2000 $IMG sh -c 'id; touch /tmp/f; stat -c %u:%g /tmp/f'; }

## run-user-unknown
hand() { $E run --rm -u nosuchuser $IMG id; }

## run-user-default
hand() { $E run --rm $IMG id -u; }

## run-user-home
hand() { $E run --rm -u app $IMG sh -c 'echo $HOME'; }

## run-group-add
hand() { $E run --rm -u app --group-add 3000 --group-add audio $IMG id; }

## run-caps-default
hand() { $E run --rm $IMG grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status; }

## run-caps-of-user
hand() { $E run --rm -u 1000 $IMG grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status; }

## run-cap-drop-all
hand() { $E run --rm --cap-drop ALL $IMG grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status; }

## run-cap-drop-add
hand() { $E run --rm --cap-drop=all --cap-add=chown --cap-add=CAP_NET_BIND_SERVICE $IMG grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status; }

## run-cap-add
hand() { $E run --rm --cap-add NET_ADMIN --network none $IMG sh -c 'ip link set lo up && ip -o link show lo | grep -c UP'; }

## run-cap-add-unknown
hand() { $E run --rm --cap-add NOSUCHCAP $IMG true; }

## run-privileged
hand() { $E run --rm --privileged $IMG sh -c 'mkdir -p /mnt/t && mount -t tmpfs none /mnt/t && echo mounted'; }

## run-privileged-devices
hand() { $E run --rm --privileged $IMG sh -c 'test -c /dev/kmsg && echo kmsg'; }

## run-no-new-privileges
hand() { $E run --rm --security-opt no-new-privileges $IMG grep NoNewPrivs /proc/self/status; }

## run-no-new-privileges-off
hand() { $E run --rm --security-opt no-new-privileges=false $IMG grep NoNewPrivs /proc/self/status; }

## run-no-new-privileges-default
hand() { $E run --rm $IMG grep NoNewPrivs /proc/self/status; }

## run-seccomp-default
hand() { $E run --rm $IMG grep Seccomp: /proc/self/status; }

## run-seccomp-unconfined
hand() { $E run --rm --security-opt seccomp=unconfined $IMG grep Seccomp: /proc/self/status; }

## run-seccomp-file
setup() {
    printf '%s' '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' > "$W/p.json"
}
hand() { $E run --rm --security-opt seccomp="$W/p.json" $IMG mkdir /tmp/denied 2>&1; }

## run-seccomp-file-missing
hand() { $E run --rm --security-opt seccomp=/no/such/profile.json $IMG true; }

## run-security-opt-unknown
hand() { $E run --rm --security-opt nosuch=thing $IMG true; }

## run-label-disable
hand() { $E run --rm --security-opt label=disable $IMG echo ok; }

## run-apparmor-unconfined
hand() { $E run --rm --security-opt apparmor=unconfined $IMG echo ok; }

## run-masked-paths
hand() { $E run --rm $IMG sh -c 'for p in /proc/kcore /proc/timer_list /proc/keys; do wc -c < $p; done; ls /sys/firmware | wc -l'; }

## run-proc-sys-read-only
hand() { $E run --rm $IMG sh -c 'echo x > /proc/sys/kernel/domainname'; }

## run-systempaths-unconfined
# as: docker
hand() { $E run --rm --security-opt systempaths=unconfined $IMG sh -c 'head -c 1 /proc/timer_list | wc -c'; }

## run-mask
# as: podman
hand() { $E run --rm --security-opt mask=/proc/uptime:/proc/loadavg $IMG sh -c 'cat /proc/uptime /proc/loadavg | wc -c'; }

## run-unmask
# as: podman
hand() { $E run --rm --security-opt unmask=ALL $IMG sh -c 'head -c 1 /proc/timer_list | wc -c'; }

## run-proc-opts
# as: podman
hand() { $E run --rm --security-opt proc-opts=hidepid=2 $IMG grep ' /proc ' /proc/mounts; }
filter() { grep -o hidepid=[a-z0-9]*; }

## run-mount-denied
hand() { $E run --rm $IMG mount -t tmpfs none /mnt; }

## run-chown
hand() { $E run --rm $IMG sh -c 'touch /tmp/f && chown 1000:1000 /tmp/f && stat -c %u:%g /tmp/f'; }

## run-su
hand() { $E run --rm $IMG su -s /bin/sh -c 'id -un' app; }

## run-chroot
hand() { $E run --rm $IMG chroot / echo inside; }

## run-bind-low-port
hand() { $E run --rm --network none $IMG sh -c 'ifconfig lo 127.0.0.1 2>/dev/null; timeout 1 nc -l -p 80 2>&1; echo $?'; }

## run-mknod
hand() { $E run --rm $IMG sh -c 'mknod /tmp/n c 1 3 2>/dev/null; echo $?'; }

## run-umask
# as: podman
hand() { $E run --rm --umask 0077 $IMG sh -c 'umask; touch /tmp/f; stat -c %a /tmp/f'; }
