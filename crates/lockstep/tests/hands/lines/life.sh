# The verbs of a container's life, volumes, and the words about the engine itself.
# The form of a case: see prelude.bash.

## stop
setup() { $E run -d --name $N $IMG sh -c 'trap "exit 0" TERM; echo ready; while :; do sleep 0.1; done'; wait_log ready; }
hand() { $E stop $N; }
after() { $E inspect -f '{{.State.Status}} {{.State.ExitCode}}' $N; }

## stop-time
setup() { $E run -d --name $N $IMG sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'; wait_log ready; }
hand() { $E stop -t 1 $N; }
after() { $E inspect -f '{{.State.ExitCode}}' $N; }

## stop-two
setup() { up; up -b; }
hand() { $E stop -t 0 $N $N-b; }
teardown() { $E rm -f $N-b; }

## stop-stopped
setup() { $E run --name $N $IMG true; }
hand() { $E stop $N; }

## stop-missing
hand() { $E stop hands-nosuch; }

## wait
setup() { $E run -d --name $N $IMG sh -c 'sleep 0.5; exit 13'; }
hand() { $E wait $N; }

## wait-two
setup() { $E run -d --name $N $IMG sh -c 'exit 1'; $E run -d --name $N-b $IMG sh -c 'exit 2'; }
hand() { $E wait $N $N-b; }
teardown() { $E rm -f $N-b; }

## kill
setup() { up; }
hand() { $E kill $N; }
after() { $E wait $N; }

## kill-signal
setup() { $E run -d --name $N $IMG sh -c 'trap "echo hup" HUP; trap "exit 3" USR1; echo ready; while :; do sleep 0.1; done'; wait_log ready; }
hand() { $E kill -s HUP $N; wait_log hup; $E kill --signal=SIGUSR1 $N; $E wait $N; }
after() { $E logs $N; }

## kill-stopped
setup() { $E run --name $N $IMG true; }
hand() { $E kill $N; }

## kill-signal-bad
setup() { up; }
hand() { $E kill -s NOSUCH $N; }

## rm
setup() { $E create --name $N $IMG true; }
hand() { $E rm $N; }
after() { $E ps -aq --filter name=$N | wc -l; }

## rm-running
setup() { up; }
hand() { $E rm $N; }

## rm-force
setup() { up; }
hand() { $E rm -f $N; }

## rm-missing
hand() { $E rm hands-nosuch; }

## rm-volumes
setup() { $E create --name $N -v /anon $IMG true; }
hand() { $E rm -v $N; $E volume ls -q | wc -l; }

## rm-list-of-ids
setup() { $E create --name $N --label hands=sweep $IMG true; $E create --name $N-b --label hands=sweep $IMG true; }
hand() { $E rm $($E ps -aq --filter label=hands=sweep) | wc -l; }

## create
hand() { $E create --name $N $IMG echo later; }
after() { $E inspect -f '{{.State.Status}}' $N; $E start -a $N; }

## start
setup() { $E create --name $N $IMG sleep 1000; }
hand() { $E start $N; }
after() { $E inspect -f '{{.State.Running}}' $N; }

## start-attach-exit-code
setup() { $E create --name $N $IMG sh -c 'echo started; exit 8'; }
hand() { $E start -a $N; }

## start-interactive
setup() { $E create -i --name $N $IMG cat; }
hand() { echo through | $E start -ai $N; }

## start-again
# A stopped container keeps its files.
setup() { $E run --name $N $IMG sh -c 'echo x >> /tmp/f; wc -l < /tmp/f' >/dev/null; }
hand() { $E start -a $N; }

## restart
setup() { $E run -d --name $N $IMG sh -c 'echo up; exec sleep 1000'; wait_log up; }
hand() { $E restart -t 0 $N; }
after() { for i in $(seq 50); do [ "$($E logs $N | wc -l)" = 2 ] && break; sleep 0.1; done; $E logs $N; }

## attach
setup() { $E run -d --name $N $IMG sh -c 'sleep 2; echo attached; exit 5'; }
hand() { $E attach $N; }

## attach-stdin
setup() { $E run -d -i --name $N $IMG sh -c 'read x; echo got $x'; }
hand() { echo word | $E attach $N >/dev/null; }
after() { $E wait $N; $E logs $N; }

## attach-stopped
setup() { $E run --name $N $IMG true; }
hand() { $E attach $N; }

## top
setup() { up; }
hand() { $E top $N; }
filter() { grep -c 'sleep 1000'; }

## top-stopped
setup() { $E run --name $N $IMG true; }
hand() { $E top $N; }

## stats
setup() { up; }
hand() { $E stats --no-stream --format '{{.Name}}' $N; }

## stats-memory-limit
setup() { $E run -d --name $N -m 64m $IMG sleep 1000; }
hand() { $E stats --no-stream --format '{{.MemUsage}}' $N; }
filter() { sed -E 's,.*/ *,,; s/(64MiB|67\.11MB)/64 MiB/'; }

## rename
setup() { $E create --name $N $IMG true; }
hand() { $E rename $N $N-new; }
after() { $E ps -a --filter name=$N --format '{{.Names}}'; }
teardown() { $E rm -f $N-new; }

## rename-taken
setup() { $E create --name $N $IMG true; $E create --name $N-b $IMG true; }
hand() { $E rename $N $N-b; }
teardown() { $E rm -f $N-b; }

## update-memory
# as: docker
setup() { $E run -d --name $N -m 64m $IMG sleep 1000; }
hand() { $E update -m 48m $N; }
after() { $E exec $N cat /sys/fs/cgroup/memory/memory.limit_in_bytes; }

## update-cpu-shares
setup() { up; }
hand() { $E update --cpu-shares 256 $N >/dev/null; }
after() { $E exec $N cat /sys/fs/cgroup/cpu/cpu.shares; }

## update-restart
# as: docker
setup() { up; }
hand() { $E update --restart on-failure:4 $N; }
after() { $E inspect -f '{{.HostConfig.RestartPolicy.MaximumRetryCount}}' $N; }

## pause
setup() { up; }
hand() { $E pause $N; }
after() { $E inspect -f '{{.State.Status}}' $N; $E unpause $N; $E inspect -f '{{.State.Status}}' $N; }

## pause-exec
setup() { up; $E pause $N; }
hand() { $E exec $N true; }
teardown() { $E unpause $N; }

## container-prune
setup() { $E run --name $N $IMG true; }
hand() { $E container prune -f >/dev/null; }
after() { $E ps -aq --filter name=$N | wc -l; }

## volume-create-ls-rm
hand() { $E volume create hands-v1; $E volume ls -q --filter name=hands-v1; $E volume rm hands-v1; }

## volume-inspect
setup() { $E volume create --label a=b hands-vi; }
hand() { $E volume inspect -f '{{.Name}} {{.Driver}} {{.Labels.a}}' hands-vi; }
teardown() { $E volume rm hands-vi; }

## volume-rm-in-use
setup() { $E create --name $N -v hands-vu:/d $IMG true; }
hand() { $E volume rm hands-vu; }
teardown() { $E rm -f $N; $E volume rm hands-vu; }

## port
setup() { $E create --name $N --network none $IMG true; }
hand() { $E port $N; }

## version
hand() { $E version >/dev/null; }

## info
hand() { $E info >/dev/null; }

## help-of-run
hand() { $E run --help | grep -cE -- '--(cap-drop|read-only|volume)\b'; }
filter() { sed 's/[1-9][0-9]*/described/'; }
