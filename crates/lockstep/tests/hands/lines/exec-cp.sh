# `exec` and `cp`.
# The form of a case: see prelude.bash.

## exec
setup() { up; }
hand() { $E exec $N echo inside; }

## exec-exit-code
setup() { up; }
hand() { $E exec $N sh -c 'exit 9'; }

## exec-stdin
setup() { up; }
hand() { echo 'echo from stdin' | $E exec -i $N sh; }

## exec-tty
setup() { up; }
hand() { script -qec "$E exec -it $N sh -c 'test -t 0 && echo terminal'" /dev/null </dev/null; }
filter() { grep -ao terminal; }

## exec-user-workdir-env
setup() { up; }
hand() { $E exec -u app -w /tmp -e WORD=given $N sh -c 'id -un; pwd; echo $WORD $HANDS'; }

## exec-env-file
setup() { up; echo WORD=filed > "$W/env"; }
hand() { $E exec --env-file "$W/env" $N sh -c 'echo $WORD'; }

## exec-detach
setup() { up; }
hand() { $E exec -d $N sh -c 'echo done > /tmp/flag'; }
after() { for i in $(seq 50); do $E exec $N cat /tmp/flag 2>/dev/null && break; sleep 0.1; done; }

## exec-privileged
setup() { up; }
hand() { $E exec --privileged $N sh -c 'mount -t tmpfs none /mnt && echo mounted'; }

## exec-inherits-restrictions
setup() { $E run -d --name $N --cap-drop ALL --security-opt no-new-privileges -u 1000 $IMG sleep 1000; }
hand() { $E exec $N sh -c 'id -u; grep -E "^(CapBnd|CapEff|NoNewPrivs)" /proc/self/status'; }

## exec-command-not-found
setup() { up; }
hand() { $E exec $N nosuchprogram; }

## exec-container-stopped
setup() { $E create --name $N $IMG true; }
hand() { $E exec $N true; }

## exec-container-missing
hand() { $E exec hands-nosuch true; }

## exec-by-id-prefix
setup() { up; }
hand() { $E exec $($E ps -q --filter name=$N) echo by id; }

## cp-in
setup() { up; echo payload > "$W/f"; }
hand() { $E cp "$W/f" $N:/tmp/; }
after() { $E exec $N sh -c 'cat /tmp/f; stat -c %u:%g /tmp/f'; }

## cp-out
setup() { up; }
hand() { $E cp $N:/srv/index.html "$W/out"; }
after() { cat "$W/out"; stat -c %u:%g "$W/out"; }

## cp-directory
setup() { up; mkdir -p "$W/d/sub"; echo deep > "$W/d/sub/f"; }
hand() { $E cp "$W/d/." $N:/opt; }
after() { $E exec $N cat /opt/sub/f; }

## cp-directory-named
setup() { up; mkdir -p "$W/d/sub"; echo deep > "$W/d/sub/f"; }
hand() { $E cp "$W/d" $N:/opt; }
after() { $E exec $N cat /opt/d/sub/f; }

## cp-to-stopped
setup() { $E create --name $N $IMG cat /tmp/f; echo before start > "$W/f"; }
hand() { $E cp "$W/f" $N:/tmp/f; }
after() { $E start -a $N; }

## cp-stdout-tar
setup() { up; }
hand() { $E cp $N:/srv - | tar -tf - | sort; }

## cp-stdin-tar
setup() { up; mkdir "$W/d"; echo tarred > "$W/d/f"; }
hand() { tar -C "$W/d" -cf - . | $E cp - $N:/tmp; }
after() { $E exec $N cat /tmp/f; }

## cp-archive-owner
# as: docker
setup() { up; echo x > "$W/f"; chown 1000:2000 "$W/f"; }
hand() { $E cp -a "$W/f" $N:/tmp/f; }
after() { $E exec $N stat -c %u:%g /tmp/f; }

## cp-missing
setup() { up; }
hand() { $E cp $N:/no/such/file "$W/out"; }

## cp-parent-missing
setup() { up; echo x > "$W/f"; }
hand() { $E cp "$W/f" $N:/no/such/dir/f; }

## cp-follow-link
setup() { up; $E exec $N ln -s /srv/index.html /tmp/link; }
hand() { $E cp -L $N:/tmp/link "$W/out"; }
after() { stat -c %F "$W/out"; }
