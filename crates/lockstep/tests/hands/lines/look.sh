# `logs`, `ps`, `inspect`.
# The form of a case: see prelude.bash.

## logs
setup() { $E run --name $N $IMG sh -c 'echo one; echo two; echo three >&2' >/dev/null 2>&1; }
hand() { $E logs $N 2>"$W/err"; }
after() { cat "$W/err"; }

## logs-tail
setup() { $E run --name $N $IMG seq 100 >/dev/null; }
hand() { $E logs --tail 3 $N; }

## logs-n
setup() { $E run --name $N $IMG seq 100 >/dev/null; }
hand() { $E logs -n 2 $N; }

## logs-timestamps
setup() { $E run --name $N $IMG echo stamped >/dev/null; }
hand() { $E logs -t $N; }

## logs-follow
setup() { $E run -d --name $N $IMG sh -c 'for i in 1 2 3; do echo $i; sleep 0.3; done'; }
hand() { $E logs -f $N; }

## logs-since
setup() { $E run --name $N $IMG echo recent >/dev/null; }
hand() { $E logs --since 1h --until 0s $N; }

## logs-partial-line
setup() { $E run --name $N $IMG printf 'no newline' >/dev/null; }
hand() { $E logs $N; }

## logs-missing
hand() { $E logs hands-nosuch; }

## ps-format
setup() { up; }
hand() { $E ps --filter name=$N --format '{{.Names}} {{.Image}} {{.Command}}'; }
filter() { tr -d '"'; }

## ps-quiet-is-short
setup() { up; }
hand() { $E ps -q --filter name=$N; }

## ps-no-trunc
setup() { up; }
hand() { $E ps -q --no-trunc --filter name=$N | wc -c; }

## ps-status
setup() { $E run --name $N $IMG sh -c 'exit 4'; }
hand() { $E ps -a --filter name=$N --format '{{.Status}}'; }
filter() { sed -E 's/(Less than a|About a|[0-9]+) (second|minute)s? ago/<ago>/'; }

## ps-filter-status
setup() { $E run --name $N $IMG true; up -b; }
hand() { $E ps -a --filter status=exited --filter name=$N --format '{{.Names}}'; }
teardown() { $E rm -f $N-b; }

## ps-filter-label
setup() { $E create --name $N --label hands=label $IMG true; }
hand() { $E ps -a -f label=hands=label --format '{{.Names}}'; }

## ps-filter-exited
setup() { $E run --name $N $IMG sh -c 'exit 11'; }
hand() { $E ps -aq --filter exited=11 | wc -l; }

## ps-last
setup() { $E create --name $N $IMG true; }
hand() { $E ps -n 1 --format '{{.Names}}'; }

## ps-table
setup() { up; }
hand() { $E ps --filter name=$N --format 'table {{.Names}}\t{{.Status}}' | head -1; }
filter() { tr -s ' ' ; }

## ps-headings
setup() { up; }
hand() { $E ps --filter name=$N | head -1; }
filter() { tr -s ' '; }

## ps-json
setup() { up; }
hand() { $E ps --filter name=$N --format '{{json .}}' | grep -c $N; }

## inspect-state
setup() { $E run --name $N $IMG sh -c 'exit 6'; }
hand() { $E inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.Running}} {{.State.OOMKilled}}' $N; }

## inspect-config
setup() { $E create --name $N -e A=1 -w /tmp -u app -h box $IMG sleep 5; }
hand() { $E inspect --format '{{.Config.Cmd}} {{.Config.WorkingDir}} {{.Config.User}} {{.Config.Hostname}}' $N; }

## inspect-env
setup() { $E create --name $N -e A=1 $IMG true; }
hand() { $E inspect --format '{{range .Config.Env}}{{println .}}{{end}}' $N | grep -c '^A=1$'; }

## inspect-mounts
setup() { mkdir "$W/d"; $E create --name $N -v "$W/d":/d:ro $IMG true; }
hand() { $E inspect --format '{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{end}}' $N; }

## inspect-json
setup() { $E create --name $N --read-only $IMG true; }
hand() { $E inspect $N | tr -d ' \n' | grep -oE '"(ReadonlyRootfs|AutoRemove)":(true|false)' | sort; }

## inspect-json-function
setup() { $E create --name $N --cap-add NET_ADMIN $IMG echo 'two words'; }
hand() { $E inspect -f '{{json .Config.Cmd}}' $N; }

## inspect-pid
setup() { up; }
hand() { tr '\0' ' ' < /proc/$($E inspect -f '{{.State.Pid}}' $N)/cmdline; }

## inspect-missing
hand() { $E inspect hands-nosuch; }

## inspect-host-config
setup() { $E create --name $N --restart on-failure:3 --pids-limit 20 --cpu-shares 300 $IMG true; }
hand() { $E inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}} {{.HostConfig.PidsLimit}} {{.HostConfig.CpuShares}}' $N; }
