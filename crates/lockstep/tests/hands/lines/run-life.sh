# `run`: names, labels, the end of a container, what follows it.
# The form of a case: see prelude.bash.

## run-rm-removes
setup() { $E run --rm --name $N $IMG true; }
hand() { $E ps -a -q --filter name=$N; }

## run-name-taken
setup() { $E create --name $N $IMG true; }
hand() { $E run --rm --name $N $IMG true; }

## run-name-bad
hand() { $E run --rm --name 'no spaces' $IMG true; }

## run-detach
hand() { $E run -d --name $N $IMG sleep 1000; }

## run-detach-command-not-found
hand() { $E run -d --name $N $IMG nosuchprogram; }

## run-cidfile
hand() { $E run --rm --cidfile "$W/cid" $IMG true; }
after() { wc -c < "$W/cid"; }

## run-cidfile-exists
setup() { touch "$W/cid"; }
hand() { $E run --rm --cidfile "$W/cid" $IMG true; }

## run-label
setup() { printf 'from=file\n# no\nempty\n' > "$W/labels"; $E create --name $N -l tier=web --label team --label-file "$W/labels" $IMG true; }
hand() { $E inspect -f '{{ index .Config.Labels "tier" }}/{{ index .Config.Labels "team" }}/{{ index .Config.Labels "from" }}' $N; }

## run-stop-signal
setup() { $E run -d --name $N --stop-signal INT $IMG sh -c 'trap "echo got INT; exit 5" INT; echo ready; while :; do sleep 0.1; done'; wait_log ready; }
hand() { $E stop $N; }
after() { $E logs $N; $E inspect -f '{{.State.ExitCode}}' $N; }

## run-stop-timeout
setup() { $E run -d --name $N --stop-timeout 1 $IMG sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'; wait_log ready; }
hand() { $E stop $N; }
after() { $E inspect -f '{{.State.ExitCode}}' $N; }

## run-timeout
# as: podman
hand() { $E run --rm --timeout 2 $IMG sleep 1000; }

## run-restart-on-failure
setup() { $E run -d --name $N --restart on-failure:2 $IMG sh -c 'echo again; exit 7'; }
hand() { for i in $(seq 100); do [ "$($E logs $N 2>/dev/null | wc -l)" -ge 3 ] && break; sleep 0.1; done; sleep 1; $E logs $N; }

## run-restart-with-rm
hand() { $E run --rm --restart always $IMG true; }

## run-health
# as: docker
setup() {
    $E run -d --name $N --health-cmd 'test -f /tmp/up' --health-interval 1s --health-retries 1 $IMG sleep 1000
    $E exec $N touch /tmp/up
    for i in $(seq 100); do case $($E inspect -f '{{.State.Health.Status}}' $N) in healthy) break ;; esac; sleep 0.1; done
}
hand() { $E inspect -f '{{.State.Health.Status}}' $N; }

## run-health-by-hand
# as: podman
setup() { $E run -d --name $N --health-cmd 'test -f /tmp/up' --health-interval disable $IMG sleep 1000; }
hand() { $E healthcheck run $N; }

## run-log-driver-none
setup() { $E run --name $N --log-driver none $IMG echo unseen; }
hand() { $E logs $N; }

## run-log-opt
setup() { $E run --name $N --log-opt max-size=10k $IMG sh -c 'i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done' >/dev/null; }
hand() { $E logs $N | tail -1; }

## run-pidfile
# as: podman
hand() { $E run -d --name $N --pidfile "$W/pid" $IMG sleep 1000; }
after() { tr '\0' ' ' < /proc/$(cat "$W/pid")/cmdline; echo; }

## run-replace
# as: podman
setup() { $E create --name $N $IMG true; }
hand() { $E run --replace --name $N $IMG echo replaced; }

## run-annotation
# as: podman
setup() { $E create --name $N --annotation colour=blue $IMG true; }
hand() { $E inspect -f '{{ index .Config.Annotations "colour" }}' $N; }
