# `run`: the command and its words, standard streams, environment, names of the machine.
# The form of a case: see prelude.bash.

## run-true
# The shortest line there is.
hand() { $E run --rm $IMG true; }

## run-echo
hand() { $E run --rm $IMG echo hello world; }

## run-exit-code
hand() { $E run --rm $IMG sh -c 'exit 42'; }

## run-command-not-found
hand() { $E run --rm $IMG nosuchprogram; }

## run-command-not-executable
hand() { $E run --rm $IMG /etc/passwd; }

## run-image-missing
hand() { $E run --rm --pull never nosuch:1 true; }

## run-unknown-flag
hand() { $E run --rm --nosuchflag $IMG true; }

## run-killed-by-signal
hand() { $E run --rm $IMG sh -c 'sh -c "kill -TERM \$\$"; exit $?'; }

## run-stdin
hand() { echo one two | $E run --rm -i $IMG wc -w; }

## run-stdin-closed-without-i
hand() { echo unseen | $E run --rm $IMG cat; }

## run-stdin-tar
# A pipe of binary data in both directions.
hand() { head -c 300000 /bin/busybox | $E run --rm -i $IMG gzip -c | gzip -dc | cmp - <(head -c 300000 /bin/busybox) && echo equal; }

## run-tty
hand() { script -qec "$E run --rm -t $IMG sh -c 'test -t 0 && test -t 1 && tty'" /dev/null </dev/null | tr -d '\r'; }

## run-interactive-shell
hand() { printf 'echo $((6*7))\nexit 3\n' | $E run -i --rm $IMG sh; }

## run-stdout-stderr-apart
hand() { $E run --rm $IMG sh -c 'echo out; echo err >&2' 2>"$W/err"; }
after() { cat "$W/err"; }

## run-attach-stdout-only
hand() { $E run --rm -a stdout $IMG sh -c 'echo out; echo err >&2' 2>&1; }

## run-env
hand() { $E run --rm -e FRUIT=pear --env 'WORDS=two words' $IMG sh -c 'echo "$FRUIT/$WORDS"'; }

## run-env-from-caller
hand() { FRUIT=quince $E run --rm -e FRUIT -e NOTSETANYWHERE $IMG sh -c 'echo "$FRUIT ${NOTSETANYWHERE-unset}"'; }

## run-env-file
setup() { printf '# comment\nA=1\nB=two words\n\nC="quoted"\nFRUIT\n' > "$W/env"; }
hand() { FRUIT=fig $E run --rm --env-file "$W/env" -e A=2 $IMG sh -c 'echo "$A|$B|$C|$FRUIT"'; }

## run-env-whole
# Everything a program finds in its environment.
hand() { $E run --rm -h box $IMG env; }
filter() { grep -v '^container=' | sort; }

## run-env-term
hand() { script -qec "$E run --rm -t $IMG sh -c 'echo \$TERM'" /dev/null </dev/null | tr -d '\r'; }

## run-workdir
hand() { $E run --rm -w /tmp $IMG pwd; }

## run-workdir-made
hand() { $E run --rm --workdir /made/by/engine $IMG sh -c 'pwd; stat -c "%u:%g %a" .'; }

## run-entrypoint
hand() { $E run --rm --entrypoint /bin/echo $IMG from entrypoint; }

## run-entrypoint-cleared
hand() { $E run --rm --entrypoint "" $APP /bin/echo no entry; }

## run-image-defaults
hand() { $E run --rm $APP; }

## run-image-entrypoint-arguments
hand() { $E run --rm $APP other words; }

## run-image-user-and-workdir
hand() { $E run --rm --entrypoint sh $APP -c 'id; pwd; echo $APP_MODE'; }

## run-hostname
hand() { $E run --rm --hostname box.example.org $IMG sh -c 'hostname; echo $(cat /etc/hostname)'; }

## run-hostname-in-hosts
hand() { $E run --rm --hostname box.example.org $IMG grep -c box /etc/hosts; }

## run-hostname-is-id
hand() { $E run --rm --cidfile "$W/cid" $IMG hostname >"$W/h"; }
after() { grep -q "^$(cat "$W/h")" "$W/cid" && echo short id; }

## run-add-host
hand() { $E run --rm --add-host db:10.0.0.5 --add-host db6:::1 $IMG grep db /etc/hosts; }
filter() { tr '\t' ' '; }

## run-init
hand() { $E run --rm --init $IMG sh -c 'test $$ -ne 1 && echo child of init'; }

## run-preserve-fds
# as: podman
hand() { echo through the descriptor > "$W/f"; $E run --rm --preserve-fds 1 $IMG sh -c 'cat <&3' 3<"$W/f"; }

## run-unsetenv
# as: podman
hand() { $E run --rm --unsetenv HANDS $IMG sh -c 'echo ${HANDS-unset}'; }

## run-env-host
# as: podman
hand() { FRUIT=lime $E run --rm --env-host $IMG sh -c 'echo $FRUIT'; }

## run-no-hosts
# as: podman
hand() { $E run --rm --no-hosts $IMG sh -c 'cat /etc/hosts | wc -l'; }

## run-tz
# as: podman
hand() { $E run --rm --tz=Etc/UTC $IMG date +%Z; }

## run-platform
# as: docker
hand() { $E run --rm --platform linux/amd64 $IMG uname -m; }

## run-flags-together
# The line of a careful administrator.
setup() { mkdir "$W/d"; chown 1000:1000 "$W/d"; }
hand() { $E run --rm --init --read-only --cap-drop ALL --security-opt no-new-privileges -u 1000:1000 --pids-limit 50 -m 64m --cpus 1 --tmpfs /tmp:size=4m -v "$W/d":/data -e MODE=prod -w /data --network none $IMG sh -c 'id -u; pwd; echo $MODE; touch /tmp/f /data/f && ls'; }

## run-short-flags-joined
hand() { echo in | $E run -i --rm -eA=1 -w/tmp -u1000 $IMG sh -c 'cat; echo $A; pwd; id -u'; }

## run-equals-true
hand() { $E run --rm=true --read-only=true --init=false $IMG sh -c 'touch /f 2>/dev/null || echo refused'; }

## run-double-dash-in-command
hand() { $E run --rm $IMG echo -- --rm -v; }

## container-run
hand() { $E container run --rm $IMG echo long spelling; }
