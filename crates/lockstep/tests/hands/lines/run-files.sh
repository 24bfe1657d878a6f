# `run`: root file system, volumes, mounts, devices.
# The form of a case: see prelude.bash.

## run-read-only
hand() { $E run --rm --read-only $IMG sh -c 'touch /file 2>/dev/null; echo $?; touch /dev/shm/f; echo $?'; }

## run-read-only-tmpfs
hand() { $E run --rm --read-only --tmpfs /tmp $IMG sh -c 'touch /tmp/f && echo written; touch /etc/f 2>/dev/null || echo refused'; }

## run-read-only-tmpfs-off
# as: podman
hand() { $E run --rm --read-only --read-only-tmpfs=false $IMG sh -c 'touch /tmp/f 2>/dev/null || echo refused'; }

## run-tmpfs
hand() { $E run --rm --tmpfs /t:rw,size=1m,mode=1777,noexec $IMG sh -c 'grep " /t " /proc/mounts; stat -c %a /t; head -c 2000000 /dev/zero > /t/f || stat -c %s /t/f'; }
filter() { sed -E '/tmpfs/s/.*(nosuid|nodev|noexec).*/tmpfs mounted/'; }

## run-volume-read-only
setup() { mkdir "$W/d"; echo data > "$W/d/f"; chmod -R a+rX "$W/d"; }
hand() { $E run --rm -v "$W/d":/d:ro $IMG sh -c 'cat /d/f; touch /d/g 2>/dev/null || echo refused'; }

## run-volume-write
setup() { mkdir -m 777 "$W/d"; }
hand() { $E run --rm -v "$W/d":/d $IMG sh -c 'echo written > /d/f'; }
after() { cat "$W/d/f"; stat -c %u:%g "$W/d/f"; }

## run-volume-write-as-user
setup() { mkdir "$W/d"; chown 1000:1000 "$W/d"; }
hand() { $E run --rm -u 1000:1000 -v "$W/d":/d $IMG sh -c 'echo written > /d/f; stat -c %u:%g /d/f'; }
after() { stat -c %u:%g "$W/d/f"; }

## run-volume-owner-seen-inside
setup() { mkdir "$W/d"; touch "$W/d/root" "$W/d/user"; chown 1000:1000 "$W/d/user"; }
hand() { $E run --rm -v "$W/d":/d $IMG stat -c '%n %u:%g' /d/root /d/user; }

## run-volume-file
setup() { echo '127.0.0.9 mine' > "$W/hosts"; chmod 644 "$W/hosts"; }
hand() { $E run --rm -v "$W/hosts":/etc/hosts:ro $IMG cat /etc/hosts; }

## run-volume-file-over-missing
setup() { echo conf > "$W/conf"; chmod 644 "$W/conf"; }
hand() { $E run --rm --volume "$W/conf":/opt/app/app.conf $IMG cat /opt/app/app.conf; }

## run-volume-source-missing
# as: podman
hand() { $E run --rm -v "$W/absent":/d $IMG ls /d; }

## run-volume-source-made
# as: docker
hand() { $E run --rm -v "$W/absent":/d $IMG ls -d /d; }

## run-volume-options
# as: podman
setup() { mkdir "$W/d"; }
hand() { $E run --rm -v "$W/d":/d:ro,z,nosuid,nodev,noexec $IMG grep ' /d ' /proc/mounts; }
filter() { grep -oE '\b(ro|nosuid|nodev|noexec)\b' | sort -u; }

## run-volume-chown
# as: podman
setup() { mkdir "$W/d"; touch "$W/d/f"; }
hand() { $E run --rm -u 1000 -v "$W/d":/d:U $IMG sh -c 'echo more >> /d/f && echo written'; }

## run-volume-overlay
# as: podman
setup() { mkdir "$W/d"; echo lower > "$W/d/f"; chmod -R a+rwX "$W/d"; }
hand() { $E run --rm -v "$W/d":/d:O $IMG sh -c 'echo upper > /d/f; cat /d/f'; }
after() { cat "$W/d/f"; }

## run-volume-named
setup() { $E run --rm -v hands-data:/data $IMG sh -c 'echo kept > /data/f'; }
hand() { $E run --rm -v hands-data:/data $IMG cat /data/f; }
teardown() { $E volume rm hands-data; }

## run-volume-named-copies-image
hand() { $E run --rm -v hands-copy:/srv $IMG cat /srv/index.html; }
teardown() { $E volume rm hands-copy; }

## run-volume-named-read-only
setup() { $E volume create hands-ro; }
hand() { $E run --rm -v hands-ro:/data:ro $IMG sh -c 'touch /data/f 2>/dev/null || echo refused'; }
teardown() { $E volume rm hands-ro; }

## run-volume-anonymous
hand() { $E run --rm -v /scratch $IMG sh -c 'grep -c " /scratch " /proc/mounts'; }

## run-volume-target-relative
hand() { $E run --rm -v "$W":relative $IMG true; }

## run-volumes-from
setup() { $E create --name $N-a -v /shared $IMG true; $E run --rm --volumes-from $N-a $IMG sh -c 'echo passed > /shared/f'; }
hand() { $E run --rm --volumes-from $N-a:ro $IMG cat /shared/f; }
teardown() { $E rm -f -v $N-a; }

## run-mount-bind
setup() { mkdir "$W/d"; echo data > "$W/d/f"; }
hand() { $E run --rm --mount type=bind,source="$W/d",target=/d,readonly $IMG sh -c 'cat /d/f; touch /d/g 2>/dev/null || echo refused'; }

## run-mount-bind-missing
hand() { $E run --rm --mount type=bind,src="$W/absent",dst=/d $IMG true; }

## run-mount-tmpfs
hand() { $E run --rm --mount type=tmpfs,destination=/t,tmpfs-size=1048576,tmpfs-mode=0700 $IMG sh -c 'stat -c %a /t; df -k /t | tail -1'; }
filter() { awk 'NF > 1 { print $2; next } { print }'; }

## run-mount-volume
setup() { $E volume create hands-mv; }
hand() { $E run --rm --mount type=volume,source=hands-mv,target=/d $IMG sh -c 'touch /d/f && ls /d'; }
teardown() { $E volume rm hands-mv; }

## run-mount-image
# as: podman
hand() { $E run --rm --mount type=image,source=$APP,destination=/app $IMG ls /app/bin/busybox; }

## run-device
hand() { $E run --rm --device /dev/null:/dev/hands $IMG sh -c 'test -c /dev/hands && echo x > /dev/hands && echo written'; }

## run-device-read-only
hand() { $E run --rm --device /dev/zero:/dev/hands:r $IMG sh -c 'head -c 4 /dev/hands | wc -c; echo x > /dev/hands'; }

## run-device-missing
hand() { $E run --rm --device /dev/nosuchdevice $IMG true; }

## run-device-list
hand() { $E run --rm $IMG ls /dev; }

## run-device-cgroup-rule
hand() { $E run --rm --cap-add MKNOD --device-cgroup-rule 'c 10:229 rwm' $IMG sh -c 'mknod /tmp/f c 10 229 && : </tmp/f && echo opened'; }

## run-secret
# as: podman
setup() { printf hush | $E secret create hands-secret -; }
hand() { $E run --rm --secret hands-secret --secret hands-secret,type=env,target=KEY $IMG sh -c 'cat /run/secrets/hands-secret; echo " $KEY"; stat -c %a /run/secrets/hands-secret'; }
teardown() { $E secret rm hands-secret; }

## run-rootfs
# as: podman
hand() { $E run --rm --rootfs $ROOTFS cat /srv/index.html; }
